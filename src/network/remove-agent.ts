/** DELETE /v1/agents/{id}: out of all rooms, and a tombstone that keeps it out until it is registered again (W22). */
import { MoltnetError } from '../protocol/errors.ts';
import { canonicalMemberId, isLocalAgentId, memberFqid, parseMemberId } from '../protocol/ids.ts';
import type { AgentEvent } from '../protocol/events.ts';
import type { RowWrite } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import { usedUp } from './register-agent.ts';
import { agentEvent, type Rule } from './rule.ts';

export const removeAgent: Rule<'agent.remove'> = (state, command, random) => {
  const { at } = command;
  const { settings } = state;
  requireAccess(settings, command.identity, 'administer');
  const id = parseMemberId(command.agent_id) ? canonicalMemberId(command.agent_id, settings.id) : '';
  const registration = state.agent(id);
  const rooms = [...state.roomsOf(id)].sort();
  if (!registration && rooms.length === 0)
    throw new MoltnetError('not_found', `no such agent: ${command.agent_id.slice(0, 160)}`);

  // A code from before the removal does not bring it back.
  const rows: RowWrite[] = usedUp(state, id);
  if (registration) rows.push({ op: 'agent.remove', id, removed_at: at });
  else if (isLocalAgentId(id) && !state.agentRecord(id)) {
    // A member that never registered: it gets a tombstone too, or its node would be back at the next reconnect.
    const row = {
      id,
      actor_uid: random.actorUid(),
      display_name: null,
      credential_key: 'anonymous',
      created_at: at,
      updated_at: at,
      removed_at: at,
      claim_key_hash: null,
    };
    rows.push({ op: 'agent', row });
  }
  for (const room_id of rooms) rows.push({ op: 'member.remove', room_id, member_id: id });
  const agent: AgentEvent = {
    agent_id: id,
    network_id: id.includes(':') ? id.slice(0, id.indexOf(':')) : settings.id,
    fqid: memberFqid(id, settings.id),
    ...(registration?.display_name && { name: registration.display_name }),
    reason: 'removed',
  };
  const event = agentEvent(random, 'agent.removed', at, id, agent, rows);
  return {
    writes: { events: [event], rows: [] },
    answer: { removed: true, kind: 'agent', id, mode: 'soft' },
  };
};
