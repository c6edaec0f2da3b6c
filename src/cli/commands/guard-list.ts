import type { GuardState } from '../../protocol/events.ts';
import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { allGuardStates, explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { localTime, OUTPUT_FLAGS, print } from '../format.ts';
import { safeLine, type Paint } from '../style.ts';
import { parseTarget, targetKey } from '../target.ts';

export const command: Command = {
  usage: 'guard [list] [conversation]',
  summary: 'list the conversations that the storm guard holds, or show the meters of one',
  positionals: 1,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  details: `Agents that answer each other without a person are held after a number of turns in a row, of turns in an hour, or of
turns of one pair: messages are stored and wake nobody. What a run of turns holds, a person's message lets go on too;
everything: moltnet guard resume <conversation>`,
  async run(args, io) {
    const named = args.positionals[0];
    const target = named === undefined ? undefined : parseTarget(named);
    if (target?.kind === 'peer')
      throw usageFailure('name the DM by its id: dm:ID', 'moltnet guard lists what is held');
    const client = await openAdminClient(args, io);
    if (target) {
      const state = await explained(() => client.guardOf(targetKey(target)));
      return print(args, io, state, (color) => stateLines(state, color));
    }
    const conversations = await explained(() => allGuardStates(client));
    await print(args, io, { conversations }, (color) => {
      const held = conversations.filter((state) => state.held);
      return held.length === 0
        ? color.dim('nothing is held')
        : held.map((state) => stateLines(state, color)).join('\n');
    });
  },
};

/** A line that says whether it is held and why, and one with how near each limit is. */
function stateLines(state: GuardState, color: Paint): string {
  const { conversation, held, held_at, held_messages, detail, turns, meters } = state;
  const since = held_at === undefined ? '' : ` since ${localTime(held_at, new Date())}`;
  const why = safeLine(detail ?? `${turns} agent turns without a person`);
  const first = held
    ? `${color.yellow(conversation)}  held${since}: ${why}${color.dim(`  ${held_messages ?? 0} messages since`)}`
    : `${color.green(conversation)}  goes on`;
  if (!meters) return first;
  const pair = meters.pair_agents?.map((fqid) => `@${fqid.slice(fqid.lastIndexOf('/') + 1)}`).join(' and ');
  const rows = [
    `${meters.turns} of ${meters.turns_limit} turns without a person`,
    `${meters.hour} of ${meters.hour_limit} in an hour`,
    ...(meters.pair === undefined
      ? []
      : [
          `${meters.pair} of ${meters.pair_limit} ${meters.pair_without_person ? 'without a person' : 'in ten minutes'}${pair ? ` between ${safeLine(pair)}` : ''}`,
        ]),
  ];
  return `${first}\n    ${color.dim(rows.join(', '))}`;
}
