/**
 * What is still to be relayed to one pairing. The log is the outbox: a message waits there from its own transaction on;
 * here is only how far each conversation has come. Within a conversation one message goes after the other, and the next
 * only when it is known what became of the one before; conversations go side by side. RLY rules.
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import { storableText } from '../protocol/text.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { RelayRefusalRow, RelayState, RelayWrite } from '../store/relay-rows.ts';
import type { Store } from '../store/store.ts';
import type { Outcome } from './outcome.ts';
import { idOf, together, type Pending } from './pending.ts';
import type { Standing } from './standing.ts';
import { backoff, Pause, Slots } from './waiting.ts';

export interface OutboxOptions {
  pairing_id: string;
  store: Pick<Store, 'conversationEvents' | 'events' | 'relayState'>;
  /** False once another server may relay: then nothing is sent, whatever waits. */
  stands(): boolean;
  /** Is it for this pairing, as things are now. */
  isFor(event: LogEvent): boolean;
  /** Resolves when something may be sent; false when the pairing has ended. */
  ready(conversation: ConversationKey): Promise<boolean>;
  /**
   * One attempt for all of them: an outcome for each, or one that none of them got through. `relayed` also for what is
   * not to be told.
   */
  send(events: readonly LogEvent[]): Promise<Outcome[] | Outcome>;
  /** How many go in one attempt at most. */
  most(): number;
  save(writes: RelayWrite[]): Promise<unknown>;
  /** Told of every outcome. */
  onOutcome(outcome: Outcome, event: LogEvent): void;
  onFault(error: unknown): void;
  /** Milliseconds since 1970. */
  clock?: () => number;
  parallel?: number;
}

/** Messages of one conversation that are sent before another one has a turn. */
const TURN = 64;
const SAVE_EVERY = 200;
const LEASE = 200;
/** Milliseconds after which it is written all the same: retention at another server goes by it. */
const ALONE = 60_000;
const SCAN = 500;

export class Outbox implements Standing {
  readonly #options: OutboxOptions;
  readonly #clock: () => number;
  readonly #slots: Slots;
  readonly #pause = new Pause();
  /** Conversations that are further than #settled. */
  readonly #acked = new Map<ConversationKey, number>();
  readonly #pending = new Map<ConversationKey, Pending>();
  readonly #dirty = new Set<ConversationKey>();
  readonly #refusals: RelayRefusalRow[] = [];
  #settled = 0;
  #saved = 0;
  #savedAt = performance.now();
  /** Every event up to here was looked at. */
  #seen = 0;
  #live = 0;
  #scanning = true;
  #saver: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#slots = new Slots(options.parallel ?? 8);
  }

  /** Goes on where it stood. From the call on `notice` must be told of every event after `head`. */
  async start(head: number): Promise<void> {
    this.#live = Math.max(this.#live, head);
    const state = await this.#state();
    if (!state) return;
    this.#settled = this.#saved = this.#seen = state.settled_seq;
    for (const { conversation, acked_seq } of state.positions) this.#acked.set(conversation, acked_seq);
    await this.#scan();
  }

  /** Undefined when it has ended. */
  async #state(): Promise<RelayState | undefined> {
    for (let faults = 0; !this.#closed;)
      try {
        return await this.#options.store.relayState(this.#options.pairing_id);
      } catch (error) {
        await this.#failed(error, ++faults);
      }
    return undefined;
  }

  /** A committed event, in seq order. */
  notice(event: LogEvent): void {
    this.#live = event.seq;
    // The scan comes to it, in order.
    if (this.#scanning) return;
    this.#seen = event.seq;
    this.#look(event);
    this.#later();
  }

  /** How many conversations wait. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Conversations that wait, the longest-waiting first. */
  waiting(): ({ conversation: ConversationKey } & Pending)[] {
    return [...this.#pending]
      .map(([conversation, pending]) => ({ conversation, ...pending }))
      .sort((a, b) => a.first - b.first);
  }

  /** Whether a message that is for this pairing is out, or refused: what is stored says which. */
  isDone(conversation: ConversationKey, seq: number): boolean {
    if (this.#scanning && seq > this.#seen) return seq <= (this.#acked.get(conversation) ?? this.#settled);
    const pending = this.#pending.get(conversation);
    return pending === undefined ? seq <= this.#seen : seq < pending.first;
  }
  waitsToRedact(conversation: ConversationKey, message_id: string): boolean {
    const pending = this.#pending.get(conversation);
    return (
      pending?.redactions.some((event) => event.seq >= pending.first && idOf(event) === message_id) === true
    );
  }
  attemptsOf(conversation: ConversationKey): Pending | undefined {
    return this.#pending.get(conversation);
  }

  /** Whether this message may still be one that waits. */
  mayWait(conversation: ConversationKey, seq: number): boolean {
    if (this.#scanning && seq > this.#settled) return true;
    const pending = this.#pending.get(conversation);
    return pending !== undefined && seq >= pending.first;
  }

  /** What is in memory is written. */
  flush(): Promise<void> {
    clearTimeout(this.#saver);
    this.#saver = undefined;
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  /** Ends; what was sent and is not written yet is written. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pause.wake();
    await this.flush();
  }

  async #scan(): Promise<void> {
    const { store } = this.#options;
    let faults = 0;
    while (!this.#closed && this.#seen < this.#live) {
      const live = this.#live;
      try {
        const events = await store.events({ all: true }, this.#seen, SCAN);
        for (const event of events) this.#look(event);
        this.#seen = events.at(-1)?.seq ?? live;
        faults = 0;
        this.#later();
      } catch (error) {
        await this.#failed(error, ++faults);
      }
    }
    this.#scanning = false;
    this.#later();
  }

  #look(event: LogEvent): void {
    const { conversation, seq } = event;
    if (conversation === undefined || this.#closed || seq <= this.#settled) return;
    if (seq <= (this.#acked.get(conversation) ?? 0) || !this.#options.isFor(event)) return;
    const pending = this.#pending.get(conversation);
    const redactions = event.type === 'message.redacted' ? [event] : [];
    if (pending) {
      pending.last = seq;
      pending.redactions.push(...redactions);
      return;
    }
    this.#pending.set(conversation, { first: seq, last: seq, attempts: 0, redactions });
    void this.#drain(conversation);
  }

  async #drain(conversation: ConversationKey): Promise<void> {
    const pending = this.#pending.get(conversation)!;
    let faults = 0;
    while (!this.#closed) {
      try {
        if (!(await this.#options.ready(conversation)) || this.#closed) return;
        if (!this.#options.stands()) {
          // It is ended soon, unless the lease stands after all.
          await this.#pause.wait(LEASE);
          continue;
        }
        const wait = await this.#slots.run(() => this.#turn(conversation, pending));
        faults = 0;
        if (wait === undefined) return;
        if (wait > 0) await this.#pause.wait(wait);
      } catch (error) {
        // Storage that is away, or a fault of ours: what waits goes on waiting.
        pending.error = 'this server cannot read or send it now';
        await this.#failed(error, ++faults);
      }
    }
  }

  async #failed(error: unknown, times: number): Promise<void> {
    if (this.#closed) return;
    this.#options.onFault(error);
    await this.#pause.wait(backoff(times));
  }

  /** Sends some. Resolves with the milliseconds to wait before the next turn; undefined when nothing is left. */
  async #turn(conversation: ConversationKey, pending: Pending): Promise<number | undefined> {
    if (this.#closed) return undefined;
    const events = await this.#next(conversation, pending);
    if (events.length === 0) {
      // One that came while this was read is in the next read.
      if (pending.last >= pending.first) {
        pending.last = 0;
        return 0;
      }
      this.#pending.delete(conversation);
      this.#later();
      return undefined;
    }
    while (events.length > 0) {
      if (this.#closed) return undefined;
      if (!this.#options.stands()) return 0;
      const wait = await this.#some(conversation, pending, events);
      if (wait !== undefined) return wait;
    }
    return 0;
  }

  /** The next messages of the conversation, with the redactions among them. */
  async #next(conversation: ConversationKey, pending: Pending): Promise<LogEvent[]> {
    const messages = await this.#options.store.conversationEvents(conversation, pending.first - 1, TURN);
    pending.redactions = pending.redactions.filter(({ seq }) => seq >= pending.first);
    const upTo = messages.length < TURN ? Number.POSITIVE_INFINITY : messages.at(-1)!.seq;
    const among = pending.redactions.filter(({ seq }) => seq <= upTo);
    return among.length === 0 ? messages : [...messages, ...among].sort((a, b) => a.seq - b.seq);
  }

  /** Those of the events that go together are sent, and taken out. Undefined when they are done with; else the milliseconds to wait. */
  async #some(
    conversation: ConversationKey,
    pending: Pending,
    events: LogEvent[],
  ): Promise<number | undefined> {
    const { isFor, send } = this.#options;
    // After a failure each goes alone: the one that fails is not to stop the others.
    const most = pending.attempts > 0 ? 1 : this.#options.most();
    const { going, looked: seen } = together(events, isFor, most);
    let looked = seen;
    const [first] = going;
    let outcomes: Outcome[] = [];
    if (first) {
      pending.message_id = idOf(first);
      pending.since = first.created_at;
      const sent = await send(going);
      if (!Array.isArray(sent)) {
        const wait = this.#failure(first, going.length, pending, sent);
        if (wait !== undefined) return wait;
        // The first one is given up; what would have gone with it goes next.
        looked = events.indexOf(first) + 1;
      } else outcomes = sent;
    }
    const done = events.splice(0, looked);
    for (const [i, outcome] of outcomes.entries()) {
      const event = going[i]!;
      if (outcome.kind === 'refused') this.#refuse(event, outcome.code, outcome.reason);
      this.#options.onOutcome(outcome, event);
    }
    const { seq } = done.at(-1)!;
    pending.first = seq + 1;
    pending.attempts = 0;
    delete pending.error;
    this.#acked.set(conversation, seq);
    this.#dirty.add(conversation);
    this.#later();
    return undefined;
  }

  /** None of them got through. Undefined when the first is given up; else the milliseconds to wait. */
  #failure(event: LogEvent, together: number, pending: Pending, outcome: Outcome): number | undefined {
    const { onOutcome } = this.#options;
    switch (outcome.kind) {
      case 'relayed':
        onOutcome(outcome, event);
        return undefined;
      case 'refused':
        // All of it at once is another thing to refuse than this one.
        if (together > 1) {
          pending.attempts++;
          return 0;
        }
        this.#refuse(event, outcome.code, outcome.reason);
        onOutcome(outcome, event);
        return undefined;
      case 'stuck':
        pending.attempts++;
        pending.error = outcome.message;
        if (together > 1 || pending.attempts < outcome.tries) {
          onOutcome(outcome, event);
          return backoff(pending.attempts);
        }
        this.#refuse(event, outcome.code, outcome.message);
        onOutcome({ kind: 'refused', code: outcome.code, reason: outcome.message }, event);
        return undefined;
      default:
        pending.attempts++;
        pending.error = outcome.message;
        onOutcome(outcome, event);
        return 0;
    }
  }

  #refuse(event: LogEvent, code: string, reason: string): void {
    this.#refusals.push({
      pairing_id: this.#options.pairing_id,
      seq: event.seq,
      message_id: idOf(event),
      conversation: event.conversation!,
      code: storableText(code, 100),
      reason: storableText(reason, 300),
      at: new Date(this.#clock()).toISOString(),
    });
  }

  #later(): void {
    if (this.#closed || this.#saver) return;
    this.#saver = setTimeout(() => void this.flush(), SAVE_EVERY);
    this.#saver.unref();
  }

  async #save(): Promise<void> {
    const { pairing_id, save, onFault } = this.#options;
    let settled = this.#seen;
    for (const { first } of this.#pending.values()) settled = Math.min(settled, first - 1);
    if (settled > this.#settled) {
      this.#settled = settled;
      for (const [conversation, acked] of this.#acked) if (acked <= settled) this.#acked.delete(conversation);
    }
    const writes: RelayWrite[] = this.#refusals.splice(0).map((row) => ({ op: 'relay.refusal', row }));
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const conversation of dirty) {
      const acked_seq = this.#acked.get(conversation);
      if (acked_seq !== undefined) writes.push({ op: 'relay.position', pairing_id, conversation, acked_seq });
    }
    // Alone it is written seldom: of what was not for this pairing nothing is sent again.
    const seldom = this.#settled - this.#saved > 1_000 || performance.now() - this.#savedAt > ALONE;
    if (this.#settled > this.#saved && (writes.length > 0 || dirty.length > 0 || seldom)) {
      writes.push({ op: 'relay.settled', pairing_id, settled_seq: this.#settled });
      this.#saved = this.#settled;
      this.#savedAt = performance.now();
    }
    if (writes.length === 0) return;
    try {
      await save(writes);
    } catch (error) {
      // What is not written is sent again after a restart, and taken there once.
      for (const conversation of dirty) this.#dirty.add(conversation);
      for (const write of writes) if (write.op === 'relay.refusal') this.#refusals.push(write.row);
      this.#saved = Math.min(this.#saved, this.#settled - 1);
      if (!this.#closed) this.#later();
      onFault(error);
    }
  }
}
