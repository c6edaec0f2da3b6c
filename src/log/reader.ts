/**
 * One reader of the log: it has a position, is pushed what comes while it keeps up, and when it cannot take more it
 * reads on from the ring or from storage, by position. It skips nothing, repeats nothing and queues nothing.
 *
 * Live, its position is the tail's head: everything it wanted up to there was pushed and taken. Behind, pushes are
 * ignored, because what they bring is in the log after its position. It goes live in the same turn of the event loop
 * in which it sees that its position is the head, so no event falls between (LOG-4).
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { LogEvent, Store } from '../store/store.ts';
import type { LogEntry } from './entry.ts';
import { LogEntry as Entry } from './entry.ts';
import { heldAfter, PAGE } from './held-range.ts';
import { matches, type Interest, type Subscriber, type Tail } from './tail.ts';

export interface ReaderSink {
  /** Whether it can take one more now. When it could not, call the reader's `resume` once it can again. */
  ready(): boolean;
  /** Takes the next event. Called only when ready. */
  take(entry: LogEntry): void;
  /** Storage could not be read: the reader has stopped. */
  fail(error: unknown): void;
  /** A volatile fact, for those whose interest it meets. */
  announce?(entry: LogEntry): void;
}

type EventAudience = Parameters<Store['events']>[0];

interface HeldRange {
  conversation: ConversationKey;
  /** Undefined until it is looked up. */
  after: number | undefined;
  resumed: LogEntry;
}

export class LogReader implements Subscriber {
  readonly #tail: Tail;
  readonly #sink: ReaderSink;
  /** Whether held messages are left out until their conversation is resumed: attachments, not observers. */
  readonly #withholds: boolean;
  #interest: Interest;
  #position: number;
  #live = false;
  #started = false;
  #pulling = false;
  #closed = false;
  /** Held messages that were let go and are being read; they come before the position moves on. */
  #range: HeldRange | undefined;
  /** Everything is passed over until this conversation is resumed: see startWithinHeld. */
  #until: { conversation: ConversationKey; after: number } | undefined;
  #unsubscribe: () => void;

  constructor(options: { tail: Tail; sink: ReaderSink; interest: Interest; withholds: boolean }) {
    this.#tail = options.tail;
    this.#sink = options.sink;
    this.#interest = options.interest;
    this.#withholds = options.withholds;
    this.#position = options.tail.head;
    this.#unsubscribe = options.tail.subscribe(this, options.interest);
  }

  get live(): boolean {
    return this.#live;
  }

  /** Begins after a position; without one, after the head at which the reader was made. */
  start(position = this.#position): void {
    this.#position = position;
    this.#started = true;
    this.resume();
  }

  /**
   * Begins after a message that the guard had held and that was delivered after its conversation was resumed: what
   * the log has between it and the resume was delivered before it, but for the rest of the held messages (LOG-7).
   */
  startWithinHeld(conversation: ConversationKey, seq: number): void {
    this.#until = { conversation, after: seq };
    this.start(seq);
  }

  /** The sink may be ready again. */
  resume(): void {
    if (this.#live || this.#closed || !this.#started || this.#pulling) return;
    if (this.#pullFromRing()) return;
    void this.#pull();
  }

  /** From now on reads by another interest; what it was given stays given. */
  update(interest: Interest): void {
    this.#interest = interest;
    this.#tail.update(this, interest);
  }

  push(entry: LogEntry): void {
    if (!this.#live || entry.seq <= this.#position) return;
    if (this.#offer(entry)) this.#position = entry.seq;
    else this.#fallBehind(entry.seq - 1);
  }

  announce(entry: LogEntry): void {
    this.#sink.announce?.(entry);
  }

  close(): void {
    this.#closed = true;
    this.#live = false;
    this.#unsubscribe();
  }

  #fallBehind(position: number): void {
    this.#live = false;
    this.#position = position;
    this.#tail.countBehind();
    // Not full, but a resumed conversation has to be read first.
    if (this.#range) void this.#pull();
  }

  /** False when the event was not consumed. May have set #range: then it is consumed by what follows. */
  #offer(entry: LogEntry): boolean {
    const { event } = entry;
    if (this.#until) {
      if (event.type === 'conversation.resumed' && event.conversation === this.#until.conversation) {
        this.#range = { conversation: this.#until.conversation, after: this.#until.after, resumed: entry };
        this.#until = undefined;
        return false;
      }
      return true;
    }
    if (this.#withholds) {
      if (event.held) return true;
      if (event.type === 'conversation.resumed' && event.conversation !== undefined) {
        this.#range = { conversation: event.conversation, after: undefined, resumed: entry };
        return false;
      }
    }
    if (!this.#sink.ready()) return false;
    this.#sink.take(entry);
    return true;
  }

  /** Reads on in this turn of the event loop if the ring has all that is missing. True when nothing is left to do now. */
  #pullFromRing(): boolean {
    const { ring } = this.#tail;
    if (this.#range || this.#position < ring.floor) return false;
    for (let entry = ring.after(this.#position); entry; entry = ring.after(this.#position)) {
      if (matches(this.#interest, entry.event) && !this.#offer(entry)) {
        // Full: resume() goes on. A held range: the caller reads it from storage.
        return this.#range === undefined;
      }
      this.#position = entry.seq;
    }
    this.#live = true;
    return true;
  }

  async #pull(): Promise<void> {
    if (this.#pulling) return;
    this.#pulling = true;
    try {
      while (!this.#closed && !this.#live) {
        if (this.#range) {
          if (!(await this.#pullHeld(this.#range))) break;
        } else if (this.#pullFromRing()) break;
        else if (!this.#range && !(await this.#pullPage())) break;
      }
    } catch (error) {
      if (!this.#closed) {
        this.close();
        this.#sink.fail(error);
      }
    } finally {
      this.#pulling = false;
    }
    // The sink may have become ready while the loop was on its way out.
    if (!this.#live && !this.#closed && this.#sink.ready()) this.resume();
  }

  /** One page out of storage. False when the sink is full. */
  async #pullPage(): Promise<boolean> {
    if (!this.#sink.ready()) return false;
    const head = this.#tail.head;
    const interest = this.#interest;
    const events = await this.#tail.store.events(audienceOf(interest), this.#position, PAGE);
    if (this.#closed) return false;
    // What a new interest adds may not be on this page.
    if (interest !== this.#interest) return true;
    let taken = 0;
    for (const event of events) {
      if (matches(interest, event)) {
        if (!this.#offer(this.#entry(event))) return this.#range !== undefined;
        taken++;
      }
      this.#position = event.seq;
    }
    // A short page held all that was committed when it was read, hence all up to the head of that moment.
    if (events.length < PAGE && this.#position < head) this.#position = head;
    // Pages of which nothing is wanted must not keep the event loop from the others.
    if (taken === 0) await new Promise(setImmediate);
    return true;
  }

  /** The held messages that a resume let go, then past it. False when the sink is full. */
  async #pullHeld(range: HeldRange): Promise<boolean> {
    const { store } = this.#tail;
    range.after ??= await heldAfter(store, range.resumed);
    while (!this.#closed) {
      if (!this.#sink.ready()) return false;
      const events = await store.conversationEvents(
        range.conversation,
        range.after,
        PAGE,
        range.resumed.seq - 1,
      );
      if (this.#closed) return false;
      for (const event of events) {
        if (!this.#sink.ready()) return false;
        if (event.held && matches(this.#interest, event)) this.#sink.take(this.#entry(event));
        range.after = event.seq;
      }
      if (events.length < PAGE) break;
    }
    this.#range = undefined;
    this.#position = range.resumed.seq;
    return true;
  }

  /** The ring's entry if it still has it, for the frames that are prepared there. */
  #entry(event: LogEvent): LogEntry {
    return this.#tail.ring.get(event.seq) ?? new Entry(event);
  }
}

/** Whom storage is asked for. An interest that it has no index for gets everything, and is matched here. */
function audienceOf({ observer, rooms, open, participants, agents }: Interest): EventAudience {
  const several = (participants?.size ?? 0) > 1 || (agents?.size ?? 0) > 0;
  if (observer || rooms === 'all' || open || several) return { all: true };
  const [participant] = participants ?? [];
  return { rooms: [...rooms], ...(participant !== undefined && { participant }) };
}
