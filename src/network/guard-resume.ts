import { MoltnetError } from '../protocol/errors.ts';
import { parseConversation } from '../protocol/conversation.ts';
import type { ConversationRow } from '../store/log-rows.ts';
import { requireAccess } from './access.ts';
import { guardLimits, guardState, holdOf } from './guard.ts';
import { resumedEvent, resumedState } from './guard-events.ts';
import { emptyRow } from './guard-turn.ts';
import { unchanged, type Rule } from './rule.ts';
import type { State } from './state.ts';

/** Conversations that one resume lets go at most; another one takes the rest. */
const AT_ONCE = 500;

/**
 * An operator lets a held conversation go on, and with one that a pair holds all that the pair holds: it has its turns
 * again. One that is not held is answered as it is.
 */
export const resumeGuard: Rule<'guard.resume'> = (state, command, random) => {
  const { at } = command;
  requireAccess(state.settings, command.identity, 'guard.resume');
  const row = guardedRow(state, command.conversation, state.conversation(command.conversation), at);
  const max = guardLimits(state.settings, row.room_id === null ? undefined : state.room(row.room_id));
  if (row.held_by === null) return unchanged(guardState(row, max, Date.parse(at)));
  const { pair } = holdOf(row.held_by);
  const known = pair === undefined ? undefined : state.pair(pair);
  const events = [resumedEvent(random, at, row, max, 'operator', known)];
  for (const other of pair === undefined ? [] : state.held()) {
    if (other.key === row.key || holdOf(other.held_by!).pair !== pair) continue;
    const room = other.room_id === null ? undefined : state.room(other.room_id);
    // Of a removed room nothing goes on.
    if (other.room_id !== null && !room) continue;
    events.push(resumedEvent(random, at, other, guardLimits(state.settings, room), 'operator'));
    if (events.length === AT_ONCE) break;
  }
  return { writes: { events, rows: [] }, answer: resumedState(at, row, max, 'operator') };
};

/**
 * The conversation's row; of a room in which nobody has written yet, which is a conversation all the same, one that says
 * so. Throws `not_found` for what is none.
 */
export function guardedRow(
  state: Pick<State, 'room'>,
  key: ConversationRow['key'],
  row: ConversationRow | undefined,
  at: string,
): ConversationRow {
  const { kind, id } = parseConversation(key);
  const room_id = row ? row.room_id : kind === 'room' ? id : null;
  if (room_id === null ? row : state.room(room_id)) {
    return row ?? emptyRow({ key, target: { kind, room_id: id }, row, room_id, participants: null }, at);
  }
  throw new MoltnetError(
    'not_found',
    `no such conversation: ${key} (moltnet guard lists those that are held)`,
  );
}
