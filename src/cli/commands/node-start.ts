import { loadNodeConfig } from '../../config/node.ts';
import { RUNTIMES } from '../../runtimes/registry.ts';
import type { NodeConfig } from '../../config/types.ts';
import type { Command } from '../command.ts';
import { runNode } from '../run-node.ts';

export const command: Command = {
  usage: 'node start [path]',
  summary: 'run the agents of a MoltnetNode file: wake them when a message is for them',
  positionals: 1,
  flags: [
    {
      name: 'config',
      value: 'FILE',
      what: 'node file',
      fallback: '$MOLTNET_NODE_CONFIG, MoltnetNode, moltnet-node.yaml, .yml, .json',
    },
  ],
  details:
    'SIGHUP, or moltnet reload --node, has it take over its changed file: agents that it does not touch go on with their turns.',
  async run(args, io) {
    const file = args.text('config') ?? args.positionals[0];
    const read = (): NodeConfig =>
      loadNodeConfig({ cwd: io.cwd, env: io.env, ...(file === undefined ? {} : { path: file }) }, RUNTIMES);
    return runNode(read(), io, read);
  },
};
