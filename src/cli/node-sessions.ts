/** The sessions of a node's agents: of the node that runs, else of what its runtimes have kept. */
import { discover, NODE_FILES } from '../config/discover.ts';
import { loadNodeConfig } from '../config/node.ts';
import { askNode, NoNode, type ControlRequest } from '../node/control.ts';
import { listSessions, resetSession, type NodeSession } from '../node/sessions.ts';
import { createRuntime, RUNTIMES } from '../runtimes/registry.ts';
import type { Runtime } from '../runtimes/runtime.ts';
import type { Args, Flag, Io } from './command.ts';
import { Failure } from './failure.ts';

export const NODE_FILE_FLAG: Flag = {
  name: 'file',
  value: 'FILE',
  what: "the node's file, when it is not in this folder",
};

export interface NodeSessions {
  /** By agent. */
  list(agent?: string): Promise<Record<string, NodeSession[]>>;
  /** False when there is none. */
  reset(agent: string, conversation: string): Promise<boolean>;
}

const NOTHING_RUNS: ReadonlySet<string> = new Set();

/** Every call throws a Failure in plain words. */
export function nodeSessions(args: Args, io: Io): NodeSessions {
  const named = args.text('file');
  const where = { cwd: io.cwd, env: io.env, ...(named === undefined ? {} : { path: named }) };
  const found = discover(where, 'MOLTNET_NODE_CONFIG', NODE_FILES);
  if (!found)
    throw new Failure(`no node file here (${NODE_FILES.join(', ')})`, { hint: 'name one with --file PATH' });

  /** Asks the node; where none runs, the runtimes themselves. */
  const ask = async <T>(request: ControlRequest, without: () => Promise<T>): Promise<T> => {
    try {
      return (await askNode(found.file, request)) as T;
    } catch (error) {
      if (error instanceof NoNode) return without();
      throw new Failure((error as Error).message, { cause: error });
    }
  };
  const attachments = (agent: string | undefined) => {
    const all = loadNodeConfig(where, RUNTIMES).attachments;
    const those = all.filter(({ agent: { id } }) => agent === undefined || id === agent);
    if (those.length === 0 && agent !== undefined)
      throw new Failure(`${found.shown} has no attachment of ${JSON.stringify(agent)}`, {
        hint: `its agents: ${all.map(({ agent: { id } }) => id).join(', ')}`,
      });
    return those;
  };
  return {
    list: (agent) =>
      ask({ op: 'sessions', agent }, async () => {
        const lists: Record<string, NodeSession[]> = {};
        for (const config of attachments(agent))
          lists[config.agent.id] = await using(config, (one) => listSessions(config, one, NOTHING_RUNS));
        return lists;
      }),
    reset: (agent, conversation) =>
      ask({ op: 'reset', agent, conversation }, async () => {
        const [config] = attachments(agent);
        return using(config!, (one) => resetSession(config!, one, NOTHING_RUNS, conversation));
      }),
  };
}

async function using<T>(
  attachment: Parameters<typeof createRuntime>[0]['attachment'],
  run: (runtime: Runtime) => Promise<T>,
): Promise<T> {
  let runtime: Runtime | undefined;
  try {
    runtime = createRuntime({ attachment, moltnet_bin: '', log: () => {} });
    return await run(runtime);
  } catch (error) {
    throw new Failure(`${attachment.agent.id}: ${(error as Error).message}`, { cause: error });
  } finally {
    await runtime?.close();
  }
}
