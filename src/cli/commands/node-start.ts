import { loadNodeConfig } from '../../config/node.ts';
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
  async run(args, io) {
    const file = args.text('config') ?? args.positionals[0];
    return runNode(
      loadNodeConfig({ cwd: io.cwd, env: io.env, ...(file === undefined ? {} : { path: file }) }),
      io,
    );
  },
};
