/**
 * The delivery of one agent's messages to one attachment, by the delivery protocol (protocol/frames.ts): which messages
 * wake it, from its durable positions on, in order within each conversation, at most 64 unacknowledged of each.
 * No sockets: what goes out goes to a sink, what is written goes through `save`.
 *
 * While it keeps up, it is pushed what is new. Whatever it cannot send at once (64 are out, the socket is full, a
 * conversation is held) it finds again by index: conversations by their last message, mentions by agent. It never
 * looks through conversations in which nothing happened.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fqid, messageEventId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { parseConversation, type ConversationKey } from '../protocol/conversation.ts';
import { wakeReason, type Bindings, type WakeAgent, type WakeReason } from '../protocol/wake.ts';
import type { Message } from '../protocol/messages.ts';
import type { DeliveryWrite, LogEvent, Store, WakeRow } from '../store/store.ts';
import { Feed, Scope, type OpenWake, type Outstanding } from './delivery-state.ts';
import { loadScopes, type RoomAccess } from './delivery-load.ts';
import { LogEntry } from './entry.ts';
import { PAGE } from './held-range.ts';
import type { Subscriber, Tail } from './tail.ts';

/** Candidates of one page, and messages of one read: enough to fill a conversation's 64. */
const CANDIDATES = 200;
const MESSAGES = 100;
/** Conversations that wait for their turn to be read; the search for more pauses meanwhile. */
const WAITING = 256;
/** Milliseconds between saves of positions. */
const SAVE_EVERY = 200;
const RETRY_SAVE = 1_000;

export interface WakeFrame {
  wake_id: string;
  conversation: ConversationKey;
  cursor: string;
  attempt: number;
}
/** How a wake ended, named by its last message. */
export interface WakeEnd {
  wake_id: string;
  conversation: ConversationKey;
  room_id?: string;
  message_id: string;
  reason: WakeReason;
  outcome: 'ok' | 'failed';
  error?: string;
  attempts?: number;
}

export interface DeliverySink {
  /** Whether the socket takes more now; call `resume` when it does again. */
  ready(): boolean;
  event(entry: LogEntry): void;
  /** A wake is stored, or (after an attach) still open: its events follow. */
  wake(frame: WakeFrame): void;
  wakeEnded(end: WakeEnd): void;
  fail(error: unknown): void;
}

export interface DeliveryOptions {
  agent: WakeAgent;
  bindings: Bindings;
  tail: Tail;
  store: Store;
  sink: DeliverySink;
  /** What the agent may read of a room now; undefined: it may not, or there is no such room. */
  room: (room_id: string) => RoomAccess | undefined;
  /** Whether the network has DMs at all. */
  dms: boolean;
  /** Resolves when the writes are durable. Calls are carried out in order. */
  save: (writes: DeliveryWrite[]) => Promise<unknown>;
}

export interface AckFields {
  cursor: string;
  wake_id?: string;
  outcome?: 'ok' | 'failed';
  error?: string;
  attempts?: number;
}

export class Delivery implements Subscriber {
  readonly #options: DeliveryOptions;
  readonly #self: string;
  readonly #scopes = new Map<string, Scope>();
  readonly #feeds = new Map<ConversationKey, Feed>();
  /** Sent and not acknowledged, by event id. Redactions that were sent are there too, without a feed. */
  readonly #out = new Map<string, Outstanding | 'notice'>();
  #outstanding = 0;
  /** Feeds to read on: they have more, are not held, and have room. */
  readonly #waiting = new Set<Feed>();
  #owed: Feed[] = [];
  #closes: DeliveryWrite[] = [];
  #unsubscribe: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #started = false;
  #running = false;
  #again = false;
  #closed = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#self = fqid(options.agent.network_id, 'agents', options.agent.id);
  }

  /** Unacknowledged events. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Loads the positions, writes down where new scopes start, and subscribes. Call before READY. */
  async open(): Promise<void> {
    const { tail, agent, bindings, dms } = this.#options;
    const loaded = await loadScopes(this.#options);
    if (this.#closed) return;
    for (const scope of loaded.scopes) this.#scopes.set(scope.name, scope);
    for (const feed of loaded.feeds) {
      feed.scope.feeds.add(feed);
      this.#feeds.set(feed.conversation, feed);
      if (feed.owed) this.#owed.push(feed);
      else this.#waiting.add(feed);
    }
    this.#closes.push(...loaded.writes);
    const rooms = new Set(bindings.rooms.map((room) => room.id));
    this.#unsubscribe = tail.subscribe(this, { rooms, ...(dms && bindings.dms.enabled && { participant: agent.id }) });
    await this.#flush();
  }

  /** Begins to send. Call after READY. */
  start(): void {
    this.#started = true;
    this.#go();
  }

  /** The sink may be ready again. */
  resume(): void {
    this.#go();
  }

  push(entry: LogEntry): void {
    const { event } = entry;
    switch (event.type) {
      case 'message.created':
        return this.#pushMessage(entry);
      case 'message.redacted':
        return this.#pushRedaction(entry);
      case 'conversation.resumed': {
        const feed = this.#feeds.get(event.conversation!);
        if (feed) this.#readLater(feed);
        return;
      }
      default:
        if (event.type.startsWith('room.') && event.room_id !== undefined) this.#roomChanged(event.room_id, event.seq);
    }
  }

  /** An event was sent that is no message: its ACK is taken and means nothing. */
  notice(cursor: string): void {
    this.#out.set(cursor, 'notice');
  }

  /** Everything of the cursor's conversation up to it is done with. Throws unknown_cursor or bad_frame. */
  ack({ cursor, wake_id, outcome = 'ok', error, attempts }: AckFields): void {
    const out = this.#outAt(cursor);
    if (out === 'notice') {
      this.#out.delete(cursor);
      return;
    }
    const { feed } = out;
    const { wake } = feed;
    if (wake && wake_id !== wake.wake_id) {
      throw new MoltnetError('bad_frame', `ACK: ${feed.conversation} has the open wake ${wake.wake_id}: name it to end it`);
    }
    if (wake_id !== undefined && !wake) throw new MoltnetError('bad_frame', `ACK: the wake ${wake_id.slice(0, 160)} is not open in ${feed.conversation}`);
    if (wake && out.cursor !== wake.cursor) throw new MoltnetError('bad_frame', `ACK: the wake ${wake.wake_id} ends at ${wake.cursor}: ACK that cursor`);
    if (wake) this.#endWake(feed, wake, out, { outcome, error, attempts });
    this.#settle(feed, wake ? Math.max(wake.last_seq, out.seq) : out.seq);
    this.#schedule(wake !== undefined);
    this.#go();
  }

  /** Stores that a turn over everything outstanding up to the cursor is about to run, then answers through the sink. */
  wake({ wake_id, conversation, cursor, attempt }: WakeFrame): void {
    const out = this.#outAt(cursor);
    if (out === 'notice') throw new MoltnetError('bad_frame', 'WAKE: the cursor is that of a redaction: name a message');
    const { feed } = out;
    if (conversation !== feed.conversation) throw new MoltnetError('bad_frame', `WAKE: ${cursor} belongs to ${feed.conversation}`);
    let open = feed.wake;
    if (open && open.wake_id !== wake_id) throw new MoltnetError('bad_frame', `WAKE: ${conversation} has the open wake ${open.wake_id}: end it with ACK first`);
    if (open && open.cursor !== cursor) throw new MoltnetError('bad_frame', `WAKE: the wake ${wake_id} ends at ${open.cursor}: a retry runs the same range`);
    if (open && attempt < open.attempt) throw new MoltnetError('bad_frame', `WAKE: attempt ${attempt} of ${wake_id} after attempt ${open.attempt}`);
    if (!open) {
      for (const other of this.#feeds.values()) {
        if (other.wake?.wake_id === wake_id) throw new MoltnetError('bad_frame', `WAKE: ${wake_id} is the open wake of ${other.conversation}`);
      }
      open = feed.wake = { wake_id, after_seq: feed.acked, last_seq: out.seq, cursor, attempt };
    }
    open.attempt = attempt;
    const { agent, save, sink, tail } = this.#options;
    const row: WakeRow = {
      wake_id: storedWakeId(agent.id, wake_id),
      agent_id: agent.id,
      conversation,
      after_seq: open.after_seq,
      last_seq: open.last_seq,
      attempt,
      state: 'open',
      error: null,
      opened_at: new Date(tail.now()).toISOString(),
      closed_at: null,
    };
    save([{ op: 'wake.open', row }]).then(
      () => {
        // Ended meanwhile by an ACK that did not wait: there is nothing to begin any more.
        if (!this.#closed && feed.wake === open) sink.wake({ wake_id, conversation, cursor, attempt });
      },
      (error: unknown) => this.#fault(error),
    );
  }

  /** Which of these rooms were never bootstrapped for this agent; they count as bootstrapped from now on. */
  async bootstrap(rooms: readonly string[]): Promise<string[]> {
    const { store, agent, save, tail } = this.#options;
    const done = new Set(await store.bootstraps(agent.id));
    const todo = [...new Set(rooms)].filter((room) => this.#scopes.has(`room:${room}`) && !done.has(room));
    const at = new Date(tail.now()).toISOString();
    if (todo.length > 0) await save(todo.map((room_id) => ({ op: 'bootstrap', agent_id: agent.id, room_id, at })));
    return todo;
  }

  /** Ends the delivery and writes the positions down. Idempotent; resolves when they are stored or cannot be. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe?.();
    clearTimeout(this.#timer);
    if (!this.#unsubscribe) return;
    for (const scope of this.#scopes.values()) scope.dirty ||= !scope.scan;
    // What cannot be stored is delivered again.
    await this.#flush().catch(() => {});
  }

  // Live

  #pushMessage(entry: LogEntry): void {
    const { event } = entry;
    const scope = this.#scopes.get(event.room_id === undefined ? 'dms' : `room:${event.room_id}`);
    if (!scope) return;
    const feed = this.#feeds.get(event.conversation!);
    if (feed) return this.#pushToFeed(feed, entry);
    const reason = this.#reason(scope, event.seq, entry.message!);
    if (!reason) return;
    if (scope.scan) {
      // What this conversation held before comes first, so it is read from its position. If too many wait already, the
      // search will come to it: its last message is now beyond what the search has seen.
      if (this.#waiting.size >= WAITING) scope.version++;
      else {
        this.#open(scope, event.conversation!, { acked: scope.positionOf(event.conversation!), more: true });
        this.#go();
      }
    } else if (event.held) {
      const opened = this.#open(scope, event.conversation!, { acked: event.seq - 1, more: true });
      opened.held = true;
      this.#queue(opened);
    } else if (this.#full()) {
      // From here on the search looks again, when there is room.
      scope.floor = event.seq - 1;
      scope.scan = { after: event.seq - 1 };
    } else {
      this.#send(this.#open(scope, event.conversation!, { acked: event.seq - 1, more: false }), entry, reason);
    }
  }

  #open(scope: Scope, conversation: ConversationKey, options: { acked: number; more: boolean }): Feed {
    const feed = new Feed(scope, conversation, options);
    scope.feeds.add(feed);
    this.#feeds.set(conversation, feed);
    this.#queue(feed);
    return feed;
  }

  #pushToFeed(feed: Feed, entry: LogEntry): void {
    const { event } = entry;
    feed.version++;
    if (feed.more || event.seq <= feed.read) return;
    const reason = this.#reason(feed.scope, event.seq, entry.message!);
    if (!reason) {
      feed.read = event.seq;
    } else if (event.held) {
      feed.held = feed.more = true;
    } else if (feed.out.length >= limits.outstanding_per_conversation.value || this.#full()) {
      feed.more = true;
      if (feed.out.length < limits.outstanding_per_conversation.value) this.#waiting.add(feed);
    } else this.#send(feed, entry, reason);
  }

  #pushRedaction(entry: LogEntry): void {
    const { message_id } = JSON.parse(entry.event.payload) as { message_id: string };
    if (!this.#out.has(messageEventId(message_id))) return;
    this.notice(entry.event.id);
    this.#options.sink.event(entry);
  }

  #roomChanged(room_id: string, seq: number): void {
    const access = this.#options.room(room_id);
    const scope = this.#scopes.get(`room:${room_id}`);
    if (scope && !access) {
      this.#scopes.delete(scope.name);
      for (const feed of scope.feeds) {
        this.#feeds.delete(feed.conversation);
        this.#waiting.delete(feed);
      }
      this.#owed = this.#owed.filter((feed) => feed.scope !== scope);
    } else if (!scope && access) {
      const binding = this.#options.bindings.rooms.find((room) => room.id === room_id)!;
      const opened = new Scope({
        room_id,
        bindings: { ...this.#options.bindings, rooms: [binding] },
        start: seq,
        floor: seq,
        away: { from: seq, to: seq },
        scanning: false,
        rewrite: true,
      });
      this.#scopes.set(opened.name, opened);
      this.#schedule(true);
    }
  }

  // Reading on

  #full(): boolean {
    return this.#outstanding >= limits.outstanding.value || !this.#options.sink.ready();
  }

  #readLater(feed: Feed): void {
    feed.version++;
    feed.held = false;
    feed.more = true;
    this.#queue(feed);
    this.#go();
  }

  #queue(feed: Feed): void {
    const waits = feed.more && !feed.held && !feed.owed && feed.out.length < limits.outstanding_per_conversation.value;
    if (waits && this.#feeds.get(feed.conversation) === feed) this.#waiting.add(feed);
    else this.#waiting.delete(feed);
  }

  #go(): void {
    if (!this.#started || this.#closed) return;
    if (this.#running) this.#again = true;
    else if (this.#hasWork()) void this.#run();
  }

  #hasWork(): boolean {
    if (this.#owed.length > 0) return this.#options.sink.ready();
    if (this.#full()) return false;
    if (this.#waiting.size > 0) return true;
    for (const scope of this.#scopes.values()) if (scope.scan) return true;
    return false;
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      do {
        this.#again = false;
        // What was begun comes first.
        while (this.#owed.length > 0 && this.#options.sink.ready() && !this.#closed) await this.#sendOwed(this.#owed.shift()!);
        if (this.#owed.length > 0) continue;
        for (const scope of this.#scopes.values()) if (!this.#closed) await this.#search(scope);
        for (const feed of this.#waiting) {
          if (this.#closed || this.#full()) break;
          const before = this.#outstanding;
          await this.#readOn(feed);
          // A long stretch in which nothing wakes must not keep the event loop from the others.
          if (this.#outstanding === before) await nextTurn();
        }
      } while (!this.#closed && (this.#again || this.#hasWork()));
    } catch (error) {
      this.#fault(error);
    } finally {
      this.#running = false;
    }
    if (this.#again) this.#go();
  }

  /** Looks for conversations of the scope that hold something: one page, unless enough wait. */
  async #search(scope: Scope): Promise<void> {
    if (!scope.scan || this.#closed || this.#full() || this.#waiting.size >= WAITING) return;
    const { version, scan } = scope;
    const { head } = this.#options.tail;
    const { of, end } = scope.stretch(scan.after, head);
    const rows = of === 'nothing' ? [] : await this.#candidates(scope, of, scan.after);
    await nextTurn();
    if (this.#closed || this.#scopes.get(scope.name) !== scope || scope.scan !== scan) return;
    for (const { conversation, seq } of rows) {
      if (of === 'mentions' && seq > end) break;
      scan.after = Math.max(scan.after, seq);
      const position = scope.positionOf(conversation);
      if (seq > position && !this.#feeds.has(conversation)) this.#open(scope, conversation, { acked: position, more: true });
    }
    const last = rows.at(-1)?.seq ?? 0;
    const exhausted = rows.length < CANDIDATES || (of === 'mentions' && last > end);
    if (!exhausted || scope.version !== version) return;
    if (end < head) scan.after = end;
    else {
      scope.scan = undefined;
      scope.positions.clear();
      scope.dirty = true;
      this.#schedule(false);
    }
  }

  /** Conversations (more than once, for mentions) with the seq of something in them after a position, ascending. */
  async #candidates(scope: Scope, of: 'messages' | 'mentions', after: number): Promise<{ conversation: ConversationKey; seq: number }[]> {
    const { store, agent } = this.#options;
    if (of === 'mentions') return store.mentionsAfter(agent.id, scope.room_id, after, CANDIDATES);
    const rows = scope.room_id === undefined ? await store.dmConversationsAfter(agent.id, after, CANDIDATES) : await store.roomConversationsAfter(scope.room_id, after, CANDIDATES);
    return rows.map((row) => ({ conversation: row.key, seq: row.last_seq }));
  }

  /** Reads one conversation on until it is at its end, or full. */
  async #readOn(feed: Feed): Promise<void> {
    const { version } = feed;
    const upTo = this.#options.tail.head;
    const { of, end } = feed.scope.stretch(feed.read, upTo);
    const reached = of === 'nothing' || (of === 'mentions' ? await this.#readMentions(feed, end) : await this.#readMessages(feed, end));
    if (this.#closed || this.#feeds.get(feed.conversation) !== feed) return;
    if (reached) {
      feed.read = Math.max(feed.read, end);
      if (end === upTo && feed.version === version) feed.more = false;
    }
    this.#queue(feed);
    this.#close(feed);
  }

  /** True when everything up to `end` was looked at. */
  async #readMessages(feed: Feed, end: number): Promise<boolean> {
    const events = await this.#options.store.conversationEvents(feed.conversation, feed.read, MESSAGES, end);
    for (const event of events) if (!(await this.#offer(feed, event))) return false;
    return events.length < MESSAGES;
  }

  async #readMentions(feed: Feed, end: number): Promise<boolean> {
    const { store, agent } = this.#options;
    const mentions = await store.mentionsAfter(agent.id, feed.scope.room_id, feed.read, CANDIDATES);
    for (const { seq, conversation } of mentions) {
      if (seq > end) return true;
      if (conversation === feed.conversation) {
        const [event] = await store.conversationEvents(conversation, seq - 1, 1, seq);
        if (event && !(await this.#offer(feed, event))) return false;
      }
      feed.read = Math.max(feed.read, seq);
    }
    return mentions.length < CANDIDATES;
  }

  /** Sends one event out of storage if it wakes. False when it could not be consumed now. */
  async #offer(feed: Feed, event: LogEvent): Promise<boolean> {
    if (this.#closed || this.#feeds.get(feed.conversation) !== feed) return false;
    if (event.seq <= feed.read) return true;
    const entry = this.#entry(event);
    const reason = this.#reason(feed.scope, event.seq, entry.message!);
    if (!reason) {
      feed.read = event.seq;
      return true;
    }
    const { version } = feed;
    if (event.held && (await this.#isHeld(event))) {
      // A resume that came while storage was asked counts.
      if (feed.version === version) feed.held = true;
      return false;
    }
    if (this.#closed || this.#feeds.get(feed.conversation) !== feed) return false;
    if (this.#full() || feed.out.length >= limits.outstanding_per_conversation.value) return false;
    this.#send(feed, entry, reason);
    return true;
  }

  async #isHeld(event: LogEvent): Promise<boolean> {
    const row = (await this.#options.store.conversations([event.conversation!])).get(event.conversation!);
    return row !== undefined && row.held_at !== null && row.held_seq !== null && event.seq > row.held_seq;
  }

  #send(feed: Feed, entry: LogEntry, reason: WakeReason): void {
    const { id, seq } = entry.event;
    const out: Outstanding = { seq, cursor: id, message_id: entry.message!.id, reason, feed };
    // What was looked at before it and did not wake is settled.
    if (feed.out.length === 0 && !feed.wake) feed.acked = seq - 1;
    feed.out.push(out);
    feed.read = seq;
    this.#out.set(id, out);
    this.#outstanding++;
    this.#options.sink.event(entry);
    // With another catch_up than all, what was handed over has to be told from what came while the agent was away.
    if (feed.scope.bindings.catch_up !== 'all') {
      feed.dirty = feed.scope.dirty = true;
      this.#schedule(false);
    }
  }

  /** A wake that an earlier attachment began: the same id, range and attempt (DLV-8). */
  async #sendOwed(feed: Feed): Promise<void> {
    const row = feed.owed!;
    const found = await this.#eventsOfRange(row, feed.scope);
    if (this.#closed || this.#feeds.get(feed.conversation) !== feed) return;
    feed.owed = undefined;
    feed.read = row.last_seq;
    const last = found.at(-1);
    if (last) {
      const wake_id = wireWakeId(row);
      feed.wake = { wake_id, after_seq: row.after_seq, last_seq: row.last_seq, cursor: last.entry.event.id, attempt: row.attempt };
      this.#options.sink.wake({ wake_id, conversation: feed.conversation, cursor: feed.wake.cursor, attempt: row.attempt });
      for (const { entry, reason } of found) this.#send(feed, entry, reason);
      feed.read = row.last_seq;
      this.#queue(feed);
      return;
    }
    // Nothing of it is left to run: its messages were redacted.
    this.#closeRow(row.wake_id, 'done', null);
    this.#settle(feed, row.last_seq);
    this.#schedule(true);
  }

  async #eventsOfRange(row: WakeRow, scope: Scope): Promise<{ entry: LogEntry; reason: WakeReason }[]> {
    let found: { entry: LogEntry; reason: WakeReason }[] = [];
    for (let after = row.after_seq; after < row.last_seq; ) {
      const events = await this.#options.store.conversationEvents(row.conversation, after, PAGE, row.last_seq);
      for (const event of events) {
        const entry = this.#entry(event);
        // What the catch_up policy says of missed messages does not touch a wake that was begun.
        const reason = wakeReason(this.#options.agent, scope.bindings, entry.message!);
        if (reason) found.push({ entry, reason });
      }
      // More than one wake can hold: the bindings are wider than they were. What was surely in it comes first.
      if (found.length > limits.outstanding_per_conversation.value) {
        const named = found.filter(({ reason }) => reason === 'mention' || reason === 'dm');
        found = (named.length > 0 ? named : found).slice(-limits.outstanding_per_conversation.value);
      }
      if (events.length < PAGE) break;
      after = events.at(-1)!.seq;
    }
    return found;
  }

  // Settling

  #outAt(cursor: string): Outstanding | 'notice' {
    const out = this.#out.get(cursor);
    if (!out) throw new MoltnetError('unknown_cursor', `${JSON.stringify(cursor.slice(0, 160))} is not outstanding here: use the cursors of this connection, in order within a conversation`);
    return out;
  }

  #endWake(feed: Feed, wake: OpenWake, out: Outstanding, { outcome, error, attempts }: { outcome: 'ok' | 'failed'; error?: string; attempts?: number }): void {
    feed.wake = undefined;
    this.#closeRow(storedWakeId(this.#options.agent.id, wake.wake_id), outcome === 'ok' ? 'done' : 'failed', error?.slice(0, 2_000) ?? null);
    this.#options.sink.wakeEnded({
      wake_id: wake.wake_id,
      conversation: feed.conversation,
      room_id: feed.scope.room_id,
      message_id: out.message_id,
      reason: out.reason,
      outcome,
      error,
      attempts: attempts ?? wake.attempt,
    });
  }

  #closeRow(wake_id: string, state: 'done' | 'failed', error: string | null): void {
    this.#closes.push({ op: 'wake.close', wake_id, state, error, closed_at: new Date(this.#options.tail.now()).toISOString() });
  }

  /** Everything of the feed up to seq is done with. */
  #settle(feed: Feed, seq: number): void {
    while (feed.out.length > 0 && feed.out[0]!.seq <= seq) {
      this.#out.delete(feed.out.shift()!.cursor);
      this.#outstanding--;
    }
    feed.acked = Math.max(feed.acked, feed.out.length > 0 ? feed.out[0]!.seq - 1 : seq);
    feed.dirty = feed.scope.dirty = true;
    this.#queue(feed);
    this.#close(feed);
  }

  #close(feed: Feed): void {
    if (!feed.settled || this.#feeds.get(feed.conversation) !== feed) return;
    this.#feeds.delete(feed.conversation);
    this.#waiting.delete(feed);
    const { scope } = feed;
    scope.feeds.delete(feed);
    scope.settled.set(feed.conversation, feed.read);
    if (scope.scan) scope.positions.set(feed.conversation, feed.read);
    scope.dirty = true;
    this.#schedule(false);
  }

  #reason(scope: Scope, seq: number, message: Message): WakeReason | undefined {
    // Told before the bindings are looked at, because it is the commonest answer.
    if (message.from.fqid === this.#self) return undefined;
    const reason = wakeReason(this.#options.agent, scope.bindings, message);
    if (reason === undefined || seq > scope.away.to || seq <= scope.away.from || scope.bindings.catch_up === 'all') return reason;
    return scope.bindings.catch_up === 'mentions' && (reason === 'mention' || reason === 'dm') ? reason : undefined;
  }

  #entry(event: LogEvent): LogEntry {
    return this.#options.tail.ring.get(event.seq) ?? new LogEntry(event);
  }

  #schedule(now: boolean): void {
    if (this.#closed) return;
    if (now) void this.#flush().catch((error: unknown) => this.#fault(error));
    else this.#timer ??= setTimeout(() => void this.#flush().catch(() => {}), SAVE_EVERY);
  }

  /** Writes down what is not. A save that failed is tried again: what it would have said is still true. */
  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { agent, tail, save } = this.#options;
    const closes = this.#closes;
    this.#closes = [];
    const writes: DeliveryWrite[] = [];
    const settled = new Map<Scope, Map<ConversationKey, number>>();
    for (const scope of this.#scopes.values()) {
      if (!scope.dirty) continue;
      settled.set(scope, scope.settled);
      writes.push(...scope.takeWrites(agent.id, tail.head));
    }
    if (closes.length + writes.length === 0) return;
    try {
      // Positions stand before the close of the wake that moved them, in one transaction.
      await save([...writes, ...closes]);
    } catch (error) {
      this.#closes = [...closes, ...this.#closes];
      for (const [scope, conversations] of settled) scope.notWritten(conversations);
      if (!this.#closed) this.#timer ??= setTimeout(() => void this.#flush().catch(() => {}), RETRY_SAVE);
      throw error;
    }
  }

  #fault(error: unknown): void {
    if (!this.#closed) this.#options.sink.fail(error);
  }
}

/** Wake ids are chosen by nodes: stored under the agent, so that no agent's can meet another's. */
const storedWakeId = (agent_id: string, wake_id: string): string => `${agent_id}/${wake_id}`;
const wireWakeId = (row: WakeRow): string => (row.wake_id.startsWith(`${row.agent_id}/`) ? row.wake_id.slice(row.agent_id.length + 1) : row.wake_id);

/** The target that a conversation's messages have, for wake telemetry. */
export function targetOf(conversation: ConversationKey, room_id: string | undefined): { kind: string; room_id?: string; thread_id?: string; dm_id?: string } {
  const { kind, id } = parseConversation(conversation);
  if (kind === 'dm') return { kind, dm_id: id };
  if (kind === 'thread') return { kind, room_id, thread_id: id };
  return { kind, room_id: id };
}
