/** What a delivery is given and what it gives: the edges of delivery.ts. */
import type { WakeFailure } from '../protocol/agents.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Bindings, WakeAgent, WakeReason } from '../protocol/wake.ts';
import type { ReceiptState, WakeUsage } from '../protocol/receipts.ts';
import type { DeliveryWrite } from '../store/delivery-rows.ts';
import type { Store } from '../store/store.ts';
import type { LogEntry } from './entry.ts';
import type { Hold } from './receipt.ts';
import type { Tail } from './tail.ts';

export interface WakeFrame {
  wake_id: string;
  conversation: ConversationKey;
  cursor: string;
  attempt: number;
  /** Of the server's: messages that catch_up passed over before it. */
  earlier?: number;
}

export interface AckFields {
  cursor: string;
  wake_id?: string;
  outcome?: 'ok' | 'failed';
  error?: string;
  attempts?: number;
  classification?: WakeFailure;
  usage?: WakeUsage;
}

/** A message on its way, as receipts name it. */
export interface Addressed {
  readonly message_id: string;
  /** Id of the sender. */
  readonly from: string;
}

/** Messages of one conversation came to a state; live, for observers and senders. */
export interface ReceiptChange {
  conversation: ConversationKey;
  /** The room of a room or a thread: it is told to nobody who may not read there. */
  room_id?: string;
  state: ReceiptState;
  messages: readonly Addressed[];
  reason?: string;
  wake_id?: string;
  attempts?: number;
  answer_id?: string;
  error?: string;
  classification?: string;
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
  usage?: WakeUsage;
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
  /** A wake of this room (undefined: a DM) is new. */
  began(room_id: string | undefined): void;
  wakeEnded(end: WakeEnd): void;
  receipt(change: ReceiptChange): void;
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
  /** Why nothing is to be sent to the agent now in a room, or (undefined) in DMs; the guard has its own way. */
  hold: (room_id: string | undefined) => Hold | undefined;
  /** Whether the network has DMs at all. */
  dms: boolean;
  /** Resolves when the writes are durable. Calls are carried out in order. */
  save: (writes: DeliveryWrite[]) => Promise<unknown>;
}
