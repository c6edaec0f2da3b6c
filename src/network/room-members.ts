/** PATCH /v1/rooms/{id}/members: adds, then removes, so that an id in both ends removed. */
import { MoltnetError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import type { Room } from '../protocol/rooms.ts';
import type { EventWrite, RowWrite } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import type { Random } from './random.ts';
import { memberList } from './room-fields.ts';
import { roomEvent, type Rule } from './rule.ts';
import type { RoomState } from './state.ts';
import { requireRoom } from './update-room.ts';
import { roomWire } from './views.ts';

export const changeMembers: Rule<'room.members'> = (state, command, random) => {
  const { request, at } = command;
  requireAccess(state.settings, command.identity, 'administer');
  const room = requireRoom(state, command.room_id);
  const network = state.settings.id;
  const remove = memberList(request.remove, 'remove', network);
  const removed = new Set(remove);
  const add = memberList(request.add, 'add', network).filter((member) => !removed.has(member));
  const { events, members } = membershipEvents(network, random, at, room, add, remove);
  return { writes: { events, rows: [] }, answer: roomWire(network, room.row, members, room) };
};

/** The members as they will be, sorted, and room.members.updated if that is a change. */
export function membershipEvents(
  network: string,
  random: Random,
  at: string,
  room: RoomState,
  add: readonly string[],
  remove: readonly string[],
): { events: EventWrite[]; members: string[] } {
  const room_id = room.row.id;
  const members = new Set(room.members.keys());
  const rows: RowWrite[] = [];
  for (const member_id of add) {
    if (members.has(member_id)) continue;
    members.add(member_id);
    rows.push({ op: 'member.add', room_id, member_id });
  }
  for (const member_id of remove)
    if (members.delete(member_id)) rows.push({ op: 'member.remove', room_id, member_id });
  if (members.size > limits.room_members.value && members.size > room.members.size) {
    throw new MoltnetError(
      'too_many_members',
      `room ${room_id} would have ${members.size} members, at most ${limits.room_members.value}`,
    );
  }
  const sorted = [...members].sort();
  if (rows.length === 0) return { events: [], members: sorted };
  const payload = roomWire(network, room.row, sorted, room);
  if (members.size > room.members.size) requireFits(payload, room_id);
  return { events: [roomEvent(random, 'room.members.updated', at, room_id, payload, rows)], members: sorted };
}

/** A room goes out in one frame, with all its members; their ids may be long. */
function requireFits(room: Room, room_id: string): void {
  const bytes = Buffer.byteLength(JSON.stringify(room));
  if (bytes > limits.room.value) {
    throw new MoltnetError(
      'too_many_members',
      `room ${room_id} with its members would be ${bytes} bytes of JSON, at most ${limits.room.value}`,
    );
  }
}
