/** A wake on its way through the node. */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Message } from '../protocol/messages.ts';
import type { WakeReason } from '../protocol/wake.ts';
import type { TurnUsage } from '../runtimes/runtime.ts';

/** An event of a conversation that waits to be part of a wake. */
export interface Waiting {
  /** Its event id. */
  cursor: string;
  message: Message;
  /** Undefined: it takes its place in the order, but is not shown (redacted, or handled before). */
  reason: WakeReason | undefined;
}

export interface RunningWake {
  readonly wake_id: string;
  readonly conversation: ConversationKey;
  /** The last event of its range. */
  cursor: string;
  /** Oldest first. */
  entries: Waiting[];
  /** Ids of older messages that are counted, but not kept; and how many there were in all. */
  readonly earlier: readonly string[];
  earlier_count: number;
  /** From 1. */
  attempt: number;
  /** It was begun before: the agent may have acted on it already. */
  again: boolean;
  /** No message woke the agent: it gets to know a room that it was bound to. */
  readonly bootstrap: boolean;
}

export type WakeEnd = (
  | { outcome: 'ok' }
  | { outcome: 'failed'; error: string; permanent: boolean; attempts: number }
) & { usage?: TurnUsage };

/** What two turns used together. A runtime's nonsense (NaN, less than nothing) is left out. */
export function addUsage(sum: TurnUsage, more: TurnUsage = {}): TurnUsage {
  const result = { ...sum };
  for (const key of ['input_tokens', 'output_tokens', 'cost_usd'] as const) {
    const value = more[key];
    if (value === undefined || !Number.isFinite(value) || value < 0) continue;
    result[key] = (sum[key] ?? 0) + (key === 'cost_usd' ? value : Math.round(value));
  }
  return result;
}
