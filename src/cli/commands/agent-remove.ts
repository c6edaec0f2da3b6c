import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';

export const command: Command = {
  usage: 'admin agent remove <id>',
  summary: 'remove an agent: out of all rooms, detached for good, its token void',
  positionals: 1,
  flags: [
    { name: 'agent', value: 'ID', what: 'the agent, in place of the word' },
    ...ADMIN_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: `On a server with tokens it comes back only by a code: moltnet admin agent invite ID. In auth mode none, by registering.`,
  async run(args, io) {
    const id = args.text('agent') ?? args.positionals[0];
    if (id === undefined) throw usageFailure('--agent is missing');
    const client = await openAdminClient(args, io);
    const result = await explained(() => client.removeAgent(id));
    await print(args, io, result, (color) => `${color.green('removed')} agent ${result.id}`);
  },
};
