/**
 * The storm guard, minimal: agents that answer each other in one conversation are counted in turns, and after a limit
 * without a person the conversation is held. A turn is a change of speaker between agents; a monologue is one turn.
 * Held messages are stored and shown to observers, and wake nobody until a person writes or the guard is resumed.
 */
import type { GuardState } from '../protocol/events.ts';
import { limits } from '../protocol/limits.ts';
import type { GuardSettings } from '../protocol/rooms.ts';
import type { ConversationRow, EventWrite, RowWrite } from '../store/store.ts';
import { HELD } from './fold.ts';
import type { Random } from './random.ts';
import type { NetworkSettings } from './settings.ts';
import type { RoomState } from './state.ts';

export type TurnLimit = number | 'off';
export type ResumedBy = 'person' | 'operator' | 'settings';

/** What the guard remembers of a conversation. */
export interface GuardMemory {
  /** Agent turns since a person wrote or the guard was resumed; it stands still while the conversation is held. */
  turns: number;
  /** FQID of the agent that spoke last, null after a person or a resume. */
  speaker: string | null;
  held: boolean;
}
export const QUIET: GuardMemory = { turns: 0, speaker: null, held: false };

/** What a message makes of it. `change` is what has to be told before the message. */
export interface GuardStep {
  next: GuardMemory;
  change?: 'held' | 'resumed';
}

/** `speaker` is the FQID of an agent, or null for a person. */
export function hear(memory: GuardMemory, speaker: string | null, limit: TurnLimit): GuardStep {
  if (speaker === null) return memory.held ? { next: QUIET, change: 'resumed' } : { next: QUIET };
  if (memory.held || memory.speaker === speaker) return { next: memory };
  // One agent's turn is an answer to nobody, whatever the limit.
  if (memory.turns > 0 && exceeds(memory.turns + 1, limit))
    return { next: { ...memory, held: true }, change: 'held' };
  return { next: { turns: memory.turns + 1, speaker, held: false } };
}

/** Would this limit hold a conversation that has had so many turns, at the next one? */
export function holdsAt(turns: number, limit: TurnLimit): boolean {
  return exceeds(turns + 1, limit);
}
function exceeds(turns: number, limit: TurnLimit): boolean {
  return limit !== 'off' && turns > limit;
}

/** The limit of a room and its threads, or with no room of DMs. */
export function turnLimit(settings: NetworkSettings, room: { guard: GuardSettings } | undefined): TurnLimit {
  return room?.guard.turns ?? settings.guard.turns ?? limits.guard_turns.value;
}

export function memoryOf(row: ConversationRow | undefined): GuardMemory {
  return row ? { turns: row.guard_turns, speaker: row.guard_speaker, held: row.held_at !== null } : QUIET;
}

type WrittenRow = (RowWrite & { op: 'conversation' })['row'];

/** The event that says a conversation is held from here on, with its row; goes before the message that was too much. */
export function heldEvent(random: Random, at: string, row: ConversationRow, limit: TurnLimit): EventWrite {
  const state: GuardState = {
    ...placeOf(row),
    turns: row.guard_turns,
    limit,
    held: true,
    held_at: at,
    reason: `${row.guard_turns} agent turns without a person`,
  };
  return guardEvent(random, 'conversation.held', at, row, state, {
    ...written(row),
    held_at: at,
    held_seq: HELD,
    held_messages: 0,
  });
}

/** The event that lets a held conversation go on, with its row. */
export function resumedEvent(
  random: Random,
  at: string,
  row: ConversationRow,
  limit: TurnLimit,
  by: ResumedBy,
): EventWrite {
  return guardEvent(random, 'conversation.resumed', at, row, resumedState(row, limit, by), {
    ...written(row),
    guard_turns: 0,
    guard_speaker: null,
    held_at: null,
    held_seq: null,
    held_messages: 0,
  });
}

/** What conversation.resumed says: `held_messages` are those that go out now. */
export function resumedState(row: ConversationRow, limit: TurnLimit, by: ResumedBy): GuardState {
  return {
    ...placeOf(row),
    turns: 0,
    limit,
    held: false,
    ...(row.held_messages > 0 && { held_messages: row.held_messages }),
    resumed_by: by,
  };
}

/** The guard's view of a conversation, for GET /v1/guard. */
export function guardState(
  of: { settings: NetworkSettings; room(id: string): RoomState | undefined },
  row: ConversationRow,
): GuardState {
  return {
    ...placeOf(row),
    turns: row.guard_turns,
    limit: turnLimit(of.settings, row.room_id === null ? undefined : of.room(row.room_id)),
    held: row.held_at !== null,
    ...(row.held_at !== null && { held_at: row.held_at, held_messages: row.held_messages }),
  };
}

/** Resumes the held conversations that today's limit would no longer hold: after a room's settings or the default changed. */
export function resumeByLimit(
  random: Random,
  at: string,
  held: Iterable<ConversationRow>,
  limitOf: (row: ConversationRow) => TurnLimit | undefined,
): EventWrite[] {
  const events: EventWrite[] = [];
  for (const row of held) {
    const limit = limitOf(row);
    if (limit !== undefined && !holdsAt(row.guard_turns, limit))
      events.push(resumedEvent(random, at, row, limit, 'settings'));
  }
  return events;
}

function placeOf(row: ConversationRow): { conversation: string; room_id?: string } {
  return { conversation: row.key, ...(row.room_id !== null && { room_id: row.room_id }) };
}

/** A conversation row as it is written: the engine keeps the seqs and the participants. */
export function written(row: ConversationRow): WrittenRow {
  const { first_seq: _first, last_seq: _last, participants: _participants, ...rest } = row;
  return { ...rest, held_seq: row.held_at === null ? null : HELD };
}

function guardEvent(
  random: Random,
  type: string,
  at: string,
  row: ConversationRow,
  state: GuardState,
  next: WrittenRow,
): EventWrite {
  return {
    id: random.eventId(),
    type,
    created_at: at,
    payload: JSON.stringify(state),
    conversation: row.key,
    ...(row.room_id !== null && { room_id: row.room_id }),
    ...(row.kind === 'dm' && { dm_id: row.id, participants: row.participants ?? [] }),
    held: false,
    rows: [{ op: 'conversation', row: next, touch: false }],
  };
}
