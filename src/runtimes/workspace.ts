/** The place an agent's CLI works in: its folder, its environment, and the way its `moltnet` commands reach home. */
import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { readClientFile } from '../config/client.ts';
import { upsertClientConfig } from '../config/client-write.ts';
import type { ClientAttachment } from '../config/types.ts';
import type { RuntimeContext } from './runtime.ts';
import { SetupError } from './setup-error.ts';

/** The absolute workspace of an attachment. */
export function workspaceOf(context: RuntimeContext): string {
  const { kind, workspace_path } = context.attachment.runtime;
  if (!workspace_path) throw new SetupError(`runtime.workspace_path is missing; write the folder that ${kind} works in`);
  return path.resolve(workspace_path);
}

export const clientConfigOf = (workspace: string): string => path.join(workspace, '.moltnet', 'config.json');

/** Throws a SetupError unless the workspace is a folder. */
export function requireWorkspace(workspace: string): void {
  if (!statSync(workspace, { throwIfNoEntry: false })?.isDirectory())
    throw new SetupError(`the workspace ${workspace} is not a folder; make it, or correct runtime.workspace_path`);
}

/**
 * Sees to it that the agent's own `moltnet` commands work: `.moltnet/config.json` of the workspace gets an entry of
 * this attachment when it has none, and the rooms, DMs, address and token that its entry lacks. What a person wrote
 * there stays. Throws a ConfigError when the file cannot be read as one.
 */
export function prepareClientConfig(context: RuntimeContext, workspace: string): void {
  const { attachment, token } = context;
  const file = clientConfigOf(workspace);
  const known = existing(file)?.find((a) => a.network_id === attachment.network_id && a.member_id === attachment.agent.id);
  const auth = known?.auth ?? { mode: attachment.auth.mode };
  const hasToken = auth.token !== undefined || auth.token_env !== undefined || auth.token_path !== undefined;
  const entry: ClientAttachment = {
    ...known,
    agent_name: known?.agent_name ?? attachment.agent.name ?? attachment.agent.id,
    auth: token !== undefined && (!hasToken || (auth.token !== undefined && auth.token !== token)) ? { ...auth, token } : auth,
    base_url: attachment.base_url,
    dms: known?.dms ?? attachment.dms,
    member_id: attachment.agent.id,
    network_id: attachment.network_id,
    rooms: [
      ...(known?.rooms ?? []),
      ...attachment.rooms.filter((room) => !known?.rooms.some((r) => r.id === room.id)),
    ],
    runtime: known?.runtime ?? attachment.runtime.kind,
  };
  upsertClientConfig(file, entry, { name: '', runtime: '' });
}

function existing(file: string): ClientAttachment[] | undefined {
  return statSync(file, { throwIfNoEntry: false }) ? readClientFile(file).attachments : undefined;
}

/**
 * The environment of an agent's CLI: what this process has, as a person's terminal would have it. `npm run` and an
 * agent that started this process leave variables that would change the CLI: those go. PATH begins with the folder
 * of `moltnet`; with a `home_path` HOME is that.
 */
export function agentEnvironment(context: RuntimeContext, workspace: string): NodeJS.ProcessEnv & { PATH: string } {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) if (!FOREIGN.test(name)) env[name] = value;
  const home = context.attachment.runtime.home_path;
  if (home) {
    env['HOME'] = path.resolve(home);
    // They name places in the home that this process has.
    delete env['CODEX_HOME'];
    delete env['CLAUDE_CONFIG_DIR'];
    mkdirSync(env['HOME'], { recursive: true });
  }
  const rest = (env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin').split(path.delimiter).filter((folder) => folder !== context.moltnet_bin);
  return { ...env, PATH: [context.moltnet_bin, ...rest].join(path.delimiter), MOLTNET_CLIENT_CONFIG: clientConfigOf(workspace) };
}

const FOREIGN = /^(npm_.*|INIT_CWD|CLAUDECODE|CLAUDE_CODE_(SESSION_ID|ENTRYPOINT)|CODEX_(THREAD_ID|SESSION_ID|CI|SANDBOX.*|TOOL_CALL_ID|VERSION)|MOLTNET_PROCESS_TAG)$/;
