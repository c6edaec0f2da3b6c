/** The place an agent's CLI works in: its folder and its environment. */
import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { RuntimeContext } from './runtime.ts';
import { SetupError } from './setup-error.ts';

/** The absolute workspace of an attachment. */
export function workspaceOf(context: RuntimeContext): string {
  const { kind, workspace_path } = context.attachment.runtime;
  if (!workspace_path)
    throw new SetupError(`runtime.workspace_path is missing; write the folder that ${kind} works in`);
  return path.resolve(workspace_path);
}

/** Throws a SetupError unless the workspace is a folder. */
export function requireWorkspace(workspace: string): void {
  if (!statSync(workspace, { throwIfNoEntry: false })?.isDirectory())
    throw new SetupError(
      `the workspace ${workspace} is not a folder; make it, or correct runtime.workspace_path`,
    );
}

/**
 * The environment of an agent's CLI: what this process has, as a person's terminal would have it. `npm run` and an
 * agent that started this process leave variables that would change the CLI: those go, and so do secrets of others: a
 * server's that runs from the same environment, and those of other attachments (RT-153). PATH begins with the folder
 * of `moltnet`, and MOLTNET_CLIENT_CONFIG names the file that the node keeps in the workspace; with a `home_path` HOME
 * is that.
 */
export function agentEnvironment(
  context: RuntimeContext,
  workspace: string,
): NodeJS.ProcessEnv & { PATH: string } {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) if (!FOREIGN.test(name)) env[name] = value;
  for (const name of context.withheld?.() ?? []) delete env[name];
  const home = context.attachment.runtime.home_path;
  if (home) {
    env['HOME'] = path.resolve(home);
    // They name places in the home that this process has.
    delete env['CODEX_HOME'];
    delete env['CLAUDE_CONFIG_DIR'];
    try {
      mkdirSync(env['HOME'], { recursive: true });
    } catch (error) {
      throw new SetupError(
        `runtime.home_path ${env['HOME']} cannot be a folder: ${(error as Error).message}; correct it`,
      );
    }
  }
  const rest = (env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin')
    .split(path.delimiter)
    .filter((folder) => folder !== context.moltnet_bin);
  return {
    ...env,
    PATH: [context.moltnet_bin, ...rest].join(path.delimiter),
    MOLTNET_CLIENT_CONFIG: path.join(workspace, '.moltnet', 'config.json'),
  };
}

const FOREIGN =
  /^(npm_.*|INIT_CWD|CLAUDECODE|CLAUDE_CODE_(SESSION_ID|ENTRYPOINT)|CODEX_(THREAD_ID|SESSION_ID|CI|SANDBOX.*|TOOL_CALL_ID|VERSION)|MOLTNET_(PROCESS_TAG|WAKE|POSTGRES_DSN|PAIRINGS_JSON))$/;
