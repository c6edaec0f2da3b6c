/** How far agents have come, what woke them, and what that used. */
import type { ConversationKey } from '../protocol/conversation.ts';

/** Delivery state: no event belongs to it. A lost one means redelivery, not loss. */
export type DeliveryWrite =
  /** Nothing of this commit is stored when the lease is not this holder's any more (Peers.holder): LeaseLostError. */
  | { op: 'fence'; name: string; holder: number }
  /** Everything of this scope (`room:ID` with its threads, or `dms`) up to settled_seq is done with, but for conversations with a position below it. */
  | { op: 'scope'; agent_id: string; scope: string; start_seq: number; settled_seq: number }
  | {
      op: 'position';
      agent_id: string;
      conversation: ConversationKey;
      acked_seq: number;
      /** Null when left out. */
      passed?: string | null;
    }
  | { op: 'positions.clear'; agent_id: string; scope: string; up_to: number }
  | { op: 'wake.open'; row: WakeRow }
  | ({ op: 'wake.close'; wake_id: string; state: 'done' | 'failed' } & Pick<WakeRow, 'error' | 'closed_at'> &
      /** `attempt` stays what it was when it is left out. */
      Partial<Pick<WakeRow, 'outcome' | 'answer_id' | 'classification' | 'attempt'>>)
  /** A failed wake is open again, with the next attempt: what is made of its id stays the same. */
  | { op: 'wake.retry'; wake_id: string; at: string; opened_seq: number }
  /** Nobody wants a failed wake any more. */
  | { op: 'wake.drop'; wake_id: string }
  | { op: 'skip'; row: SkipRow }
  /** A client that decides wakes itself took this message. */
  | { op: 'handed'; agent_id: string; seq: number; at: string }
  | { op: 'bindings'; agent_id: string; bindings: string; at: string }
  /** Adds to what stands there. */
  | { op: 'usage'; row: UsageRow }
  /** Forgets at most 500 of each that are older. */
  | { op: 'deliveries.prune'; before: string }
  | { op: 'bootstrap'; agent_id: string; room_id: string; at: string };

export interface ScopeRow {
  agent_id: string;
  scope: string;
  start_seq: number;
  settled_seq: number;
}

export interface PositionRow {
  agent_id: string;
  conversation: ConversationKey;
  acked_seq: number;
  /** What catch_up passes over beyond it, as log/passed.ts writes it; null: nothing. */
  passed: string | null;
}

export interface WakeRow {
  wake_id: string;
  agent_id: string;
  conversation: ConversationKey;
  /** Exclusive: the position before it. */
  after_seq: number;
  /** Inclusive. */
  last_seq: number;
  attempt: number;
  state: 'open' | 'done' | 'failed';
  error: string | null;
  opened_at: string;
  closed_at: string | null;
  /** The head when it was opened. */
  opened_seq: number;
  /** Of a closed one; null for those that an earlier version closed. `dropped`: an operator gave a failed one up. */
  outcome: 'answered' | 'silent' | 'failed' | 'dropped' | null;
  /** The last message that the agent posted there during the wake. */
  answer_id: string | null;
  classification: string | null;
  /** What of its range is not in it, as log/passed.ts writes it; null: nothing. */
  passed: string | null;
}

/** `unmentioned…`: all but mentions and DMs. `count`: what is settled of it without a wake. */
export type SkipReason = 'age' | 'catch_up' | 'count' | 'unmentioned' | 'unmentioned_age';

/** Messages that wake the agent no more: after_seq < seq <= last_seq. */
export interface SkipRow {
  agent_id: string;
  conversation: ConversationKey;
  after_seq: number;
  last_seq: number;
  reason: SkipReason;
  at: string;
}

export interface BindingsRow {
  agent_id: string;
  /** JSON of Bindings. */
  bindings: string;
}

/** Of one agent in one room (empty: DMs) on one UTC day. */
export interface UsageRow {
  day: string;
  agent_id: string;
  room_id: string;
  wakes: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
}

/** Where a message stands: `scope` is `room:ID` or `dms`. */
export interface MessagePlace {
  conversation: ConversationKey;
  scope: string;
  seq: number;
}

/** What storage knows of one message's way to one agent. */
export interface DeliveryFacts {
  agent_id: string;
  /** The wake whose range covers it. */
  wake?: WakeRow;
  /** Those that cover it. */
  skips: { reason: SkipReason; at: string }[];
  handed_at?: string;
  /** The agent's position is past it. */
  settled: boolean;
  /** Where delivery of the scope began. */
  start_seq?: number;
}
