import type { ReadPosition } from '../../../src/protocol/reads.ts';
import type { ConversationKey } from '../model/conversation.ts';
import type { State } from '../model/state.ts';
import type { Api } from './api.ts';
import { remember } from './remember.ts';
import type { Store } from './store.ts';

/** Positions gather for so long before they are told: whoever reads along would tell one per message. */
const TELL_MS = 1_000;

/**
 * How far the person has read. Where the server knows the person, it keeps it for all of their browsers (READ rules);
 * else this browser does.
 */
export type Seen = ReturnType<typeof createSeen>;

export function createSeen(store: Store<State>, api: Pick<Api, 'reads' | 'markRead'>) {
  const kept = () => store.get().me.bound;
  let positions = new Map<string, { id: string; unread: number }>();
  let waiting = new Map<ConversationKey, string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let loaded: Promise<unknown> = Promise.resolve();

  const tell = (leaving = false) => {
    clearTimeout(timer);
    timer = undefined;
    const news = waiting;
    waiting = new Map();
    // What cannot be told now is told with the next position.
    for (const [key, id] of news) api.markRead(key, id, leaving).catch(() => {});
  };

  return {
    /** Reads the positions; resolves with them, none where the server keeps none. */
    async load(): Promise<readonly ReadPosition[]> {
      if (!kept()) return [];
      const read = api.reads();
      loaded = read.catch(() => {});
      const reads = await read;
      positions = new Map(
        reads.map(({ conversation, message_id: id, unread }) => [conversation, { id, unread }]),
      );
      return reads;
    },
    /** Resolves when the positions that were asked for last are here, or cannot be had. */
    ready: () => loaded,
    last: (key: ConversationKey): string | undefined =>
      kept() ? positions.get(key)?.id : remember.lastSeen(key),
    /** Where something may have come while no window was open, the latest first. */
    conversations: (): ConversationKey[] =>
      (kept()
        ? [...positions].filter(([, { unread }]) => unread > 0).map(([key]) => key)
        : remember.seenConversations()) as ConversationKey[],
    set(key: ConversationKey, id: string) {
      if (!kept()) return remember.setLastSeen(key, id);
      if (positions.get(key)?.id === id) return;
      positions.set(key, { id, unread: 0 });
      waiting.set(key, id);
      timer ??= setTimeout(tell, TELL_MS);
    },
    /** Whether it costs nothing to say so often. */
    get gathers(): boolean {
      return kept();
    },
    /** Another window of the person has told it, or this one. */
    moved({ conversation, message_id: id, unread }: ReadPosition) {
      if (!waiting.has(conversation as ConversationKey)) positions.set(conversation, { id, unread });
    },
    /** The window goes: what gathers is told at once. */
    flush: () => tell(true),
    /** Nobody is signed in any more. */
    forget() {
      positions = new Map();
      waiting = new Map();
    },
  };
}
