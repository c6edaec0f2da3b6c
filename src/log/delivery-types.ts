/** What a delivery is given and what it gives: the edges of delivery.ts. */
import type { WakeFailure } from '../protocol/agents.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Bindings, WakeAgent, WakeReason } from '../protocol/wake.ts';
import type { DeliveryWrite, Store } from '../store/store.ts';
import type { LogEntry } from './entry.ts';
import type { Tail } from './tail.ts';

export interface WakeFrame {
  wake_id: string;
  conversation: ConversationKey;
  cursor: string;
  attempt: number;
}

export interface AckFields {
  cursor: string;
  wake_id?: string;
  outcome?: 'ok' | 'failed';
  error?: string;
  attempts?: number;
  classification?: WakeFailure;
}

/** How a wake ended, named by its last message. */
export interface WakeEnd {
  wake_id: string;
  conversation: ConversationKey;
  room_id?: string;
  message_id: string;
  reason: WakeReason;
  outcome: 'ok' | 'failed';
  error?: string;
  attempts?: number;
  /** Of a failed one. */
  classification?: WakeFailure;
}

/** A room as one agent may read it. */
export interface RoomAccess {
  created_seq: number;
  /** When it became a member; undefined when it is none. */
  member_since?: number;
  /** Readable without being a member. */
  open: boolean;
}

export interface DeliverySink {
  /** Whether the socket takes more now; call `resume` when it does again. */
  ready(): boolean;
  event(entry: LogEntry): void;
  /** A wake is stored, or (after an attach) still open: its events follow. */
  wake(frame: WakeFrame): void;
  wakeEnded(end: WakeEnd): void;
  fail(error: unknown): void;
}

export interface DeliveryOptions {
  agent: WakeAgent;
  bindings: Bindings;
  tail: Tail;
  store: Store;
  sink: DeliverySink;
  /** What the agent may read of a room now; undefined: it may not, or there is no such room. */
  room: (room_id: string) => RoomAccess | undefined;
  /** Whether the network has DMs at all. */
  dms: boolean;
  /** Resolves when the writes are durable. Calls are carried out in order. */
  save: (writes: DeliveryWrite[]) => Promise<unknown>;
}
