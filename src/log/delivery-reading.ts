/**
 * What a delivery cannot be pushed it reads here, by index: first the wakes that were begun, then conversations by
 * their last message or by mentions, then each of these from its position on (DLV-13).
 */
import { limits } from '../protocol/limits.ts';
import { wakeMessageId } from '../protocol/ids.ts';
import { isNamed, wakeReason, type WakeReason } from '../protocol/wake.ts';
import type { WakeRow } from '../store/delivery-rows.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { DeliveryBook } from './delivery-book.ts';
import { Feed, stops, type Scope } from './delivery-state.ts';
import type { LogEntry } from './entry.ts';
import { PAGE } from './held-range.ts';
import { parsePassed, passedIn } from './passed.ts';
import { wireWakeId } from './receipt.ts';
import type { ConversationEnd } from './shared-reads.ts';

/** Candidates of one page, and messages of one read: enough to fill a conversation's 64. */
const CANDIDATES = 200;
const MESSAGES = 100;
/** Messages of one wake to one conversation that are looked for. */
const SENDS = 16;
/** Conversations that wait for their turn to be read; the search for more pauses meanwhile. */
export const WAITING = 256;

interface Waking {
  entry: LogEntry;
  reason: WakeReason;
}

export class DeliveryReading {
  readonly #book: DeliveryBook;
  #running = false;
  #again = false;

  constructor(book: DeliveryBook) {
    this.#book = book;
  }

  start(): void {
    this.#book.started = true;
    this.go();
  }

  /** Reads on if there is something to read and room for it. */
  go(): void {
    if (!this.#book.started || this.#book.closed) return;
    if (this.#running) this.#again = true;
    else if (this.#hasWork()) void this.#run();
  }

  #hasWork(): boolean {
    const { nextOwed, waiting, searching, options, full } = this.#book;
    if (nextOwed) return options.sink.ready();
    return !full && (waiting.size > 0 || [...searching].some(({ hold }) => !hold));
  }

  async #run(): Promise<void> {
    const book = this.#book;
    this.#running = true;
    try {
      do {
        this.#again = false;
        // What was begun comes first.
        for (
          let feed = book.nextOwed;
          feed && book.options.sink.ready() && !book.closed;
          feed = book.nextOwed
        ) {
          book.owed.splice(book.owed.indexOf(feed), 1);
          await this.#sendOwed(feed);
        }
        if (book.nextOwed) continue;
        for (const scope of book.searching) await this.#search(scope);
        for (const feed of book.waiting) {
          if (book.closed || book.full) break;
          await this.#readOn(feed);
        }
      } while (!book.closed && (this.#again || this.#hasWork()));
    } catch (error) {
      book.fault(error);
    } finally {
      this.#running = false;
    }
    if (this.#again) this.go();
  }

  /** Looks for conversations of the scope that hold something: one page, unless enough wait. */
  async #search(scope: Scope): Promise<void> {
    const book = this.#book;
    if (!scope.scan || scope.hold) return;
    await book.options.tail.pace.turn('read');
    const { version, scan } = scope;
    if (!scan || scope.hold || book.closed || book.full || book.waiting.size >= WAITING) return;
    const { head } = book.options.tail;
    const { of, end } = scope.stretch(scope.passed, scan.after, head);
    if (of === 'mentions' && !scan.followed) await this.#searchFollowed(scope);
    const rows = of === 'nothing' ? [] : await this.#candidates(scope, of, scan.after);
    if (book.closed || book.scopes.get(scope.name) !== scope || scope.scan !== scan) return;
    for (const { conversation, seq } of rows) {
      if (of === 'mentions' && seq > end) break;
      scan.after = Math.max(scan.after, seq);
      // The room itself holds nothing for an agent that only threads wake.
      if (scope.policy === 'thread_only' && of === 'messages' && conversation === scope.name) continue;
      const position = scope.positionOf(conversation);
      if (seq > position && !book.feeds.has(conversation))
        book.add(new Feed(scope, conversation, { acked: position, more: true }));
    }
    const last = rows.at(-1)?.seq ?? 0;
    const exhausted = rows.length < CANDIDATES || (of === 'mentions' && last > end);
    if (!exhausted || scope.version !== version) return;
    if (end < head) scan.after = end;
    else this.#found(scope, head);
  }

  /** Threads that the agent follows: what is in them need not mention it. */
  async #searchFollowed(scope: Scope): Promise<void> {
    const book = this.#book;
    const { scan } = scope;
    const threads = [...book.threads.keys()];
    for (let i = 0; i < threads.length; i += PAGE) {
      const rows = await book.options.store.conversations(threads.slice(i, i + PAGE));
      if (book.closed || book.scopes.get(scope.name) !== scope || scope.scan !== scan) return;
      for (const [key, row] of rows) {
        const acked = scope.positionOf(key);
        if (row.room_id === scope.room_id && row.last_seq > acked && !book.feeds.has(key))
          book.add(new Feed(scope, key, { acked, more: true }));
      }
    }
    if (scan) scan.followed = true;
  }

  /** The search is over: from here on what is new is pushed. */
  #found(scope: Scope, head: number): void {
    scope.scan = scope.passed = undefined;
    scope.positions = undefined;
    this.#book.searching.delete(scope);
    if (!scope.isStale(head)) return;
    scope.dirty = true;
    this.#book.saver.schedule();
  }

  /** Conversations (more than once, for mentions) with the seq of something in them after a position, ascending. */
  async #candidates(
    scope: Scope,
    of: 'messages' | 'mentions',
    after: number,
  ): Promise<readonly ConversationEnd[]> {
    const { store, agent } = this.#book.options;
    if (of === 'mentions') return store.mentionsAfter(agent.id, scope.room_id, after, CANDIDATES);
    if (scope.room_id !== undefined)
      return this.#book.options.tail.shared.conversations(scope.room_id, after, CANDIDATES);
    const rows = await store.dmConversationsAfter(agent.id, after, CANDIDATES);
    return rows.map((row) => ({ conversation: row.key, seq: row.last_seq }));
  }

  /** Reads one conversation on until it is at its end, or full. */
  async #readOn(feed: Feed): Promise<void> {
    const book = this.#book;
    await book.options.tail.pace.turn('read');
    if (!book.has(feed)) return;
    const { version } = feed;
    const upTo = book.options.tail.head;
    const { of, end } = feed.scope.stretch(feed.passed, feed.read, upTo);
    const reached =
      of === 'nothing' ||
      (of === 'mentions' && !book.threads.has(feed.conversation)
        ? await this.#readMentions(feed, end)
        : await this.#readMessages(feed, end));
    if (!book.has(feed)) return;
    if (reached) {
      feed.read = Math.max(feed.read, end);
      if (end === upTo && feed.version === version) feed.more = false;
    }
    book.queue(feed);
    book.forget(feed);
  }

  /** True when everything up to `end` was looked at. */
  async #readMessages(feed: Feed, end: number): Promise<boolean> {
    const { tail } = this.#book.options;
    const entries = await tail.shared.messages(feed.conversation, feed.read, MESSAGES, end);
    for (let next = 0; next < entries.length; next++) {
      // What needs not be looked up goes out in one piece.
      const offered = tail.burst(() => {
        for (; next < entries.length; next++) {
          const result = this.#offer(feed, entries[next]!);
          if (result !== true) return result;
        }
        return true;
      });
      if (!(await offered)) return false;
    }
    return entries.length < MESSAGES;
  }

  async #readMentions(feed: Feed, end: number): Promise<boolean> {
    const { store, agent } = this.#book.options;
    const mentions = await store.mentionsAfter(agent.id, feed.scope.room_id, feed.read, CANDIDATES);
    for (const { seq, conversation } of mentions) {
      if (seq > end) return true;
      if (conversation === feed.conversation) {
        const [event] = await store.conversationEvents(conversation, seq - 1, 1, seq);
        if (event && !(await this.#offer(feed, this.#book.entry(event)))) return false;
      }
      feed.read = Math.max(feed.read, seq);
    }
    return mentions.length < CANDIDATES;
  }

  /** Sends one event out of storage if it wakes. False when it could not be consumed now. */
  #offer(feed: Feed, entry: LogEntry): boolean | Promise<boolean> {
    const book = this.#book;
    const { event } = entry;
    if (!book.has(feed)) return false;
    if (event.seq <= feed.read) return true;
    const reason = book.reason(feed, event.seq, entry.message!);
    if (!reason) {
      feed.read = event.seq;
      return true;
    }
    const send = (): boolean => {
      if (!book.has(feed) || !book.hasRoom(feed)) return false;
      book.send(feed, entry, reason);
      return true;
    };
    if (!event.held) return send();
    const { version } = feed;
    return this.#isHeld(event).then((held) => {
      if (!held) return send();
      // A resume that came while storage was asked counts.
      if (feed.version === version) feed.held = true;
      return false;
    });
  }

  async #isHeld(event: LogEvent): Promise<boolean> {
    const row = (await this.#book.options.store.conversations([event.conversation!])).get(
      event.conversation!,
    );
    return row !== undefined && row.held_at !== null && row.held_seq !== null && event.seq > row.held_seq;
  }

  /** A wake that an earlier attachment began: the same id, range and attempt (DLV-8). */
  async #sendOwed(feed: Feed): Promise<void> {
    const book = this.#book;
    const row = feed.owed!;
    await book.options.tail.pace.turn('read');
    const found = await this.#eventsOfRange(row, feed.scope);
    // What was posted before this attachment; what comes from here on is pushed.
    const answer =
      (await book.options.store.answerAfter(row.conversation, row.opened_seq, book.self)) ??
      row.answer_id ??
      (await this.#saidLate(row));
    if (!book.has(feed)) return;
    // Held while storage was asked.
    if (stops(feed.scope)) return void book.owed.push(feed);
    feed.owed = undefined;
    feed.answer ??= answer;
    const last = found.at(-1);
    if (last) {
      const { attempt, after_seq, last_seq, passed } = row;
      // Beyond its range already when it is run again.
      const { read } = feed;
      const wake_id = wireWakeId(row);
      const cursor = last.entry.event.id;
      const { opened_seq, opened_at } = row;
      feed.wake = { wake_id, after_seq, last_seq, cursor, attempt, opened_seq, opened_at, passed };
      const { earlier } = parsePassed(passed);
      const { conversation } = feed;
      book.options.sink.wake({ wake_id, conversation, cursor, attempt, ...(earlier > 0 && { earlier }) });
      book.options.tail.burst(() => {
        for (const { entry, reason } of found) book.send(feed, entry, reason);
      });
      feed.read = Math.max(read, last_seq);
      book.queue(feed);
    } else {
      // Nothing of it is left to run: its messages were redacted.
      book.saver.endWake(row.wake_id, { outcome: 'silent' });
      book.settle(feed, row.last_seq);
      book.saver.now();
    }
  }

  /**
   * What the wake had said after its end: a send of a turn that was killed can come through when the turn is given up.
   * The run to come says it again under the same id, which brings nothing new, and it is the answer all the same.
   */
  async #saidLate(row: WakeRow): Promise<string | undefined> {
    if (row.attempt < 2) return undefined;
    const { options, self } = this.#book;
    const ids = Array.from({ length: SENDS }, (_, n) => wakeMessageId(wireWakeId(row), row.conversation, n));
    const said = [...(await options.store.messages(ids)).values()].filter(
      (message) => message.conversation === row.conversation && message.sender === self,
    );
    return said.sort((a, b) => a.seq - b.seq).at(-1)?.id;
  }

  async #eventsOfRange(row: WakeRow, scope: Scope): Promise<Waking[]> {
    const most = limits.outstanding_per_conversation.value;
    const { agent, tail } = this.#book.options;
    const { ranges } = parsePassed(row.passed);
    let found: Waking[] = [];
    for (let after = row.after_seq; after < row.last_seq;) {
      const entries = await tail.shared.messages(row.conversation, after, PAGE, row.last_seq);
      for (const entry of entries) {
        // What the catch_up policy says of missed messages does not touch a wake that was begun.
        const posted = this.#book.posted(row.conversation, entry.seq);
        const reason = wakeReason(agent, scope.bindings, entry.message!, posted);
        if (reason && !passedIn(ranges, entry.seq, isNamed(reason))) found.push({ entry, reason });
      }
      // More than one wake can hold: the bindings are wider than they were. What was surely in it comes first.
      if (found.length > most) {
        const named = found.filter(({ reason }) => isNamed(reason));
        found = (named.length > 0 ? named : found).slice(-most);
      }
      if (entries.length < PAGE) break;
      after = entries.at(-1)!.seq;
    }
    return found;
  }
}
