/** PATCH /v1/rooms/{id}: what is given changes, the rest stays. Nothing changed: nothing is written or told. */
import { MoltnetError } from '../protocol/errors.ts';
import { requireId } from '../protocol/ids.ts';
import type { UpdateRoomRequest } from '../protocol/rooms.ts';
import type { EventWrite, RoomRow } from '../store/store.ts';
import { requireAccess } from './access.ts';
import { guardLimits } from './guard.ts';
import { resumeByLimit } from './guard-events.ts';
import type { Random } from './random.ts';
import { credentialHash, guardColumn, roomName, visibilityOf, writePolicyOf } from './room-fields.ts';
import { roomEvent, type Rule } from './rule.ts';
import type { RoomState, State } from './state.ts';
import { membersOf, roomWire } from './views.ts';

export const updateRoom: Rule<'room.update'> = (state, command, random) => {
  requireAccess(state.settings, command.identity, 'administer');
  const room = requireRoom(state, command.room_id);
  const row = updatedRow(room.row, command.request);
  const events = updateEvents(state, random, command.at, room, row);
  return { writes: { events, rows: [] }, answer: roomWire(state.settings.id, row, membersOf(room)) };
};

/** A room that is not removed. Throws `invalid_id` or `not_found`. */
export function requireRoom(state: State, given: string): RoomState {
  const id = requireId(given, 'room id');
  const room = state.room(id);
  if (!room) throw new MoltnetError('not_found', `no such room: ${id}`);
  return room;
}

export function updatedRow(row: RoomRow, request: UpdateRoomRequest): RoomRow {
  return {
    ...row,
    ...(request.name !== undefined && { name: roomName(request.name, row.id) }),
    ...(request.visibility !== undefined && { visibility: visibilityOf(request.visibility) }),
    ...(request.write_policy !== undefined && { write_policy: writePolicyOf(request.write_policy) }),
    ...(request.guard !== undefined && { guard: guardColumn(request.guard) }),
    ...(request.credential !== undefined && { credential_hash: credentialHash(request.credential) }),
  };
}

/** room.updated, and conversation.resumed for what a raised limit lets go on; none when the row is as before. */
export function updateEvents(
  state: State,
  random: Random,
  at: string,
  room: RoomState,
  row: RoomRow,
): EventWrite[] {
  const before = room.row;
  const same =
    before.name === row.name &&
    before.visibility === row.visibility &&
    before.write_policy === row.write_policy &&
    before.guard === row.guard &&
    before.credential_hash === row.credential_hash;
  if (same) return [];
  const { created_seq: _seq, ...written } = row;
  const payload = roomWire(state.settings.id, row, membersOf(room));
  const events = [roomEvent(random, 'room.updated', at, row.id, payload, [{ op: 'room', row: written }])];
  if (before.guard === row.guard) return events;
  const max = guardLimits(state.settings, { guard: JSON.parse(row.guard) });
  return events.concat(
    resumeByLimit(random, at, state.held(), (held) => (held.room_id === row.id ? max : undefined)),
  );
}
