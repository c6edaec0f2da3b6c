import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';

export const command: Command = {
  usage: 'pair share <room>',
  summary: 'with which paired networks a room is shared',
  positionals: 1,
  flags: [
    { name: 'with', value: 'PAIRING', many: true, what: 'only these; repeat it, or write a comma list' },
    { name: 'all', what: 'every pairing, also those to come' },
    { name: 'none', what: 'nobody' },
    ...ADMIN_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: 'Sharing begins with the next message. The other side has to share its room of the same id too.',
  async run(args, io) {
    const id = args.positionals[0]?.replace(/^room:/, '');
    const pairings = args.list('with');
    const words = [pairings.length > 0, args.on('all') === true, args.on('none') === true];
    if (id === undefined || words.filter(Boolean).length !== 1)
      throw usageFailure('which room, and with whom?', 'write: moltnet pair share general --with net_b');
    const federation = words[1] ? 'all' : words[2] ? 'none' : pairings;
    const client = await openAdminClient(args, io);
    const room = await explained(() => client.updateRoom(id, { federation }));
    await print(
      args,
      io,
      room,
      (color) =>
        `${color.green('shared')} room:${room.id} with ${room.federation === undefined ? 'nobody' : [room.federation].flat().join(', ')}`,
    );
  },
};
