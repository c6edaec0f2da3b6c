/**
 * What a thousand that come back at once read of what they missed: it is the same, so it is read once. A page is kept
 * for as long as nothing was said where it is from, and for a second at most.
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import type { LogEntry } from './entry.ts';
import { costOf } from './ring.ts';

/** Milliseconds, pages, and bytes of their events. */
const KEPT = 1_000;
const PAGES = 512;
const BYTES = 4 * 1_048_576;

/** A conversation, and the seq of its last message. */
export interface ConversationEnd {
  conversation: ConversationKey;
  seq: number;
}

type Reads = Pick<Store, 'conversationEvents' | 'roomConversationsAfter'>;

export class SharedReads {
  readonly #store: Reads;
  readonly #entryOf: (event: LogEvent) => LogEntry;
  readonly #head: () => number;
  /** By conversation or room, then by where they begin and how long they may be. */
  readonly #messages = new Map<ConversationKey, Map<string, Promise<LogEntry[]>>>();
  readonly #conversations = new Map<string, Map<string, Promise<ConversationEnd[]>>>();
  #pages = 0;
  #bytes = 0;
  #forget: NodeJS.Timeout | undefined;

  /** `head`: what is beyond it was not yet told to `published`. */
  constructor(options: { store: Reads; entryOf: (event: LogEvent) => LogEntry; head: () => number }) {
    this.#store = options.store;
    this.#entryOf = options.entryOf;
    this.#head = options.head;
  }

  /** As Store.conversationEvents. */
  messages(
    conversation: ConversationKey,
    after: number,
    limit: number,
    up_to: number,
  ): Promise<readonly LogEntry[]> {
    // Up to the head is up to the end, for as long as nothing more is said there.
    const end = up_to < this.#head() ? up_to : 'end';
    return this.#page(this.#messages, conversation, `${after} ${limit} ${end}`, async () => {
      const events = await this.#store.conversationEvents(conversation, after, limit, up_to);
      const read = events.map((event) => this.#entryOf(event));
      for (const entry of read) this.#bytes += costOf(entry);
      if (this.#bytes > BYTES) this.clear();
      return read;
    });
  }

  /** Conversations of a room with something after a position, in the order of their last messages. */
  conversations(room_id: string, after: number, limit: number): Promise<readonly ConversationEnd[]> {
    return this.#page(this.#conversations, room_id, `${after} ${limit}`, async () => {
      const rows = await this.#store.roomConversationsAfter(room_id, after, limit);
      return rows.map(({ key, last_seq }) => ({ conversation: key, seq: last_seq }));
    });
  }

  /** These are the newest events by now. */
  published(events: readonly LogEvent[]): void {
    if (this.#pages === 0) return;
    for (const { type, conversation, room_id } of events) {
      // What storage has blanked must not be kept.
      if (type === 'message.redacted') return this.clear();
      if (conversation !== undefined) this.#messages.delete(conversation);
      if (room_id !== undefined) this.#conversations.delete(room_id);
    }
  }

  clear(): void {
    clearTimeout(this.#forget);
    this.#forget = undefined;
    this.#messages.clear();
    this.#conversations.clear();
    this.#pages = this.#bytes = 0;
  }

  #page<K, T>(
    pages: Map<K, Map<string, Promise<T>>>,
    of: K,
    key: string,
    read: () => Promise<T>,
  ): Promise<T> {
    const known = pages.get(of)?.get(key);
    if (known) return known;
    if (++this.#pages > PAGES) this.clear();
    this.#forget ??= setTimeout(() => this.clear(), KEPT).unref();
    const page = read();
    const own = pages.get(of) ?? new Map<string, Promise<T>>();
    own.set(key, page);
    pages.set(of, own);
    page.catch(() => own.delete(key));
    return page;
  }
}
