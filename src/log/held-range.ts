/** Where the messages begin that a `conversation.resumed` lets go. */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Store } from '../store/store.ts';
import type { LogEntry } from './entry.ts';

export const PAGE = 500;

/**
 * The position before the first message that was held when the conversation was resumed. The held messages are the
 * last ones before the resume, without a gap: it is looked for backwards from there, a page at a time, and once for
 * all readers of the same entry.
 */
export function heldAfter(store: Store, resumed: LogEntry): Promise<number> {
  return (resumed.heldAfter ??= lookUp(store, resumed.event.conversation!, resumed.seq).catch(
    (error: unknown) => {
      // The next reader asks again.
      resumed.heldAfter = undefined;
      throw error;
    },
  ));
}

async function lookUp(store: Store, conversation: ConversationKey, before: number): Promise<number> {
  for (let end = before; ;) {
    const { rows, more_before } = await store.messagePage(conversation, { before: end, limit: PAGE });
    const first = rows[0]?.seq;
    if (first === undefined) return end - 1;
    const events = await store.conversationEvents(conversation, first - 1, PAGE, end - 1);
    const free = events.findLast((event) => !event.held);
    if (free) return free.seq;
    if (!more_before) return first - 1;
    end = first;
  }
}
