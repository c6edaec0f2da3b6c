/** What is written, as plain data: it crosses a thread or a wire without thought. */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import type { DeliveryWrite } from './delivery-rows.ts';
import type { ConversationRow, LogEvent, PairRow } from './log-rows.ts';
import type { RelayWrite } from './relay-rows.ts';
import type {
  AgentRow,
  InviteRow,
  PairingInviteRow,
  PairingRow,
  PauseRow,
  ReadRow,
  RoomRow,
  SessionRow,
} from './topology-rows.ts';

/** A LogEvent before it has a `seq`, with the rows that are written together with it and refer to its `seq`. */
export interface EventWrite extends Omit<LogEvent, 'seq'> {
  rows: RowWrite[];
}

/** Rows written with an event; `seq` is filled in by the engine from the event that carries them. */
export type RowWrite =
  | {
      op: 'message';
      id: string;
      origin_network: string;
      origin_id: string;
      content_hash: string | null;
      conversation: ConversationKey;
      room_id: string | null;
      sender: string;
    }
  | { op: 'mention'; agent_id: string; conversation: ConversationKey }
  | {
      op: 'artifact';
      id: string;
      message_id: string;
      part_index: number;
      conversation: ConversationKey;
      room_id: string | null;
      payload: string;
    }
  /** The whole row as it is after this message; first_seq is kept, last_seq becomes the event's seq, `messages` are added to message_count. held_seq -1 means held: a hold that stands keeps its seq, a new one has the seq of this row's event. messages 0: not a message, last_seq stays. */
  | {
      op: 'conversation';
      row: Omit<ConversationRow, 'first_seq' | 'last_seq' | 'participants' | 'message_count'>;
      messages: number;
    }
  | { op: 'participant'; dm_id: string; participant: string }
  | { op: 'pair'; row: PairRow }
  | { op: 'pause'; row: PauseRow }
  | { op: 'pause.remove'; scope: PauseScope }
  | { op: 'room'; row: Omit<RoomRow, 'created_seq'> }
  | { op: 'room.remove'; id: string; removed_at: string }
  | { op: 'member.add'; room_id: string; member_id: string }
  | { op: 'member.remove'; room_id: string; member_id: string }
  | { op: 'agent'; row: AgentRow }
  | { op: 'agent.remove'; id: string; removed_at: string }
  /** Replaces the payload of a message's event, deletes its artifacts and mentions, and forgets its content hash. */
  | { op: 'redact'; message_id: string; payload: string }
  | { op: 'meta'; key: string; value: string }
  /** Removes these messages with all that belongs to them. Never the newest event. Counts of what was said stay. */
  | { op: 'prune'; seqs: readonly number[] }
  /** In the place of the one that the agent id has. */
  | { op: 'invite'; row: InviteRow }
  | { op: 'invite.remove'; code_hash: string }
  | { op: 'pairing'; row: PairingRow }
  /** With its shares, and all that is known of what was relayed to it. */
  | { op: 'pairing.remove'; id: string }
  | { op: 'pairing.invite'; row: PairingInviteRow }
  | { op: 'pairing.invite.remove'; code_hash: string }
  /** One that stands keeps its since_seq; a new one has the given one, else the seq of this row's event. */
  | { op: 'share'; room_id: string; pairing_id: string; since_seq?: number }
  | { op: 'share.remove'; room_id: string; pairing_id: string }
  | RelayWrite
  | SessionWrite
  | ReadWrite
  | DeliveryWrite;

export type SessionWrite = { op: 'session'; row: SessionRow } | { op: 'session.remove'; id_hash: string };

/** A read position only moves forward: an older one changes nothing. */
export type ReadWrite =
  | { op: 'read'; row: ReadRow }
  | { op: 'read.remove'; person_id: string; conversation: ConversationKey };

/** One command's writes. All of one batch commit in one durable transaction. */
export interface Writes {
  events: EventWrite[];
  /** Rows without an event. */
  rows: RowWrite[];
}
