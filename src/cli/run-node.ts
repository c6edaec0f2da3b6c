/** Running a node's attachments in the foreground: what `node start` and `bridge run` share. */
import type { NodeConfig } from '../config/types.ts';
import { startNode, type RunningNode } from '../node/node.ts';
import type { Io } from './command.ts';
import { Failure } from './failure.ts';
import { launcherFolder } from './launcher.ts';
import { paint } from './style.ts';
import { untilStopped } from './until-stopped.ts';

/**
 * Resolves with the exit code: 0 after a signal, 1 when no attachment could go on. `read` reads the file again, for
 * SIGHUP and moltnet reload; the node logs what became of it.
 */
export async function runNode(config: NodeConfig, io: Io, read: () => NodeConfig): Promise<number> {
  let running: RunningNode | undefined;
  const stopping = untilStopped(() => void running?.reload().catch(() => {}));
  await io.out(summary(config, io));
  const bin = launcherFolder();
  let node: RunningNode;
  try {
    node = await startNode(config, { env: io.env, read, ...(bin === undefined ? {} : { moltnetBin: bin }) });
  } catch (error) {
    throw new Failure(error instanceof Error ? error.message : String(error), { cause: error });
  }
  running = node;
  // A node without attachments runs idle until it is given some, or stopped.
  const ended = await Promise.race([stopping.requested.then(() => undefined), node.done]);
  if (ended === undefined) return stopping.finish(() => node.stop());
  await node.stop();
  const reasons = ended.ended.map(
    (attachment) => `${attachment.agent_id}: ${attachment.problems.join('; ')}`,
  );
  throw new Failure(`no attachment can go on${reasons.length > 0 ? `: ${reasons.join(' | ')}` : ''}`, {
    hint: 'put that right, and start it again',
  });
}

function summary(config: NodeConfig, io: Io): string {
  const color = paint(io.color);
  const from = config.path === undefined ? '' : color.dim(` (${config.path})`);
  if (config.attachments.length === 0)
    return `${color.bold('Moltnet node')}${from}: no attachments; add one with: moltnet connect my-agent --runtime codex --node\n`;
  const lines = config.attachments.map(
    ({ agent, runtime, rooms, dms, base_url, other_urls = [], network_id }) => {
      const where =
        [
          ...rooms.map(({ id, wake }) => `${id} (${wake})`),
          ...(dms.enabled ? [`DMs (${dms.wake})`] : []),
        ].join(', ') || 'no rooms';
      return `  ${color.name(agent.id)}  ${runtime.kind}  ${where}  ${color.dim(`${network_id} at ${[base_url, ...other_urls].join(', ')}`)}`;
    },
  );
  return `${[`${color.bold('Moltnet node')}${from}`, ...lines, color.dim('Ctrl-C stops it.')].join('\n')}\n`;
}
