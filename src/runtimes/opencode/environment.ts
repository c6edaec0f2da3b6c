/** What the processes of opencode inherit, and what its agent's shells do not. */
import path from 'node:path';
import { ensurePrivateDir, writeFileAtomic } from '../../config/private-files.ts';
import { parseObject } from '../json.ts';
import { SetupError } from '../setup-error.ts';
import { quoted } from '../shell-quoted.ts';

/** What an opencode around this node leaves. */
const FOREIGN = /^OPENCODE(_PID|_RUN_ID|_PROCESS_ROLE|_CLIENT|_SERVER_\w+)?$/;
/** What names places in another home than the agent's. */
const PLACES = /^(XDG_(CONFIG|DATA|STATE|CACHE)_HOME|OPENCODE_CONFIG(_DIR)?)$/;
/** Shells that opencode does not run commands in; it takes bash then. */
const NOT_TAKEN = /^(fish|nu)$/;

/** What all of its environment comes from. `ownHome`: the agent has a home of its own. */
export function opencodeEnvironment(env: NodeJS.ProcessEnv, ownHome: boolean): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !FOREIGN.test(name) && !(ownHome && PLACES.test(name))),
  );
}

/**
 * The environment in which its shells are run by a script of ours, below this folder, that takes the password of its
 * server out: they would inherit it. A plugin could do that too, and opencode begins no turn with a plugin before it
 * has asked npm for its kit.
 *
 * @param chosen the shell of its own settings, which it takes before SHELL
 */
export function withGuardedShell(env: NodeJS.ProcessEnv, folder: string, chosen?: string): NodeJS.ProcessEnv {
  // Its shells there are not run by a script.
  if (process.platform === 'win32') return env;
  const given = chosen ?? env['SHELL'] ?? '';
  const shell = given === '' || NOT_TAKEN.test(path.basename(given)) ? 'bash' : given;
  ensurePrivateDir(path.dirname(folder));
  ensurePrivateDir(folder);
  // opencode goes by the name of the file.
  const file = path.join(folder, path.basename(shell));
  const own = env['SHELL'] === undefined ? 'unset SHELL' : `SHELL=${quoted(env['SHELL'])}; export SHELL`;
  const script = `#!/bin/sh
# Written by Moltnet at every start of opencode: its shells have no business with the password of its server.
unset OPENCODE_SERVER_PASSWORD OPENCODE_SERVER_USERNAME
${own}
command -v ${quoted(shell)} >/dev/null || exec /bin/sh "$@"
exec ${quoted(shell)} "$@"
`;
  writeFileAtomic(file, script, 0o700);
  return chosen === undefined
    ? { ...env, SHELL: file }
    : { ...env, SHELL: file, OPENCODE_CONFIG_CONTENT: withShell(env['OPENCODE_CONFIG_CONTENT'], file) };
}

function withShell(content: string | undefined, shell: string): string {
  const config = parseObject(content ?? '{}');
  if (!config) throw new SetupError('OPENCODE_CONFIG_CONTENT is no JSON object; correct it');
  return JSON.stringify({ ...config, shell });
}
