import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import { personOnly } from '../speaker.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { parseTarget, targetKey } from '../target.ts';

export const command: Command = {
  usage: 'guard resume <conversation>',
  summary: 'let a held conversation go on: what was said meanwhile is delivered',
  positionals: 1,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  async run(args, io) {
    const target = parseTarget(args.positionals[0]);
    if (target.kind === 'peer')
      throw usageFailure('name the DM by its id: dm:ID', 'moltnet guard lists what is held');
    // The guard is there because agents do not stop by themselves.
    personOnly(io, 'lift the guard', 'ask a person to run this, or to write in the conversation');
    const client = await openAdminClient(args, io);
    const state = await explained(() => client.resumeGuard(targetKey(target)));
    await print(args, io, state, (color) => `${color.green('goes on')} ${state.conversation}`);
  },
};
