/** What became of one message for one agent (protocol/receipts.ts): computed from what delivery keeps. Pure. */
import { fqid } from '../protocol/ids.ts';
import type { Message } from '../protocol/messages.ts';
import type { Receipt, ReceiptState } from '../protocol/receipts.ts';
import { wakeReason, type Bindings, type WakeAgent } from '../protocol/wake.ts';
import type { DeliveryFacts, WakeRow } from '../store/delivery-rows.ts';
import { parsePassed, passedIn } from './passed.ts';

/** Why nothing of a conversation is sent to an agent now. */
export type Hold = 'guard' | 'pause' | 'budget';

export interface ReceiptFacts {
  agent: WakeAgent;
  message: Message;
  seq: number;
  stored: DeliveryFacts;
  /** What it is bound to; undefined for clients that decide wakes themselves, and before the first attach. */
  bindings: Bindings | undefined;
  /** The agent had posted in the thread before. */
  posted: boolean;
  hold: { reason: Hold; at?: string } | undefined;
  /** It was sent to an attachment that is open, and is not acknowledged. */
  out: boolean;
}

export function receiptOf(of: ReceiptFacts): Receipt {
  const { agent, message, seq, stored, bindings, hold } = of;
  const receipt = (state: ReceiptState, more: Partial<Receipt> = {}): Receipt => ({
    agent_id: agent.id,
    fqid: fqid(agent.network_id, 'agents', agent.id),
    state,
    ...more,
  });
  const named = message.target.kind === 'dm' || (message.mentions?.includes(receipt('stored').fqid) ?? false);
  // It wakes nobody: a wake that it lies in the middle of was for what is around it.
  if (message.intent === 'ack') return receipt('ignored', { reason: 'intent' });
  if (stored.wake) {
    const { passed, opened_at: at } = stored.wake;
    const over = passedIn(parsePassed(passed).ranges, seq, named);
    return over
      ? receipt('expired', { reason: over.reason, at })
      : receipt(...wakeState(stored.wake, agent.id));
  }
  if (bindings && wakeReason(agent, bindings, message, of.posted) === undefined)
    return receipt('ignored', { reason: 'policy' });
  if (stored.handed_at !== undefined) return receipt('handed', { at: stored.handed_at });
  for (const { reason, at } of stored.skips) {
    if (reason === 'unmentioned' || reason === 'unmentioned_age') {
      if (!named) return receipt('expired', { reason: reason === 'unmentioned' ? 'catch_up' : 'age', at });
      // What was handed over before the absence comes again: it is not settled.
    } else if (stored.settled) return receipt('expired', { reason, at });
  }
  if (stored.start_seq !== undefined && seq <= stored.start_seq)
    return receipt('ignored', { reason: 'membership' });
  // Acknowledged without a turn.
  if (stored.settled) return receipt('handed');
  if (hold) return receipt('held', hold);
  return of.out ? receipt('handed') : receipt('stored', { at: message.created_at });
}

/** What a wake makes of its messages. */
export function wakeState(row: WakeRow, agent_id: string): [ReceiptState, Partial<Receipt>] {
  const wake_id = wireWakeId({ ...row, agent_id });
  const about: Partial<Receipt> = { at: row.closed_at ?? row.opened_at, wake_id, attempts: row.attempt };
  if (row.state === 'open') return ['started', about];
  if (row.error !== null) about.error = row.error;
  if (row.classification !== null) about.classification = row.classification;
  if (row.answer_id !== null) about.answer_id = row.answer_id;
  if (row.outcome === 'dropped') return ['failed', { ...about, reason: 'dropped' }];
  if (row.state === 'failed') return ['failed', about];
  return [row.outcome === 'answered' ? 'answered' : 'silent', about];
}

/** Wake ids are chosen by nodes: stored under the agent, so that no agent's can meet another's. */
export const storedWakeId = (agent_id: string, wake_id: string): string => `${agent_id}/${wake_id}`;
export const wireWakeId = (row: Pick<WakeRow, 'wake_id' | 'agent_id'>): string =>
  row.wake_id.startsWith(`${row.agent_id}/`) ? row.wake_id.slice(row.agent_id.length + 1) : row.wake_id;
