/** Writes a delivery's positions down: at most every 200 ms, at once with the end of a wake (DLV-5). */
import type { ConversationKey } from '../protocol/conversation.ts';
import { storableText } from '../protocol/text.ts';
import type { DeliveryWrite } from '../store/delivery-rows.ts';
import type { Scope } from './delivery-state.ts';
import type { DeliveryOptions } from './delivery-types.ts';

/** Milliseconds. */
const SAVE_EVERY = 200;
const RETRY = 1_000;
const NONE: ReadonlyMap<ConversationKey, number> = new Map();
/** Longest error text that is kept, in characters. */
const ERROR_TEXT = 2_000;

export interface WakeOutcome {
  outcome: 'answered' | 'silent' | 'failed';
  error?: string;
  answer_id?: string;
  classification?: string;
  attempts?: number;
}

export class DeliverySaver {
  readonly #options: Pick<DeliveryOptions, 'agent' | 'tail' | 'save'>;
  readonly #scopes: ReadonlyMap<string, Scope>;
  readonly #fault: (error: unknown) => void;
  #closes: DeliveryWrite[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds that the timer was set for. */
  #wait = 0;
  #closed = false;

  constructor(
    options: Pick<DeliveryOptions, 'agent' | 'tail' | 'save'>,
    scopes: ReadonlyMap<string, Scope>,
    fault: (error: unknown) => void,
  ) {
    this.#options = options;
    this.#scopes = scopes;
    this.#fault = fault;
  }

  /** To be written along with the next save. */
  add(writes: readonly DeliveryWrite[]): void {
    this.#closes.push(...writes);
  }

  /** The end of a wake; `wake_id` as it is stored. */
  endWake(wake_id: string, end: WakeOutcome): void {
    const { outcome, error, answer_id = null, classification = null, attempts } = end;
    this.#closes.push({
      op: 'wake.close',
      wake_id,
      state: outcome === 'failed' ? 'failed' : 'done',
      outcome,
      error: error === undefined ? null : storableText(error, ERROR_TEXT),
      answer_id,
      classification,
      ...(attempts !== undefined && { attempt: attempts }),
      closed_at: new Date(this.#options.tail.now()).toISOString(),
    });
  }

  /** Saves soon, or within so many milliseconds. */
  schedule(within = 0): void {
    this.#in(Math.max(within, SAVE_EVERY));
  }

  /** Saves at once; a failure ends the delivery, which begins again where it is written down. */
  now(): void {
    if (!this.#closed) void this.flush().catch((error: unknown) => this.#fault(error));
  }

  /** Writes down what is not. A save that failed is tried again: what it would have said is still true. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { agent, tail, save } = this.#options;
    const closes = this.#closes;
    this.#closes = [];
    const writes: DeliveryWrite[] = [];
    const settled = new Map<Scope, ReadonlyMap<ConversationKey, number>>();
    for (const scope of this.#scopes.values()) {
      if (!scope.dirty) continue;
      settled.set(scope, scope.settled ?? NONE);
      writes.push(...scope.takeWrites(agent.id, tail.head));
    }
    if (closes.length + writes.length === 0) return;
    try {
      // Positions stand before the close of the wake that moved them, in one transaction.
      await save([...writes, ...closes]);
    } catch (error) {
      this.#closes = [...closes, ...this.#closes];
      for (const [scope, conversations] of settled) scope.notWritten(conversations);
      this.#in(RETRY);
      throw error;
    }
  }

  /** Writes all down for the last time. What cannot be stored is delivered again. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const scope of this.#scopes.values()) scope.dirty ||= scope.isStale(this.#options.tail.head);
    await this.flush().catch(() => {});
  }

  #in(milliseconds: number): void {
    if (this.#closed || (this.#timer && this.#wait <= milliseconds)) return;
    clearTimeout(this.#timer);
    this.#wait = milliseconds;
    this.#timer = setTimeout(() => void this.flush().catch(() => {}), milliseconds);
  }
}
