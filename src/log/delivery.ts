/**
 * The delivery of one agent's messages to one attachment, by the delivery protocol (protocol/frames.ts): which messages
 * wake it, from its durable positions on, in order within each conversation, at most 64 unacknowledged of each.
 * No sockets: what goes out goes to a sink, what is written goes through `save`.
 *
 * While it keeps up, it is pushed what is new. Whatever it cannot send at once (64 are out, the socket is full, a
 * conversation is held) it finds again by index (delivery-reading.ts). It never looks through conversations in which
 * nothing happened.
 */
import { messageEventId } from '../protocol/ids.ts';
import { parseConversation, type ConversationKey } from '../protocol/conversation.ts';
import type { Target } from '../protocol/messages.ts';
import type { WakeRow } from '../store/delivery-rows.ts';
import { DeliveryBook } from './delivery-book.ts';
import { loadDelivery } from './delivery-load.ts';
import { DeliveryReading, WAITING } from './delivery-reading.ts';
import { Feed, Scope } from './delivery-state.ts';
import type { AckFields, DeliveryOptions, WakeFrame } from './delivery-types.ts';
import { acknowledge, beginWake, openWakes, retryWake } from './delivery-wakes.ts';
import type { LogEntry } from './entry.ts';
import { tellExpired, type PassedOver } from './expired.ts';
import { PAGE } from './held-range.ts';
import type { Hold } from './receipt.ts';
import type { Subscriber } from './tail.ts';

/** What is on its way to storage for one agent, beyond which its client waits. */
const SAVING = 32;
/** Threads that an agent follows at most, those that were there when it attached. */
const FOLLOWED = 10_000;

export class Delivery implements Subscriber {
  readonly #options: DeliveryOptions;
  readonly #book: DeliveryBook;
  readonly #reading: DeliveryReading;
  /** What is on its way to storage, or asked of it for the client. */
  readonly #saving = new Set<Promise<void>>();
  #unsubscribe: (() => void) | undefined;
  /** Until it is told. */
  #passedOver: PassedOver | undefined;

  constructor(given: DeliveryOptions) {
    const options: DeliveryOptions = { ...given, save: (writes) => this.#underWay(given.save(writes)) };
    this.#options = options;
    this.#book = new DeliveryBook(options);
    this.#reading = new DeliveryReading(this.#book);
  }

  /** Set while as much is on its way to storage as may be; resolves when something of it is through, or has failed. */
  get busy(): Promise<void> | undefined {
    return this.#saving.size < SAVING ? undefined : Promise.race(this.#saving);
  }

  #underWay<T>(saving: Promise<T>): Promise<T> {
    const over = (): void => void this.#saving.delete(settled);
    const settled = saving.then(over, over);
    this.#saving.add(settled);
    return saving;
  }

  /** Loads the positions, writes down where new scopes start, and subscribes. Call before READY. */
  async open(): Promise<void> {
    const { tail, agent, bindings, dms } = this.#options;
    const book = this.#book;
    await this.#loadThreads();
    const { scopes, feeds, writes, passedOver } = await loadDelivery(this.#options, book.threads);
    if (book.closed) return;
    for (const scope of scopes) {
      scope.hold = this.#options.hold(scope.room_id);
      book.scopes.set(scope.name, scope);
      book.searching.add(scope);
    }
    for (const feed of feeds) book.add(feed);
    book.saver.add(writes);
    this.#passedOver = passedOver;
    const rooms = new Set(bindings.rooms.map((room) => room.id));
    const participants = new Set(dms && bindings.dms.enabled ? [agent.id] : []);
    this.#unsubscribe = tail.subscribe(this, { rooms, participants });
    await book.saver.flush();
  }

  async #loadThreads(): Promise<void> {
    const { store, bindings } = this.#options;
    const { threads, self } = this.#book;
    if (!bindings.rooms.some(({ wake }) => wake === 'mentions')) return;
    for (let after = ''; threads.size < FOLLOWED;) {
      const page = await store.threadsOf(self, after, PAGE);
      for (const { conversation, seq } of page) threads.set(conversation, seq);
      if (page.length < PAGE) return;
      after = page.at(-1)!.conversation;
    }
  }

  /** Begins to send. Call after READY. */
  start(): void {
    this.#reading.start();
    const passedOver = this.#passedOver;
    this.#passedOver = undefined;
    if (passedOver && this.#options.tail.watched)
      void tellExpired(
        this.#options,
        passedOver,
        (conversation, seq) => this.#book.posted(conversation, seq),
        () => this.#book.closed,
      ).catch((error: unknown) => this.#book.fault(error));
  }

  /** The sink may be ready again. */
  resume(): void {
    this.#reading.go();
  }

  /** What the agent may read was decided anew: rooms that it lost are dropped, those it was given begin here. */
  recheck(): void {
    for (const room of new Set(this.#options.bindings.rooms.map(({ id }) => id)))
      this.#roomChanged(room, this.#options.tail.head);
  }

  /** What is held was decided anew: what is let go goes on by itself. */
  holdsChanged(): void {
    const book = this.#book;
    for (const scope of book.scopes.values()) {
      const hold = this.#options.hold(scope.room_id);
      if (scope.hold === hold) continue;
      scope.hold = hold;
      for (const feed of scope.feeds) {
        feed.version++;
        book.queue(feed);
      }
    }
    this.#reading.go();
  }

  /** The wakes that are open: turns that run, or are to be run again. */
  working(): ReturnType<typeof openWakes> {
    return openWakes(this.#book);
  }

  /** What is kept back from the agent now, and why: conversations, or all DMs as `dms`. */
  holds(): { conversation: string; reason: Hold }[] {
    const { scopes, feeds } = this.#book;
    const held = [...feeds.values()].filter((feed) => feed.held && !feed.scope.hold);
    const waits = (scope: Scope): boolean => scope.scan !== undefined || scope.feeds.size > 0;
    return [
      ...[...scopes.values()].flatMap((scope) =>
        scope.hold && waits(scope) ? [{ conversation: scope.name, reason: scope.hold }] : [],
      ),
      ...held.map(({ conversation }) => ({ conversation, reason: 'guard' as const })),
    ];
  }

  /** Runs a wake again that had failed and is stored as open: when nothing else of its conversation is out. */
  retry(row: WakeRow, room_id: string | undefined): void {
    retryWake(this.#book, row, room_id);
    this.#reading.go();
  }

  push(entry: LogEntry): void {
    const { event } = entry;
    switch (event.type) {
      case 'message.created':
        return this.#pushMessage(entry);
      case 'message.redacted':
        return this.#pushRedaction(entry);
      case 'conversation.resumed':
        return this.#pushResume(event.conversation!);
      default:
        if (event.type.startsWith('room.') && event.room_id !== undefined)
          this.#roomChanged(event.room_id, event.seq);
    }
  }

  /** Whether an event was sent and neither acknowledged nor taken into a wake. */
  isOut(cursor: string): boolean {
    const out = this.#book.out.get(cursor);
    return out !== undefined && out !== 'notice' && out.seq > (out.feed.wake?.last_seq ?? 0);
  }

  /** An event was sent that is no message: its ACK is taken and means nothing. */
  notice(cursor: string): void {
    this.#book.out.set(cursor, 'notice');
  }

  /** A client's ACK. Throws unknown_cursor or bad_frame. */
  ack(fields: AckFields): void {
    acknowledge(this.#book, fields);
    this.#reading.go();
  }

  /** A client's WAKE: it is stored, then answered through the sink. Throws unknown_cursor, bad_frame or paused. */
  wake(frame: WakeFrame): void {
    beginWake(this.#book, frame);
  }

  /** Which of these rooms were never bootstrapped for this agent. */
  async bootstrap(rooms: readonly string[]): Promise<string[]> {
    const { store, agent } = this.#options;
    const done = new Set(await this.#underWay(store.bootstraps(agent.id)));
    return this.#own(rooms).filter((room) => !done.has(room));
  }

  /** These rooms were: their first wake has ended. */
  async bootstrapped(rooms: readonly string[]): Promise<void> {
    const { agent, save, tail } = this.#options;
    const at = new Date(tail.now()).toISOString();
    const todo = this.#own(rooms);
    if (todo.length > 0)
      await save(todo.map((room_id) => ({ op: 'bootstrap', agent_id: agent.id, room_id, at })));
  }

  #own(rooms: readonly string[]): string[] {
    return [...new Set(rooms)].filter((room) => this.#book.scopes.has(`room:${room}`));
  }

  /** Ends the delivery and writes the positions down. Idempotent; resolves when they are stored or cannot be. */
  async close(): Promise<void> {
    if (this.#book.closed) return;
    this.#book.closed = true;
    this.#unsubscribe?.();
    await this.#book.saver.close();
    // Whoever comes next reads from storage what was begun here, and what is over.
    await Promise.all(this.#saving);
  }

  #pushMessage(entry: LogEntry): void {
    const { event } = entry;
    const book = this.#book;
    const scope = book.scopes.get(event.room_id === undefined ? 'dms' : `room:${event.room_id}`);
    if (!scope) return;
    const conversation = event.conversation!;
    const feed = book.feeds.get(conversation);
    if (feed) return this.#pushToFeed(feed, entry);
    const reason = book.reason(scope, event.seq, entry.message!);
    if (!reason) return;
    if (scope.hold || event.held) this.#tellHeld(scope, entry);
    const before = event.seq - 1;
    if (scope.scan && scope.hold) {
      // The search goes on from there when the hold is over.
      scope.version++;
    } else if (scope.scan) {
      // What this conversation held before comes first, so it is read from its position. If too many wait already, the
      // search will come to it: its last message is now beyond what the search has seen.
      if (book.waiting.size >= WAITING) scope.version++;
      else book.add(new Feed(scope, conversation, { acked: scope.positionOf(conversation), more: true }));
      this.#reading.go();
    } else if (scope.hold) {
      this.#searchFrom(scope, before);
    } else if (event.held) {
      const held = new Feed(scope, conversation, { acked: before, more: true });
      held.held = true;
      book.add(held);
    } else if (book.full) {
      this.#options.tail.countBehind();
      this.#searchFrom(scope, before);
    } else {
      book.send(book.add(new Feed(scope, conversation, { acked: before, more: false })), entry, reason);
    }
  }

  /** Live: it is kept back, by the hold of its scope or by the guard. */
  #tellHeld({ hold = 'guard', room_id }: Scope, { event, message }: LogEntry): void {
    const { id: message_id, from } = message!;
    const messages = [{ message_id, from: from.id }];
    const conversation = event.conversation!;
    this.#options.sink.receipt({ conversation, room_id, state: 'held', reason: hold, messages });
  }

  /** From here on the search looks again, when it may. */
  #searchFrom(scope: Scope, floor: number): void {
    scope.floor = floor;
    scope.scan = { after: floor };
    this.#book.searching.add(scope);
  }

  #pushToFeed(feed: Feed, entry: LogEntry): void {
    const { seq, held } = entry.event;
    const book = this.#book;
    feed.version++;
    if ((feed.wake || feed.owed) && entry.message!.from.fqid === book.self) feed.answer = entry.message!.id;
    if ((held || feed.scope.hold) && book.reason(feed, seq, entry.message!))
      this.#tellHeld(feed.scope, entry);
    if (feed.more || seq <= feed.read) return;
    const reason = book.reason(feed, seq, entry.message!);
    if (!reason) {
      feed.read = seq;
    } else if (held) {
      feed.held = feed.more = true;
    } else if (book.hasRoom(feed)) {
      book.send(feed, entry, reason);
    } else {
      feed.more = true;
      book.queue(feed);
      this.#options.tail.countBehind();
    }
  }

  #pushRedaction(entry: LogEntry): void {
    const { message_id } = JSON.parse(entry.event.payload) as { message_id: string };
    const out = this.#book.out.get(messageEventId(message_id));
    // Of a room that the agent left nothing more is told.
    if (out === undefined || out === 'notice' || !this.#book.scopes.has(out.feed.scope.name)) return;
    this.notice(entry.event.id);
    this.#options.sink.event(entry);
  }

  #pushResume(conversation: ConversationKey): void {
    const feed = this.#book.feeds.get(conversation);
    if (!feed) return;
    feed.version++;
    feed.held = false;
    feed.more = true;
    this.#book.queue(feed);
    this.#reading.go();
  }

  #roomChanged(room_id: string, seq: number): void {
    const book = this.#book;
    const { room, bindings } = this.#options;
    const access = room(room_id);
    const scope = book.scopes.get(`room:${room_id}`);
    if (scope && !access) book.drop(scope);
    if (scope || !access) return;
    const bound = { ...bindings, rooms: bindings.rooms.filter((each) => each.id === room_id).slice(0, 1) };
    const opened = new Scope({
      room_id,
      bindings: bound,
      start: seq,
      floor: seq,
      scanning: false,
      rewrite: true,
    });
    opened.hold = this.#options.hold(room_id);
    book.scopes.set(opened.name, opened);
    book.saver.now();
  }
}

/** The target that a conversation's messages have, for wake telemetry. */
export function targetOf(conversation: ConversationKey, room_id: string | undefined): Target {
  const { kind, id } = parseConversation(conversation);
  if (kind === 'dm') return { kind, dm_id: id };
  if (kind === 'thread') return { kind, room_id, thread_id: id };
  return { kind, room_id: id };
}
