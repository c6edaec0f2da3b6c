/** Tells live what catch_up has passed over, to observers and senders that are there; their receipts say it in any case. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ConversationKey } from '../protocol/conversation.ts';
import { isNamed, wakeReason } from '../protocol/wake.ts';
import type { Scope } from './delivery-state.ts';
import type { Addressed, DeliveryOptions } from './delivery-types.ts';
import { LogEntry } from './entry.ts';
import { PAGE } from './held-range.ts';
import type { PassedRange } from './passed.ts';

/** Events of one scope that are looked through, the newest: who wants to know more asks. */
const EVENTS = 2_000;

export interface PassedOver {
  /** With the first and last seq of what it passed over. */
  scopes: Map<Scope, { after: number; last: number }>;
  /** Why a message that would have woken was passed over, if it was. */
  why: (
    scope: Scope,
    message: { conversation: ConversationKey; seq: number; named: boolean },
  ) => PassedRange['reason'] | undefined;
}

type TellOptions = Pick<DeliveryOptions, 'agent' | 'store' | 'sink'>;

export async function tellExpired(
  { agent, store, sink }: TellOptions,
  { scopes, why }: PassedOver,
  posted: (conversation: ConversationKey, seq: number) => boolean,
  closed: () => boolean,
): Promise<void> {
  for (const [scope, { after, last }] of scopes) {
    const { room_id } = scope;
    const audience = {
      rooms: room_id === undefined ? [] : [room_id],
      ...(room_id === undefined && { participant: agent.id }),
    };
    const told = new Map<string, { conversation: ConversationKey; reason: string; messages: Addressed[] }>();
    let seq = after;
    for (let looked = 0; looked < EVENTS && seq < last && !closed();) {
      const events = await store.events(audience, seq, PAGE);
      for (const event of events) {
        seq = event.seq;
        const { message } = new LogEntry(event);
        if (!message || seq > last) continue;
        const conversation = event.conversation!;
        const wakes = wakeReason(agent, scope.bindings, message, posted(conversation, seq));
        const reason = wakes && why(scope, { conversation, seq, named: isNamed(wakes) });
        if (reason === undefined) continue;
        const key = `${reason} ${conversation}`;
        const group = told.get(key) ?? { conversation, reason, messages: [] };
        group.messages.push({ message_id: message.id, from: message.from.id });
        told.set(key, group);
      }
      looked += events.length;
      if (events.length < PAGE) break;
      await nextTurn();
    }
    if (closed()) return;
    for (const { conversation, reason, messages } of told.values())
      sink.receipt({
        conversation,
        ...(room_id !== undefined && { room_id }),
        state: 'expired',
        reason,
        messages,
      });
  }
}
