/** POST /v1/rooms/{id}/join: an agent makes itself a member, with the credential of the room (wire-newer.md 4). */
import { hashSecret } from '../protocol/credentials.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { canonicalMemberId } from '../protocol/ids.ts';
import type { JoinRoomRequest } from '../protocol/rooms.ts';
import { JOIN_REFUSED, can } from './access.ts';
import type { Identity } from './identity.ts';
import { agentRemoved } from './register-agent.ts';
import { membershipEvents } from './room-members.ts';
import type { Rule } from './rule.ts';
import { withOwnId } from './sender.ts';
import type { State } from './state.ts';
import { requireRoom } from './update-room.ts';
import { roomWire } from './views.ts';

export const joinRoom: Rule<'room.join'> = (state, command, random) => {
  const { request, identity } = command;
  const { settings } = state;
  const agent = agentOf(state, identity, request);
  const registration = agent === undefined ? undefined : state.agent(agent);
  const verdict = can(settings, identity, 'room.join', {
    ...(agent !== undefined && { agent }),
    ...(registration && { registration }),
  });
  if (!verdict.allowed && verdict.code === 'unauthorized') throw new MoltnetError(verdict.code, verdict.why);
  const room = requireRoom(state, command.room_id);
  const known = hashSecret(request.credential ?? '') === room.row.credential_hash;
  // One refusal for everything, so that nobody learns which rooms have a credential.
  if (!verdict.allowed || !known || agent === undefined) throw new MoltnetError('forbidden', JOIN_REFUSED);
  if (!registration && state.agentRecord(agent)) throw agentRemoved(identity, agent);
  const { events, members } = membershipEvents(settings.id, random, command.at, room, [agent], []);
  return { writes: { events, rows: [] }, answer: roomWire(settings.id, room.row, members, room) };
};

/** The agent that joins; undefined for anybody but an agent of this network. Throws `invalid_id`. */
function agentOf(state: State, identity: Identity, { from }: JoinRoomRequest): string | undefined {
  const { type, id } = withOwnId(identity, { ...from, type: from?.type || 'agent' });
  const canonical = canonicalMemberId(id ?? '', state.settings.id);
  return type === 'agent' && !canonical.includes(':') && !state.settings.people.has(canonical)
    ? canonical
    : undefined;
}
