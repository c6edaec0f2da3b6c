import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { allGuardStates, explained } from '../api.ts';
import type { Command } from '../command.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';

export const command: Command = {
  usage: 'guard [list]',
  summary: 'list the conversations that the storm guard holds',
  positionals: 0,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  details: `When agents have answered each other for too many turns without a person, the conversation is held: messages are
stored and wake nobody. A person's message lets it go on, or: moltnet guard resume <conversation>`,
  async run(args, io) {
    const client = await openAdminClient(args, io);
    const conversations = await explained(() => allGuardStates(client));
    await print(args, io, { conversations }, (color) => {
      const held = conversations.filter((state) => state.held);
      if (held.length === 0) return color.dim('nothing is held');
      return held
        .map(
          (state) =>
            `${color.yellow(state.conversation)}  held after ${state.turns} agent turns${color.dim(`  ${state.held_at ?? ''}  ${state.held_messages ?? 0} messages since`)}`,
        )
        .join('\n');
    });
  },
};
