/** POST /v1/rooms. The id of a removed room may be used again: the room comes back, with its history. */
import { MoltnetError } from '../protocol/errors.ts';
import { requireId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { RowWrite } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import { guardLimits } from './guard.ts';
import { resumeByLimit } from './guard-events.ts';
import { memberList, newRoomRow } from './room-fields.ts';
import { sharesAfter, shareRows } from './sharing.ts';
import { roomEvent, type Rule } from './rule.ts';
import { roomWire } from './views.ts';

export const createRoom: Rule<'room.create'> = (state, command, random) => {
  const { request, at } = command;
  requireAccess(state.settings, command.identity, 'administer');
  const id = requireId(request.id, 'id');
  const members = memberList(request.members, 'members', state.settings.id);
  const before = state.roomRecord(id);
  const row = newRoomRow(id, request, at, before?.row);
  if (before && before.row.removed_at === null) {
    throw new MoltnetError('room_exists', `room ${id} exists; change it with PATCH /v1/rooms/${id}`);
  }
  if (state.roomCount >= limits.rooms.value) {
    throw new MoltnetError(
      'too_many_rooms',
      `the network has ${limits.rooms.value} rooms, as many as it may; remove one first`,
    );
  }
  const rows: RowWrite[] = [{ op: 'room', row }];
  for (const member_id of members) rows.push({ op: 'member.add', room_id: id, member_id });
  const shared = request.federation === undefined ? [] : shareRows(id, new Map(), request.federation);
  rows.push(...shared);
  const answer = roomWire(state.settings.id, row, members, { shares: sharesAfter(new Map(), shared) });
  const events = [roomEvent(random, 'room.created', at, id, answer, rows)];
  // What was held when the room was removed is held by the limit that the room has now, or not at all.
  if (before) {
    const max = guardLimits(state.settings, { guard: request.guard ?? {} });
    events.push(
      ...resumeByLimit(random, at, state.held(), (held) => (held.room_id === id ? max : undefined)),
    );
  }
  return { writes: { events, rows: [] }, answer };
};
