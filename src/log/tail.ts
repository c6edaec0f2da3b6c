/**
 * The live end of the log. Committed events come in through `publish`, in seq order, and go to the subscribers whose
 * interest they meet: found in an index of rooms and participants, never by a scan of all (LOG-3). The newest events
 * stay in a ring; what is older is read from storage, so nobody's slowness costs memory here.
 */
import { messageEventId, newEventId } from '../protocol/ids.ts';
import type { EventType } from '../protocol/events.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import { LogEntry } from './entry.ts';
import { Pace } from './pace.ts';
import { costOf, Ring } from './ring.ts';
import { SharedReads } from './shared-reads.ts';

/** What a reader may and wants to see. */
export interface Interest {
  /** `all`, or ids of rooms (they need not exist yet). */
  readonly rooms: 'all' | ReadonlySet<string>;
  /** Rooms beside those by what they are now (public ones). One function for all who share it: it is asked once for an event. */
  readonly open?: (room_id: string) => boolean;
  /** The DMs of these participants, in canonical form. */
  readonly participants?: ReadonlySet<string>;
  /** What happens to these agents, volatile facts too. */
  readonly agents?: ReadonlySet<string>;
  /** What is told to this person alone, wherever they look. */
  readonly person?: string;
  /** Everything, and the volatile facts too. */
  readonly observer?: boolean;
}

export interface Subscriber {
  /** The next event it is interested in, in seq order, each once. Must not throw. */
  push(entry: LogEntry): void;
  /** A volatile fact, for observers and those who asked for its agent. */
  announce?(entry: LogEntry): void;
}

/** A fact that is not in the log: presence, wake telemetry. */
export interface VolatileFact {
  type: EventType;
  /** The agent that it is about. */
  agent_id?: string;
  /** The person whom alone it is told to: nobody else hears of it, observers neither. */
  person?: string;
  /** The room that it is from: those whom it concerns are told only while they may read there. */
  room_id?: string | undefined;
  /** The payload that stands under the type's payload key. */
  payload: object;
}

export interface TailOptions {
  store: Store;
  /** Milliseconds since 1970, for the time of volatile facts. */
  clock?: () => number;
  /** Events and bytes that the ring holds at most. */
  ringCount?: number;
  ringBytes?: number;
  /** Whether something begins in this turn of the event loop that goes before those who read what they missed. */
  due?: () => boolean;
  /** Whether somebody writes: then those who read what they missed leave time between them. */
  writing?: () => boolean;
  /** A live reader could not be given an event at once, and reads it from the log instead: for metrics. */
  onBehind?: () => void;
  /** Told every volatile fact of this process, for other servers; `elsewhere`: whether there are any. */
  onFact?: (fact: VolatileFact) => void;
  elsewhere?: () => boolean;
  /** A subscriber threw: a fault, which must not reach the others. */
  onFault?: (error: unknown) => void;
}

/** Bytes of what was read from storage that are kept, and of what was prepared of it. */
const READ_BYTES = 4 * 1_048_576;

const NOBODY: ReadonlySet<Subscriber> = new Set();

export const matches = (interest: Interest, event: LogEvent): boolean => {
  const { rooms, open, participants, agents, observer } = interest;
  const { room_id, dm_id, agent_id } = event;
  if (observer) return true;
  if (room_id !== undefined) return rooms === 'all' || rooms.has(room_id) || open?.(room_id) === true;
  if (dm_id !== undefined)
    return participants !== undefined && event.participants?.some((id) => participants.has(id)) === true;
  return agent_id !== undefined && agents?.has(agent_id) === true;
};

export class Tail {
  readonly store: Store;
  readonly ring: Ring;
  /** For whoever comes back and reads what it missed. */
  readonly pace: Pace;
  /** What many read of what they missed. */
  readonly shared: SharedReads;
  /** What was read from storage of late, by seq: many miss the same. */
  readonly #read = new Map<number, LogEntry>();
  #readBytes = 0;
  readonly #clock: () => number;
  readonly #onFault: (error: unknown) => void;
  readonly #onFact: ((fact: VolatileFact) => void) | undefined;
  readonly #elsewhere: () => boolean;
  /** Tells that a reader fell behind. */
  readonly countBehind: () => void;
  readonly #interests = new Map<Subscriber, Interest>();
  readonly #observers = new Set<Subscriber>();
  readonly #everyRoom = new Set<Subscriber>();
  readonly #byRoom = new Map<string, Set<Subscriber>>();
  /** By the function that says which rooms are open to them. */
  readonly #byOpen = new Map<(room_id: string) => boolean, Set<Subscriber>>();
  readonly #byParticipant = new Map<string, Set<Subscriber>>();
  readonly #byAgent = new Map<string, Set<Subscriber>>();
  readonly #byPerson = new Map<string, Set<Subscriber>>();
  readonly #listeners = new Set<(event: LogEvent) => void>();
  #afterBatch: (() => void)[] | undefined;
  #head: number;

  constructor(options: TailOptions) {
    this.store = options.store;
    this.#clock = options.clock ?? Date.now;
    this.#onFault = options.onFault ?? (() => {});
    this.#onFact = options.onFact;
    this.#elsewhere = options.elsewhere ?? (() => false);
    this.countBehind = options.onBehind ?? (() => {});
    this.#head = options.store.head;
    this.pace = new Pace(options.due, options.writing);
    this.shared = new SharedReads({
      store: options.store,
      entryOf: (event) => this.entryOf(event),
      head: () => this.#head,
    });
    this.ring = new Ring({
      floor: this.#head,
      maxCount: options.ringCount ?? 4_096,
      maxBytes: options.ringBytes ?? 16 * 1_048_576,
    });
  }

  /** seq of the newest published event. Everything up to it has been pushed to all who wanted it. */
  get head(): number {
    return this.#head;
  }
  get networkId(): string {
    return this.store.networkId;
  }
  /** Subscribers now. */
  get size(): number {
    return this.#interests.size;
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#clock();
  }

  /**
   * The entry of an event that was read from storage: the one that the ring or another reader has, if it says the same.
   * So what is prepared of it is made once, also for a thousand that missed it.
   */
  entryOf(event: LogEvent): LogEntry {
    const known = this.ring.get(event.seq) ?? this.#read.get(event.seq);
    if (known?.event.payload === event.payload) return known;
    const entry = new LogEntry(event);
    const stale = this.#read.get(event.seq);
    if (stale) this.#readBytes -= costOf(stale);
    this.#read.delete(event.seq);
    this.#read.set(event.seq, entry);
    this.#readBytes += costOf(entry);
    for (const [seq, oldest] of this.#read) {
      if (this.#readBytes <= READ_BYTES) break;
      this.#read.delete(seq);
      this.#readBytes -= costOf(oldest);
    }
    return entry;
  }

  /** Takes committed events, in seq order. Called by the writer before it answers. */
  publish(events: readonly LogEvent[]): void {
    if (events.length === 0) return;
    const entries = events.map((event) => new LogEntry(event));
    // The ring and the head come first: a reader that is pushed to may look back at once (LOG-4).
    for (const entry of entries) {
      this.ring.add(entry);
      if (entry.event.type === 'message.redacted') this.#forgetRedacted(entry);
    }
    this.#head = events.at(-1)!.seq;
    this.shared.published(events);
    const push = (): void => {
      for (const entry of entries) {
        for (const listener of this.#listeners) this.#guarded(() => listener(entry.event));
        this.#route(entry);
      }
    };
    if (entries.length > 1) this.burst(push);
    else push();
    for (const entry of entries) entry.forget();
  }

  /** Sends a volatile fact to the observers, and to those who asked for its agent, or to its person alone, here and at other servers. It gets a random id, which is no cursor. */
  announce(fact: VolatileFact): void {
    this.#onFact?.(fact);
    this.announceHere(fact);
  }

  /** The same to those of this server: another one has told it. */
  announceHere(fact: VolatileFact): void {
    const { type, agent_id, room_id, person, payload } = fact;
    const concerned =
      person !== undefined
        ? this.#byPerson.get(person)
        : agent_id === undefined
          ? undefined
          : this.#byAgent.get(agent_id);
    const observers = person === undefined ? this.#observers : NOBODY;
    if (observers.size === 0 && !concerned) return;
    const created_at = new Date(this.now()).toISOString();
    const event = {
      seq: 0,
      id: newEventId(),
      type,
      created_at,
      payload: JSON.stringify(payload),
      held: false,
    };
    const entry = new LogEntry({
      ...event,
      ...(agent_id !== undefined && { agent_id }),
      ...(room_id !== undefined && { room_id }),
    });
    for (const readers of [observers, concerned ?? NOBODY])
      for (const reader of readers) if (reader.announce) this.#guarded(() => reader.announce!(entry));
  }

  /** Whether a volatile fact about this agent would reach anybody. */
  isWatched(agent_id: string): boolean {
    return this.#observers.size > 0 || this.#byAgent.has(agent_id) || this.#elsewhere();
  }

  /** Whether there is anybody at all whom a volatile fact may reach. */
  get watched(): boolean {
    return this.#observers.size > 0 || this.#byAgent.size > 0 || this.#elsewhere();
  }

  /** Subscribes from the head on. Returns the way out; calling it twice does nothing. */
  subscribe(subscriber: Subscriber, interest: Interest): () => void {
    this.#add(subscriber, interest);
    return () => this.#remove(subscriber);
  }

  /** Changes what a subscriber is interested in, from the next event on. */
  update(subscriber: Subscriber, interest: Interest): void {
    if (!this.#interests.has(subscriber)) return;
    this.#remove(subscriber);
    this.#add(subscriber, interest);
  }

  /**
   * Calls with every event before its readers have it, so that what it changes about who may read counts from this very
   * event on, also for what follows in its batch (LOG-30). Returns the way out.
   */
  listen(listener: (event: LogEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Several events are sent in this piece of work, which must not wait for anything. */
  burst<T>(work: () => T): T {
    // Within another one: its end is theirs.
    if (this.#afterBatch) return work();
    const batch: (() => void)[] = (this.#afterBatch = []);
    try {
      return work();
    } finally {
      this.#afterBatch = undefined;
      for (const flush of batch) this.#guarded(flush);
    }
  }

  /**
   * Within a burst: runs the function at its end, and answers true. Else answers false. Lets a socket write the burst
   * at once.
   */
  atEndOfBatch(flush: () => void): boolean {
    this.#afterBatch?.push(flush);
    return this.#afterBatch !== undefined;
  }

  /** The ring must not keep what storage has blanked: whoever is behind it reads storage from there on. */
  #forgetRedacted(entry: LogEntry): void {
    const { message_id } = JSON.parse(entry.event.payload) as { message_id: string };
    const id = messageEventId(message_id);
    const redacted = this.ring.find((each) => each.event.id === id);
    if (redacted) this.ring.forget(redacted.seq);
  }

  #route(entry: LogEntry): void {
    const { event } = entry;
    for (const subscriber of this.#observers) this.#push(subscriber, entry);
    if (event.room_id !== undefined) {
      for (const subscriber of this.#everyRoom) this.#push(subscriber, entry);
      const readers = this.#byRoom.get(event.room_id);
      if (readers) for (const subscriber of readers) this.#push(subscriber, entry);
      for (const [open, others] of this.#byOpen) {
        if (!open(event.room_id)) continue;
        for (const subscriber of others) if (!readers?.has(subscriber)) this.#push(subscriber, entry);
      }
    } else if (event.dm_id !== undefined && event.participants) {
      this.#routeDm(entry, event.participants);
    } else if (event.agent_id !== undefined) {
      const readers = this.#byAgent.get(event.agent_id);
      if (readers) for (const subscriber of readers) this.#push(subscriber, entry);
    }
  }

  #routeDm(entry: LogEntry, participants: readonly string[]): void {
    for (let i = 0; i < participants.length; i++) {
      const readers = this.#byParticipant.get(participants[i]!);
      if (!readers) continue;
      for (const subscriber of readers) {
        // Who reads for several of them had it with the first.
        const own = this.#interests.get(subscriber)!.participants!;
        if (own.size > 1 && participants.findIndex((id) => own.has(id)) < i) continue;
        this.#push(subscriber, entry);
      }
    }
  }

  #push(subscriber: Subscriber, entry: LogEntry): void {
    try {
      subscriber.push(entry);
    } catch (error) {
      this.#onFault(error);
    }
  }

  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onFault(error);
    }
  }

  #add(subscriber: Subscriber, interest: Interest): void {
    this.#interests.set(subscriber, interest);
    if (interest.person !== undefined) addTo(this.#byPerson, interest.person, subscriber);
    if (interest.observer) {
      this.#observers.add(subscriber);
      return;
    }
    if (interest.rooms === 'all') this.#everyRoom.add(subscriber);
    else for (const room of interest.rooms) addTo(this.#byRoom, room, subscriber);
    if (interest.open) addTo(this.#byOpen, interest.open, subscriber);
    for (const id of interest.participants ?? []) addTo(this.#byParticipant, id, subscriber);
    for (const id of interest.agents ?? []) addTo(this.#byAgent, id, subscriber);
  }

  #remove(subscriber: Subscriber): void {
    const interest = this.#interests.get(subscriber);
    if (!interest) return;
    this.#interests.delete(subscriber);
    this.#observers.delete(subscriber);
    this.#everyRoom.delete(subscriber);
    if (interest.rooms !== 'all')
      for (const room of interest.rooms) removeFrom(this.#byRoom, room, subscriber);
    if (interest.open) removeFrom(this.#byOpen, interest.open, subscriber);
    for (const id of interest.participants ?? []) removeFrom(this.#byParticipant, id, subscriber);
    for (const id of interest.agents ?? []) removeFrom(this.#byAgent, id, subscriber);
    if (interest.person !== undefined) removeFrom(this.#byPerson, interest.person, subscriber);
  }
}

function addTo<K>(index: Map<K, Set<Subscriber>>, key: K, subscriber: Subscriber): void {
  const readers = index.get(key);
  if (readers) readers.add(subscriber);
  else index.set(key, new Set([subscriber]));
}
function removeFrom<K>(index: Map<K, Set<Subscriber>>, key: K, subscriber: Subscriber): void {
  const readers = index.get(key);
  readers?.delete(subscriber);
  if (readers?.size === 0) index.delete(key);
}
