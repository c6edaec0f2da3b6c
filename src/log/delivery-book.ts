/**
 * The book of one delivery: which conversations hold something, what is out, and who waits to be read on. Every change
 * of it is synchronous, so that what reads storage in between always finds it whole.
 */
import { limits } from '../protocol/limits.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import { fqid } from '../protocol/ids.ts';
import type { Message } from '../protocol/messages.ts';
import { catchesUpAll, catchUpOf, isNamed, wakeReason, type WakeReason } from '../protocol/wake.ts';
import type { LogEvent } from '../store/log-rows.ts';
import { DeliverySaver } from './delivery-saver.ts';
import { stops, type Feed, type Outstanding, type Scope } from './delivery-state.ts';
import type { DeliveryOptions } from './delivery-types.ts';
import { passedIn } from './passed.ts';
import type { LogEntry } from './entry.ts';

const PER_CONVERSATION = limits.outstanding_per_conversation.value;
/** Milliseconds in which it is written down that a message was handed over: sooner than it counts as missed (catch-up.ts). */
const HANDED = limits.catch_up_live.value / 10;

export class DeliveryBook {
  readonly options: DeliveryOptions;
  readonly saver: DeliverySaver;
  readonly scopes = new Map<string, Scope>();
  readonly feeds = new Map<ConversationKey, Feed>();
  /** Sent and not acknowledged, by event id. What was sent and is no message is there too, as a notice. */
  readonly out = new Map<string, Outstanding | 'notice'>();
  /** Unacknowledged messages. */
  outstanding = 0;
  /** Feeds to read on: they have more, are not held, and have room. */
  readonly waiting = new Set<Feed>();
  /** Scopes with a search. */
  readonly searching = new Set<Scope>();
  /** Threads in which the agent has posted, with the seq of its first message: it follows them where else only mentions wake it. */
  readonly threads = new Map<ConversationKey, number>();
  /** Feeds with an open wake of an earlier attachment. */
  owed: Feed[] = [];
  /** Set with READY: before it nothing is sent, of a room that was made a moment ago neither. */
  started = false;
  closed = false;
  /** FQID of the agent. */
  readonly self: string;
  /** Milliseconds in which what is sent has to be told from what is missed, if the connection ends; undefined: never. */
  readonly #saveSent: number | undefined;

  constructor(options: DeliveryOptions) {
    this.options = options;
    this.saver = new DeliverySaver(options, this.scopes, (error) => this.fault(error));
    this.self = fqid(options.agent.network_id, 'agents', options.agent.id);
    if (!catchesUpAll(options.bindings)) {
      const { policy, max_age = Infinity, max_age_mentions = max_age } = catchUpOf(options.bindings);
      const youngest = policy === 'all' ? 1_000 * Math.min(max_age, max_age_mentions) : 0;
      this.#saveSent = youngest >= limits.catch_up_live.value ? HANDED : 0;
    }
  }

  /** The next open wake of an earlier attachment that may be sent now. */
  get nextOwed(): Feed | undefined {
    return this.owed.find(({ scope }) => !stops(scope));
  }

  /** Nothing more can be sent now. */
  get full(): boolean {
    return !this.started || this.outstanding >= limits.outstanding.value || !this.options.sink.ready();
  }

  has(feed: Feed): boolean {
    return !this.closed && this.feeds.get(feed.conversation) === feed;
  }

  hasRoom(feed: Feed): boolean {
    // A wake that is to be run again waits until nothing newer is out.
    return feed.out.length < PER_CONVERSATION && !this.full && !feed.scope.hold && feed.retries.length === 0;
  }

  add(feed: Feed): Feed {
    feed.scope.feeds.add(feed);
    this.feeds.set(feed.conversation, feed);
    if (feed.owed) this.owed.push(feed);
    this.queue(feed);
    return feed;
  }

  /** Puts a feed among those that are read on, or takes it out, as its state says. */
  queue(feed: Feed): void {
    if (feed.retries.length > 0 && feed.out.length === 0 && !feed.wake && !feed.owed && this.has(feed)) {
      feed.owed = feed.retries.shift()!;
      this.owed.push(feed);
    }
    const { more, held, owed, retries, scope } = feed;
    const waits =
      more && !held && !owed && !scope.hold && retries.length === 0 && feed.out.length < PER_CONVERSATION;
    if (waits && this.has(feed)) this.waiting.add(feed);
    else this.waiting.delete(feed);
  }

  send(feed: Feed, entry: LogEntry, reason: WakeReason): void {
    const { id: cursor, seq } = entry.event;
    const { id, from } = entry.message!;
    const out: Outstanding = { seq, cursor, message_id: id, from: from.id, reason, feed };
    // What was looked at before it and did not wake is settled.
    if (feed.out.length === 0 && !feed.wake) feed.acked = seq - 1;
    feed.out.push(out);
    feed.read = seq;
    this.out.set(cursor, out);
    this.outstanding++;
    this.options.sink.event(entry);
    if (this.#saveSent !== undefined) {
      feed.dirty = feed.scope.dirty = true;
      this.saver.schedule(this.#saveSent);
    }
  }

  /** Everything of the feed up to seq is done with. */
  settle(feed: Feed, seq: number): void {
    while (feed.out.length > 0 && feed.out[0]!.seq <= seq) {
      this.out.delete(feed.out.shift()!.cursor);
      this.outstanding--;
    }
    feed.acked = Math.max(feed.acked, feed.out.length > 0 ? feed.out[0]!.seq - 1 : seq);
    if (feed.passed?.every(({ last }) => last <= feed.acked)) feed.passed = undefined;
    feed.dirty = feed.scope.dirty = true;
    this.queue(feed);
    this.forget(feed);
  }

  /** Lets go of a feed that is settled. */
  forget(feed: Feed): void {
    if (!feed.settled || !this.has(feed)) return;
    const { scope, conversation } = feed;
    this.feeds.delete(conversation);
    this.waiting.delete(feed);
    scope.feeds.delete(feed);
    (scope.settled ??= new Map()).set(conversation, feed.read);
    if (scope.scan) (scope.positions ??= new Map()).set(conversation, feed.read);
    scope.dirty = true;
    this.saver.schedule();
  }

  /** The agent may not read a room any more. What is out of it may still be acknowledged. */
  drop(scope: Scope): void {
    this.scopes.delete(scope.name);
    this.searching.delete(scope);
    for (const feed of scope.feeds) {
      this.feeds.delete(feed.conversation);
      this.waiting.delete(feed);
    }
    this.owed = this.owed.filter((feed) => feed.scope !== scope);
  }

  /** Whether the agent had posted in a thread before. */
  posted(conversation: ConversationKey, seq: number): boolean {
    return (this.threads.get(conversation) ?? seq) < seq;
  }

  /** Why a message is delivered: it wakes, and catch_up does not pass it over, in its feed where it has one. */
  reason(at: Scope | Feed, seq: number, message: Message): WakeReason | undefined {
    // Told before the bindings are looked at, because it is the commonest answer.
    const { kind, thread_id } = message.target;
    if (message.from.fqid === this.self) {
      if (kind === 'thread' && !this.threads.has(`thread:${thread_id!}`))
        this.threads.set(`thread:${thread_id!}`, seq);
      return undefined;
    }
    const posted = kind === 'thread' && this.posted(`thread:${thread_id!}`, seq);
    const { bindings } = 'scope' in at ? at.scope : at;
    const reason = wakeReason(this.options.agent, bindings, message, posted);
    return reason !== undefined && passedIn(at.passed, seq, isNamed(reason)) ? undefined : reason;
  }

  /** The ring's entry if it still has it, for the frames that are prepared there. */
  entry(event: LogEvent): LogEntry {
    return this.options.tail.entryOf(event);
  }

  fault(error: unknown): void {
    if (!this.closed) this.options.sink.fail(error);
  }
}
