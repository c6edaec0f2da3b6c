import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { localTime, OUTPUT_FLAGS, print } from '../format.ts';
import { pairingLine } from '../pairing-lines.ts';

export const command: Command = {
  usage: 'pair list',
  summary: 'paired networks, how they stand, and open codes',
  positionals: 0,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  async run(args, io) {
    const client = await openAdminClient(args, io);
    const pairings = await explained(() => client.pairings());
    const { invites } = await explained(() => client.pairingInvites());
    await print(args, io, { pairings, invites }, (color) => {
      const lines = pairings.map((pairing) => pairingLine(pairing, color));
      for (const { id, rooms, expires_at } of invites)
        lines.push(
          `${id}  ${color.dim(`code for ${rooms.join(', ')}, until ${localTime(expires_at, new Date())}`)}`,
        );
      return lines.length > 0
        ? lines.join('\n')
        : color.dim('no pairings: moltnet pair invite --room general');
    });
  },
};
