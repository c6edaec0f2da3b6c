/** DELETE /v1/rooms/{id}: soft. The room and its members are gone, what was said in it is kept. */
import { requireAccess } from './access.ts';
import { roomEvent, type Rule } from './rule.ts';
import { requireRoom } from './update-room.ts';
import { membersOf, roomWire } from './views.ts';

export const removeRoom: Rule<'room.remove'> = (state, command, random) => {
  requireAccess(state.settings, command.identity, 'administer');
  const room = requireRoom(state, command.room_id);
  const { id } = room.row;
  const before = roomWire(state.settings.id, room.row, membersOf(room), room);
  const event = roomEvent(random, 'room.removed', command.at, id, before, [
    { op: 'room.remove', id, removed_at: command.at },
  ]);
  return { writes: { events: [event], rows: [] }, answer: { removed: true, kind: 'room', id, mode: 'soft' } };
};
