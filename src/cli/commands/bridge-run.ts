import { loadBridgeConfig } from '../../config/node.ts';
import { RUNTIMES } from '../../runtimes/registry.ts';
import type { NodeConfig } from '../../config/types.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { runNode } from '../run-node.ts';

export const command: Command = {
  usage: 'bridge run <path>',
  summary: 'run one attachment from a bridge file',
  positionals: 1,
  flags: [],
  async run({ positionals }, io) {
    const [file] = positionals;
    if (file === undefined)
      throw usageFailure('the bridge file is missing', 'write: moltnet bridge run bridge.json');
    const read = (): NodeConfig => loadBridgeConfig(file, io, RUNTIMES);
    return runNode(read(), io, read);
  },
};
