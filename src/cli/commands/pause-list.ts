import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { pauseLine } from '../pause-line.ts';

export const command: Command = {
  usage: 'pause list',
  summary: 'what is paused, since when, and by whom',
  positionals: 0,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  async run(args, io) {
    const client = await openAdminClient(args, io);
    const pauses = await explained(() => client.pauses());
    await print(args, io, { pauses }, (color) =>
      pauses.length === 0
        ? color.dim('nothing is paused')
        : pauses.map((pause) => pauseLine(pause, color)).join('\n'),
    );
  },
};
