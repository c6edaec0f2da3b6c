/** SQLite's rows as the types that are read, and the column lists that they are read with. */
import type { ArtifactRow, ConversationRow, LogEvent, StoredMessage } from './log-rows.ts';
import type { ConversationKey, ConversationKind } from '../protocol/conversation.ts';

/** A row as node:sqlite gives it. */
export type Row = Record<string, unknown>;

export const text = (row: Row, column: string): string => row[column] as string;
export const nullable = (row: Row, column: string): string | null => row[column] as string | null;
export const integer = (row: Row, column: string): number => row[column] as number;
const key = (row: Row, column: string): ConversationKey => row[column] as ConversationKey;

export const EVENT =
  'e.seq, e.id, e.type, e.created_at, e.conversation, e.room_id, e.dm_id, e.participants, e.agent_id, e.held, e.payload';

export function logEvent(row: Row): LogEvent {
  const event: LogEvent = {
    seq: integer(row, 'seq'),
    id: text(row, 'id'),
    type: text(row, 'type'),
    created_at: text(row, 'created_at'),
    payload: text(row, 'payload'),
    held: row['held'] === 1,
  };
  if (row['conversation'] !== null) event.conversation = key(row, 'conversation');
  if (row['room_id'] !== null) event.room_id = text(row, 'room_id');
  if (row['dm_id'] !== null) event.dm_id = text(row, 'dm_id');
  if (row['participants'] !== null) event.participants = JSON.parse(text(row, 'participants')) as string[];
  if (row['agent_id'] !== null) event.agent_id = text(row, 'agent_id');
  return event;
}

/** Of `messages m` and its event `e`. */
export const MESSAGE =
  'm.seq, m.id, e.id AS event_id, m.conversation, m.room_id, m.content_hash, m.sender, e.payload, e.created_at';

export const storedMessage = (row: Row): StoredMessage => ({
  seq: integer(row, 'seq'),
  id: text(row, 'id'),
  event_id: text(row, 'event_id'),
  conversation: key(row, 'conversation'),
  room_id: nullable(row, 'room_id'),
  content_hash: nullable(row, 'content_hash'),
  sender: text(row, 'sender'),
  payload: text(row, 'payload'),
  created_at: text(row, 'created_at'),
});

/** Of `conversations c`; participants as a JSON array, sorted by bytes. */
export const CONVERSATION = `c.key, c.kind, c.id, c.room_id, c.parent_message_id, c.message_count, c.first_seq, c.last_seq,
  c.last_message_at, c.guard_turns, c.guard_speaker, c.guard_window, c.held_at, c.held_seq, c.held_messages, c.held_by,
  CASE WHEN c.kind = 'dm' THEN (SELECT json_group_array(d.participant) FROM
    (SELECT i.participant FROM dm_participants i WHERE i.dm_id = c.id ORDER BY i.participant) d) END AS participants`;

export const conversationRow = (row: Row): ConversationRow => ({
  key: key(row, 'key'),
  kind: row['kind'] as ConversationKind,
  id: text(row, 'id'),
  room_id: nullable(row, 'room_id'),
  parent_message_id: nullable(row, 'parent_message_id'),
  participants: row['participants'] === null ? null : (JSON.parse(text(row, 'participants')) as string[]),
  message_count: integer(row, 'message_count'),
  first_seq: integer(row, 'first_seq'),
  last_seq: integer(row, 'last_seq'),
  last_message_at: text(row, 'last_message_at'),
  guard_turns: integer(row, 'guard_turns'),
  guard_speaker: nullable(row, 'guard_speaker'),
  held_at: nullable(row, 'held_at'),
  held_seq: row['held_seq'] as number | null,
  held_messages: integer(row, 'held_messages'),
  guard_window: text(row, 'guard_window'),
  held_by: nullable(row, 'held_by'),
});

/** Of `artifacts a`. */
export const ARTIFACT = 'a.id, a.seq, a.part_index, a.conversation, a.payload';

export const artifactRow = (row: Row): ArtifactRow => ({
  id: text(row, 'id'),
  seq: integer(row, 'seq'),
  part_index: integer(row, 'part_index'),
  conversation: key(row, 'conversation'),
  payload: text(row, 'payload'),
});
