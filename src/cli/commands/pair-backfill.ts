import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { countOf } from '../pairing-lines.ts';

export const command: Command = {
  usage: 'pair backfill <pairing> --room ID',
  summary: 'take in what a paired network said in a shared room before',
  positionals: 1,
  flags: [
    { name: 'room', value: 'ID', what: 'the room' },
    { name: 'count', value: 'N', what: 'messages at most, the newest', fallback: '100' },
    ...ADMIN_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: `They stand in the history where they were taken in, with the time at which they were said, and wake nobody. Done
again, it takes what is not here yet. What that network has from others is not asked for, and threads are not.`,
  async run(args, io) {
    const [id, room] = [args.positionals[0], args.text('room')?.replace(/^room:/, '')];
    if (id === undefined || room === undefined)
      throw usageFailure(
        'which pairing, and which room?',
        'write: moltnet pair backfill net_b --room general',
      );
    const count = countOf(args.text('count'), 'count');
    const client = await openAdminClient(args, io);
    const result = await explained(() =>
      client.backfillPairing(id, { room_id: room, ...(count === undefined ? {} : { count }) }),
    );
    await print(
      args,
      io,
      result,
      (color) =>
        `${color.green('taken in')} ${result.taken} messages, ${result.known} were here${result.refused > 0 ? `, ${result.refused} are not taken by the rules here` : ''}`,
    );
  },
};
