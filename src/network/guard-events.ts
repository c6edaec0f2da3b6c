/** What the guard writes: the events that hold a conversation and let it go on, with the rows they change, and the notice. */
import { messageEventId } from '../protocol/ids.ts';
import type { GuardState } from '../protocol/events.ts';
import type { Message, Target } from '../protocol/messages.ts';
import type { ConversationRow, PairRow } from '../store/log-rows.ts';
import type { EventWrite, RowWrite } from '../store/writes.ts';
import { HELD } from './fold.ts';
import { detailOf, guardState, holdOf, stillHeld, type GuardLimits, type GuardMemory } from './guard.ts';
import type { Random } from './random.ts';

export type ResumedBy = 'person' | 'operator' | 'settings';
type WrittenRow = (RowWrite & { op: 'conversation' })['row'];

const SYSTEM = 'system';

/** The event that says a conversation is held from here on, with its row; `row` as it was before. */
export function heldEvent(
  random: Random,
  at: string,
  row: ConversationRow,
  next: GuardMemory,
  max: GuardLimits,
): EventWrite {
  const held: ConversationRow = { ...row, held_at: at, held_messages: 0, held_by: next.held_by };
  const { held_messages: _none, ...state } = guardState(held, max, Date.parse(at));
  return guardEvent(random, 'conversation.held', at, row, state, [
    { op: 'conversation', row: { ...written(held), held_seq: HELD }, messages: 0 },
  ]);
}

/**
 * The same as a line of the history: stored among what is held, so that it is no event for an attachment then, and none
 * after the resume because nothing of the system is.
 */
export function noticeEvent(
  random: Random,
  network_id: string,
  at: string,
  row: ConversationRow,
  next: GuardMemory,
  target: Target,
): EventWrite {
  const id = random.messageId();
  const hold = holdOf(next.held_by!);
  const person = hold.reason === 'turns' ? "A person's message, or " : '';
  const message: Message = {
    id,
    network_id,
    origin: { network_id, message_id: id },
    target,
    from: { type: SYSTEM, id: 'moltnet', network_id },
    parts: [
      {
        kind: 'text',
        text: `Held: ${detailOf(hold)}. What is written here is kept and wakes nobody. ${person}moltnet guard resume ${row.key} lets it go on.`,
      },
    ],
    created_at: at,
  };
  return {
    id: messageEventId(id),
    type: 'message.created',
    created_at: at,
    payload: JSON.stringify(message),
    ...routeOf(row),
    held: true,
    rows: [
      {
        op: 'message',
        id,
        origin_network: network_id,
        origin_id: id,
        content_hash: null,
        conversation: row.key,
        room_id: row.room_id,
        // No agent's or person's FQID.
        sender: `molt://${network_id}/${SYSTEM}/moltnet`,
      },
    ],
  };
}

/** The event that lets a held conversation go on, with its row. */
export function resumedEvent(
  random: Random,
  at: string,
  row: ConversationRow,
  max: GuardLimits,
  by: ResumedBy,
  pair?: PairRow,
): EventWrite {
  const rows: RowWrite[] = [{ op: 'conversation', row: written(resumedRow(row, by)), messages: 0 }];
  if (pair) rows.push({ op: 'pair', row: { ...pair, turns: '' } });
  return guardEvent(random, 'conversation.resumed', at, row, resumedState(at, row, max, by), rows);
}

/** What conversation.resumed says: `held_messages` are those that go out now. */
export function resumedState(at: string, row: ConversationRow, max: GuardLimits, by: ResumedBy): GuardState {
  return {
    ...guardState(resumedRow(row, by), max, Date.parse(at)),
    ...(row.held_messages > 0 && { held_messages: row.held_messages }),
    resumed_by: by,
  };
}

/** An operator's resume clears the hour too: else the next turn would be held again. */
function resumedRow(row: ConversationRow, by: ResumedBy): ConversationRow {
  return {
    ...row,
    guard_turns: 0,
    guard_speaker: null,
    guard_window: by === 'operator' ? '' : row.guard_window,
    held_at: null,
    held_seq: null,
    held_messages: 0,
    held_by: null,
  };
}

/** Resumes the held conversations that today's limits would not have held: after a room's settings or the default changed. */
export function resumeByLimit(
  random: Random,
  at: string,
  held: Iterable<ConversationRow>,
  limitsOf: (row: ConversationRow) => GuardLimits | undefined,
): EventWrite[] {
  const events: EventWrite[] = [];
  for (const row of held) {
    const max = limitsOf(row);
    if (max && !stillHeld(holdOf(row.held_by!), max))
      events.push(resumedEvent(random, at, row, max, 'settings'));
  }
  return events;
}

/** A conversation row as it is written: the engine keeps the seqs, the participants and the count. */
function written(row: ConversationRow): WrittenRow {
  const {
    first_seq: _first,
    last_seq: _last,
    participants: _participants,
    message_count: _count,
    ...rest
  } = row;
  return { ...rest, held_seq: row.held_at === null ? null : HELD };
}

function guardEvent(
  random: Random,
  type: string,
  at: string,
  row: ConversationRow,
  state: GuardState,
  rows: RowWrite[],
): EventWrite {
  return {
    id: random.eventId(),
    type,
    created_at: at,
    payload: JSON.stringify(state),
    ...routeOf(row),
    held: false,
    rows,
  };
}

/** Who an event of this conversation is for. */
function routeOf(
  row: ConversationRow,
): Pick<EventWrite, 'conversation' | 'room_id' | 'dm_id' | 'participants'> {
  return {
    conversation: row.key,
    ...(row.room_id !== null && { room_id: row.room_id }),
    ...(row.kind === 'dm' && { dm_id: row.id, participants: row.participants ?? [] }),
  };
}
