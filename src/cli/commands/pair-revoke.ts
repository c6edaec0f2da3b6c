import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';

export const command: Command = {
  usage: 'pair revoke <pairing | code>',
  summary: 'end a pairing, or a code that was not used yet (inv_…)',
  positionals: 1,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  details: `Its token is worth nothing from this moment, no room is shared with it any more, and what waited for it is
given up. The other side keeps what it has received.`,
  async run(args, io) {
    const id = args.positionals[0];
    if (id === undefined) throw usageFailure('which pairing is missing', 'moltnet pair list shows them');
    const client = await openAdminClient(args, io);
    const removed = await explained(() =>
      id.startsWith('inv_') ? client.revokePairingInvite(id) : client.revokePairing(id),
    );
    await print(args, io, removed, (color) => `${color.green('revoked')} ${id}`);
  },
};
