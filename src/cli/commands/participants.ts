import type { AgentSummary } from '../../protocol/agents.ts';
import type { DirectConversation, Room, Thread } from '../../protocol/rooms.ts';
import type { Client } from '../../client/http.ts';
import { allAgents, explained, openClient } from '../api.ts';
import type { Command } from '../command.ts';
import { localTime, OUTPUT_FLAGS, print } from '../format.ts';
import { findSpeaker, SELECTION_FLAGS } from '../speaker.ts';
import { safeLine, type Paint } from '../style.ts';
import { conversationNamed, parseTarget } from '../target.ts';

export const command: Command = {
  usage: 'participants <target>',
  summary: 'list who is in a conversation, and whom one can mention there',
  positionals: 1,
  flags: [
    { name: 'target', value: 'TARGET', what: 'room:ID, thread:ID, dm:ID or dm:@agent' },
    ...SELECTION_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: 'JSON: the room (or DM) as the server gives it, and `agents`: those that can be mentioned.',
  async run(args, io) {
    const target = parseTarget(args.text('target') ?? args.positionals[0]);
    const speaker = await findSpeaker(args, io, { speaks: false });
    const client = openClient(speaker);
    await explained(async () => {
      const key = await conversationNamed(target, speaker, client);
      const [kind, id] = [key.slice(0, key.indexOf(':')), key.slice(key.indexOf(':') + 1)];
      const thread: Thread | undefined = kind === 'thread' ? await client.thread(id) : undefined;
      const place: Room | DirectConversation =
        kind === 'dm' ? await client.dm(id) : await client.room(thread?.room_id ?? id);
      const members =
        'participant_ids' in place ? (place.participant_ids ?? []) : ((place as Room).members ?? []);
      const agents = await mentionable(client, place, members);
      await print(args, io, { ...place, ...(thread ? { thread } : {}), agents }, (color) => {
        const known = new Map(agents.map((agent) => [agent.id, agent]));
        const rows = [...new Set([...members, ...known.keys()])].sort();
        if (rows.length === 0) return color.dim('nobody yet');
        return rows
          .map(
            (member) =>
              `${color.name(safeLine(member))}${state(known.get(member), members.includes(member), color)}`,
          )
          .join('\n');
      });
    });
  },
};

/** Members; where every registered agent may take part, all of them. */
async function mentionable(
  client: Client,
  place: Room | DirectConversation,
  members: readonly string[],
): Promise<AgentSummary[]> {
  const open =
    'visibility' in place &&
    (place.visibility === 'public' || place.write_policy === 'registered_agents' || members.length === 0);
  return (await allAgents(client)).filter((agent) => open || members.includes(agent.id));
}

function state(agent: AgentSummary | undefined, member: boolean, color: Paint): string {
  const presence = agent === undefined ? '' : `  ${presenceOf(agent, color)}`;
  const name =
    agent?.name !== undefined && agent.name !== agent.id ? color.dim(`  ${safeLine(agent.name)}`) : '';
  return `${name}${presence}${member ? '' : color.dim('  not a member; can be mentioned')}`;
}

function presenceOf(agent: AgentSummary, color: Paint): string {
  const { cannot_wake, cannot_wake_until: until, connected, working } = agent;
  const [turn] = working ?? [];
  if (turn) {
    const on = turn.conversation === undefined ? '' : ` in ${safeLine(turn.conversation)}`;
    return color.green(`working${on} since ${localTime(turn.since, new Date())}`);
  }
  const end = until === undefined ? '' : ` (until ${localTime(until, new Date())})`;
  if (cannot_wake !== undefined) return color.yellow(`cannot be woken: ${safeLine(cannot_wake)}${end}`);
  return connected ? color.green('connected') : color.dim('away');
}
