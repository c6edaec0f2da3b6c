/** What Gemini CLI is started with: its arguments, its environment, and two files of ours that these name. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { AttachmentConfig } from '../../config/types.ts';
import { ensurePrivateDir, writeFileAtomic } from '../../config/private-files.ts';
import type { CliPlace } from '../cli-runtime.ts';
import { quoted } from '../shell-quoted.ts';
import { stateFolder } from '../state-folder.ts';
import { geminiHome } from './session-files.ts';

/**
 * Rules of its policy engine that stand behind all that a user has written, and before its own: every shell command
 * that begins as one of `moltnet` may is asked for, also what it takes for harmless, and no other is run.
 */
const POLICY = `# Written by moltnet at each start.
[[rule]]
toolName = "run_shell_command"
commandRegex = '(moltnet|echo|printf|cat|head|tail|wc)( |"|\\\\)'
decision = "ask_user"
priority = 2
modes = ["default", "autoEdit"]

[[rule]]
toolName = "run_shell_command"
argsPattern = "."
decision = "deny"
priority = 1
modes = ["default", "autoEdit"]

[[rule]]
toolName = "activate_skill"
argsPattern = '^\\{\\x00"name":"moltnet"\\x00\\}$'
decision = "allow"
priority = 1
`;

/** How often it asks its model in one turn: it would go on for five minutes, and the node tries again itself. */
const MODEL_ATTEMPTS = 2;

/** Milliseconds for which its reports of failed requests are kept. */
const KEPT = 86_400_000;

/** Beneath all that a user has written. */
const settings = (env: NodeJS.ProcessEnv): object => ({
  general: {
    enableAutoUpdate: false,
    enableAutoUpdateNotification: false,
    maxAttempts: MODEL_ATTEMPTS,
    // At each start it would remove the session of another process of this workspace that has no answer in it yet.
    sessionRetention: { enabled: false },
  },
  privacy: { usageStatisticsEnabled: false },
  telemetry: { enabled: false },
  security: {
    auth: { selectedType: loginOf(env) },
    // The names in it of what it needs itself, a model's key above all, are no business of the shell's.
    environmentVariableRedaction: { enabled: true },
  },
});

/** Without a login chosen it begins sessions, and loads none. */
function loginOf(env: NodeJS.ProcessEnv): string {
  if (env['GOOGLE_GENAI_USE_GCA'] === 'true') return 'oauth-personal';
  if (env['GOOGLE_GENAI_USE_VERTEXAI'] === 'true') return 'vertex-ai';
  return env['GOOGLE_GEMINI_BASE_URL'] ? 'gateway' : 'gemini-api-key';
}

/** What a Gemini CLI around this node leaves. */
const FOREIGN = /^(GEMINI_CLI|GEMINI_CLI_IDE_\w+|SANDBOX)$/;
const DEFAULTS = 'GEMINI_CLI_SYSTEM_DEFAULTS_PATH';
const SYSTEM_DEFAULTS =
  process.platform === 'darwin'
    ? '/Library/Application Support/GeminiCli/system-defaults.json'
    : '/etc/gemini-cli/system-defaults.json';

export interface GeminiStart {
  file: string;
  args: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
}

/** Writes the files. Throws where that cannot be. */
export function geminiStart({ context, file, workspace, env: given }: CliPlace): GeminiStart {
  const { runtime } = context.attachment;
  const env: NodeJS.ProcessEnv = Object.fromEntries(
    Object.entries(given).filter(([name]) => !FOREIGN.test(name)),
  );
  // It names a place in the home that this process has.
  if (runtime.home_path !== undefined) delete env['GEMINI_CLI_HOME'];
  const folder = path.join(stateFolder(context.attachment), 'gemini');
  const temporary = path.join(folder, 'tmp');
  for (const made of [path.dirname(folder), folder, temporary]) ensurePrivateDir(made);
  removeReports(temporary);
  const policy = path.join(folder, 'policy.toml');
  keep(policy, POLICY);
  // Those of its user it reads only where no other are named.
  const policies = [policy, path.join(geminiHome(env), 'policies')].filter(existsSync);
  // Where an administrator has settled what holds on this machine, that holds.
  if (!env[DEFAULTS] && !existsSync(SYSTEM_DEFAULTS)) {
    env[DEFAULTS] = path.join(folder, 'defaults.json');
    keep(env[DEFAULTS], `${JSON.stringify(settings(env), null, 2)}\n`);
  }
  const PATH = withGuardedShell(env['PATH'] ?? '', folder, context.attachment);
  return {
    file,
    // The workspace is the one that its user has named for this agent.
    args: ['--acp', '--skip-trust', ...policies.flatMap((one) => ['--policy', one]), ...(runtime.args ?? [])],
    cwd: workspace,
    env: {
      ...env,
      PATH,
      // It would start itself a second time, with more memory.
      GEMINI_CLI_NO_RELAUNCH: '1',
      // A login is asked for in a terminal, not in a window that opens by itself.
      NO_BROWSER: 'true',
      NO_COLOR: '1',
      // Of a request that failed it leaves a report with the whole conversation, for everybody to read.
      TMPDIR: temporary,
    },
  };
}

/** Names of variables that hold secrets. */
const SECRETS = 'TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL';

/**
 * PATH with a `bash` of ours before the one that its shell tool would take from it: it hands on no variable that is named
 * as secrets are, whether it was there at the start or came out of an `.env` that Gemini CLI reads, but Moltnet's and the
 * one with this attachment's token. Its own settings do the same only where a file of ours counts: it and all folders
 * above it must be root's.
 */
function withGuardedShell(
  PATH: string,
  folder: string,
  { agent, network_id, auth }: AttachmentConfig,
): string {
  if (process.platform === 'win32') return PATH;
  // Attachments may share a workspace, and with it the folder.
  const bins = path.join(folder, 'bin');
  const bin = path.join(bins, encodeURIComponent(`${network_id}.${agent.id}`));
  const places = PATH.split(path.delimiter).filter((each) => each !== bin);
  const at = places.findIndex((each) => path.isAbsolute(each) && existsSync(path.join(each, 'bash')));
  if (at === -1) return PATH;
  for (const made of [bins, bin]) ensurePrivateDir(made);
  const script = `#!/bin/sh
# Written by moltnet at each start: the shells of its agent have no business with what Gemini CLI needs itself.
names=$(env | awk -F= -v own=${quoted(auth.token_env ?? '')} '
  toupper($1) ~ /${SECRETS}/ && $1 !~ /^MOLTNET_/ && $1 != own && $1 ~ /^[^ ]+$/ { print $1 }') || {
  echo 'moltnet: env and awk are needed to keep secrets out of this shell' >&2
  exit 126
}
set -f
set -- ${quoted(path.join(places[at]!, 'bash'))} "$@"
for name in $names; do set -- -u "$name" "$@"; done
exec env "$@"
`;
  keep(path.join(bin, 'bash'), script, 0o700);
  return places.toSpliced(at, 0, bin).join(path.delimiter);
}

function removeReports(folder: string): void {
  for (const name of readdirSync(folder).filter((each) => each.startsWith('gemini-client-error-'))) {
    const file = path.join(folder, name);
    if ((statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) < Date.now() - KEPT)
      rmSync(file, { force: true });
  }
}

function keep(file: string, content: string, mode?: number): void {
  try {
    if (readFileSync(file, 'utf8') === content) return;
  } catch {
    // It is not there yet.
  }
  writeFileAtomic(file, content, mode);
}
