import { MoltnetError } from '../protocol/errors.ts';
import { parseConversation } from '../protocol/conversation.ts';
import { requireAccess } from './access.ts';
import { guardState, resumedEvent, resumedState, turnLimit } from './guard.ts';
import { unchanged, type Rule } from './rule.ts';

/** An operator lets a held conversation go on. One that is not held is answered as it is. */
export const resumeGuard: Rule<'guard.resume'> = (state, command, random) => {
  requireAccess(state.settings, command.identity, 'guard.resume');
  const { kind, id } = parseConversation(command.conversation);
  const row = state.conversation(command.conversation);
  const room_id = row?.room_id ?? (kind === 'room' ? id : undefined);
  const room = room_id === undefined ? undefined : state.room(room_id);
  // A room in which nobody has written yet has no conversation row, and is a conversation all the same.
  if (room_id === undefined ? !row : !room) {
    throw new MoltnetError(
      'not_found',
      `no such conversation: ${command.conversation} (moltnet guard lists those that are held)`,
    );
  }
  const limit = turnLimit(state.settings, room);
  if (!row)
    return unchanged({ conversation: command.conversation, room_id: id, turns: 0, limit, held: false });
  if (row.held_at === null) return unchanged(guardState(state, row));
  return {
    writes: { events: [resumedEvent(random, command.at, row, limit, 'operator')], rows: [] },
    answer: resumedState(row, limit, 'operator'),
  };
};
