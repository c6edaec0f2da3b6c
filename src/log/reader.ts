/**
 * One reader of the log: it has a position, is pushed what comes while it keeps up, and when it cannot take more it
 * reads on from the ring or from storage, by position. It skips nothing, repeats nothing and queues nothing.
 *
 * Live, its position is the tail's head: everything it wanted up to there was pushed and taken. Behind, pushes are
 * ignored, because what they bring is in the log after its position. It goes live in the same turn of the event loop
 * in which it sees that its position is the head, so no event falls between (LOG-4).
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import { lastBefore } from './ages.ts';
import type { LogEntry } from './entry.ts';
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
/** What was left out of a room while it was paused. */
interface PausedRange {
  room_id: string;
  /** When the pause began, RFC 3339. */
  since: string;
  /** The first that this reader left out; what the reader before it did begins where the log says so. */
  first: number;
  up_to: number;
  resumed: LogEntry;
  after?: number;
  begun?: boolean;
  /** A conversation of it that the guard had let go meanwhile, and that is read now. */
  held?: HeldRange;
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
  #range: HeldRange | PausedRange | undefined;
  readonly #paused: ((room_id: string) => string | undefined) | undefined;
  /** Of paused rooms: the first and the last seq that was left out. */
  #left: Map<string, { first: number; last: number }> | undefined;
  /** Where it began, if that was before the head. */
  #began = 0;
  /** Everything is passed over until this conversation is resumed: see startWithinHeld. */
  #until: { conversation: ConversationKey; after: number } | undefined;
  #unsubscribe: () => void;

  /** `paused`: since when (RFC 3339) a room is paused; what was said there since is left out until it goes on. */
  constructor(options: {
    tail: Tail;
    sink: ReaderSink;
    interest: Interest;
    withholds: boolean;
    paused?: (room_id: string) => string | undefined;
  }) {
    this.#tail = options.tail;
    this.#sink = options.sink;
    this.#interest = options.interest;
    this.#withholds = options.withholds;
    this.#paused = options.paused;
    this.#position = options.tail.head;
    this.#unsubscribe = options.tail.subscribe(this, options.interest);
  }

  get live(): boolean {
    return this.#live;
  }

  /** Begins after a position; without one, after the head at which the reader was made. */
  start(position?: number): void {
    this.#began = position ?? 0;
    this.#position = position ?? this.#position;
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
      if (event.held || this.#leaveOut(event)) return true;
      if (event.type === 'pause.changed' && (this.#range = this.#leftOut(entry))) return false;
      if (event.type === 'conversation.resumed' && event.conversation !== undefined) {
        this.#range = { conversation: event.conversation, after: undefined, resumed: entry };
        return false;
      }
    }
    if (!this.#sink.ready()) return false;
    this.#sink.take(entry);
    return true;
  }

  /** Whether the event belongs to a room that is paused, and was said since. */
  #leaveOut({ type, room_id, created_at, seq }: LogEvent): boolean {
    if (room_id === undefined || !this.#paused || !isTalk(type)) return false;
    const since = this.#paused(room_id);
    if (since === undefined || created_at < since) return false;
    const first = this.#left?.get(room_id)?.first ?? seq;
    (this.#left ??= new Map()).set(room_id, { first, last: seq });
    return true;
  }

  /** What was left out of a room that goes on with this event, by this reader or before it began. */
  #leftOut(resumed: LogEntry): PausedRange | undefined {
    const { room_id, payload } = resumed.event;
    const { paused, since } = JSON.parse(payload) as { paused: boolean; since?: string };
    if (!this.#paused || room_id === undefined || paused || since === undefined) return undefined;
    const { first = Infinity, last = 0 } = this.#left?.get(room_id) ?? {};
    this.#left?.delete(room_id);
    const up_to = Math.max(last, this.#began);
    return up_to > 0 ? { room_id, since, first, up_to, resumed } : undefined;
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
          const range = this.#range;
          const done = 'room_id' in range ? await this.#pullPaused(range) : await this.#pullHeld(range);
          if (!done) break;
          this.#range = undefined;
          this.#position = range.resumed.seq;
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
    await this.#tail.pace.turn('read');
    if (this.#closed || !this.#sink.ready()) return false;
    const head = this.#tail.head;
    const interest = this.#interest;
    const events = await this.#tail.store.events(audienceOf(interest), this.#position, PAGE);
    if (this.#closed) return false;
    // What a new interest adds may not be on this page.
    if (interest !== this.#interest) return true;
    const all = this.#tail.burst(() => {
      for (const event of events) {
        if (matches(interest, event) && !this.#offer(this.#entry(event))) return false;
        this.#position = event.seq;
      }
      return true;
    });
    if (!all) return this.#range !== undefined;
    // A short page held all that was committed when it was read, hence all up to the head of that moment.
    if (events.length < PAGE && this.#position < head) this.#position = head;
    return true;
  }

  /** What was left out of a paused room. False when the sink is full. */
  async #pullPaused(range: PausedRange): Promise<boolean> {
    const { store, head } = this.#tail;
    const { room_id, since, first, up_to } = range;
    range.after ??= await lastBefore(store, since, head);
    while (!this.#closed) {
      if (range.held && !(await this.#pullHeld(range.held))) return false;
      delete range.held;
      const events = await store.events({ rooms: [room_id] }, range.after, PAGE);
      if (this.#closed) return false;
      for (const event of events) {
        if (event.seq > up_to) return true;
        range.begun ||= event.seq >= first || isPause(event);
        const wanted = range.begun && !event.held && isTalk(event.type);
        if (wanted && event.type === 'conversation.resumed') {
          range.held = { conversation: event.conversation!, after: undefined, resumed: this.#entry(event) };
        } else if (wanted && matches(this.#interest, event)) {
          if (!this.#sink.ready()) return false;
          this.#sink.take(this.#entry(event));
        }
        range.after = event.seq;
        if (range.held) break;
      }
      if (events.length < PAGE && !range.held) return true;
    }
    return false;
  }

  /** The held messages that a resume let go. False when the sink is full. */
  async #pullHeld(range: HeldRange): Promise<boolean> {
    const { store } = this.#tail;
    range.after ??= await heldAfter(store, range.resumed);
    while (!this.#closed) {
      await this.#tail.pace.turn('read');
      if (this.#closed || !this.#sink.ready()) return false;
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
      if (events.length < PAGE) return true;
    }
    return false;
  }

  /** The ring's entry if it still has it, for the frames that are prepared there. */
  #entry(event: LogEvent): LogEntry {
    return this.#tail.entryOf(event);
  }
}

const isPause = ({ type, payload }: LogEvent): boolean =>
  type === 'pause.changed' && (JSON.parse(payload) as { paused: boolean }).paused;

/** What a pause leaves out: what wakes. */
const isTalk = (type: string): boolean => type === 'message.created' || type === 'conversation.resumed';

/** Whom storage is asked for. An interest that it has no index for gets everything, and is matched here. */
function audienceOf({ observer, rooms, open, participants, agents }: Interest): EventAudience {
  const several = (participants?.size ?? 0) > 1 || (agents?.size ?? 0) > 0;
  if (observer || rooms === 'all' || open || several) return { all: true };
  const [participant] = participants ?? [];
  return { rooms: [...rooms], ...(participant !== undefined && { participant }) };
}
