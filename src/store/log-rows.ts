/** The log, and what is said in it: events, messages, artifacts, conversations, and pages of them. */
import type { ConversationKey, ConversationKind } from '../protocol/conversation.ts';

/** One row of the event log as its readers get it. `payload` is JSON text, never parsed on the way out. */
export interface LogEvent {
  seq: number;
  id: string;
  type: string;
  created_at: string;
  payload: string;
  /** The conversation it belongs to, for messages, threads, DMs, redactions and guard events. */
  conversation?: ConversationKey;
  /** Readable by those who may read this room. Threads' events carry their room. */
  room_id?: string;
  /** Readable by this DM's participants. */
  dm_id?: string;
  /** Canonical participant ids of that DM, so that routing needs no look-up. */
  participants?: string[];
  /** Lifecycle of this agent: for observers and for itself. */
  agent_id?: string;
  /** Stored while its conversation was held by the guard: goes to observers, to attachments only after the resume. */
  held: boolean;
}

/** State of one conversation. `key` is `room:ID`, `thread:ID` or `dm:ID`. */
export interface ConversationRow {
  key: ConversationKey;
  kind: ConversationKind;
  id: string;
  /** Of a room or thread. */
  room_id: string | null;
  parent_message_id: string | null;
  /** Of a DM: canonical ids, sorted. */
  participants: string[] | null;
  message_count: number;
  first_seq: number;
  last_seq: number;
  last_message_at: string;
  /** Storm guard: agent turns since a person, FQID of the last agent that spoke, and the hold. */
  guard_turns: number;
  guard_speaker: string | null;
  /** Agent turns of the last hour, empty for none: what network/guard-window.ts makes of it. */
  guard_window: string;
  held_at: string | null;
  /** seq of the `conversation.held` event; held messages come after it. */
  held_seq: number | null;
  held_messages: number;
  /** `turns N`, `hour N` or `pair N KEY`: which limit holds it, at how many turns, and of which pair. Null: it is not held. */
  held_by: string | null;
}

/** Two agents that answer each other, anywhere in the network. */
export interface PairRow {
  /** FQIDs in ascending order, with a space between. */
  pair: string;
  /** Which of them had the last turn, and when (milliseconds since 1970). What has been still for an hour is forgotten. */
  speaker: string;
  at: number;
  /** Turns of the last ten minutes, as guard_window. */
  turns: string;
}

export interface StoredMessage {
  seq: number;
  id: string;
  event_id: string;
  conversation: ConversationKey;
  room_id: string | null;
  content_hash: string | null;
  sender: string;
  /** JSON of the Message. */
  payload: string;
  created_at: string;
}

export interface PageRequest {
  limit: number;
  /** Exclusive bounds: a seq for messages and artifacts, an id for the id-sorted collections. */
  before?: number | string;
  after?: number | string;
  /** Of a thread page: `activity` is newest first, and `after` then goes on to older ones. Default `id`. */
  order?: 'id' | 'activity';
}

/** Rows in ascending order, and whether there are more on either side of them. */
export interface PageRows<T> {
  rows: T[];
  more_before: boolean;
  more_after: boolean;
}

export interface ArtifactRow {
  id: string;
  seq: number;
  part_index: number;
  conversation: ConversationKey;
  payload: string;
}
