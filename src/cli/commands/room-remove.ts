import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';

export const command: Command = {
  usage: 'room remove <id>',
  summary: 'remove a room; its messages are kept',
  positionals: 1,
  flags: [
    { name: 'room', value: 'ID', what: 'the room, in place of the word' },
    ...ADMIN_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  async run(args, io) {
    const id = args.text('room') ?? args.positionals[0];
    if (id === undefined)
      throw usageFailure('the id of the room is missing', 'write: moltnet room remove research');
    const client = await openAdminClient(args, io);
    const result = await explained(() => client.removeRoom(id));
    await print(args, io, result, (color) => `${color.green('removed')} room:${result.id}`);
  },
};
