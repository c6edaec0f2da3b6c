/**
 * What waits in one conversation, and the one worker that gives it to the runtime: everything that waits is ONE wake.
 * A wake that fails is tried again a bounded number of times and then given up, so that what comes after it goes on.
 * How a wake is announced and settled is its host's business (delivery.ts, legacy.ts).
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import { newWakeId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { TurnOutcome, TurnUsage } from '../runtimes/runtime.ts';
import { backoffMs, pause } from './backoff.ts';
import type { Turn } from './turns.ts';
import { addUsage, type RunningWake, type Waiting, type WakeEnd } from './wake.ts';

export interface QueueHost {
  /** Messages kept of what waits; older ones are counted. */
  readonly keep: number;
  readonly retry: { first: number; max: number };
  /** Aborted when the node, or the attachment, stops. */
  readonly signal: AbortSignal;
  /** Resolves with undefined when the signal was aborted before. */
  turn(urgent: () => boolean, signal: AbortSignal): Promise<Turn | undefined>;
  /** Resolves with true when the turn may start; with false when the wake will come again another way. */
  announce(wake: RunningWake): Promise<boolean>;
  run(wake: RunningWake): Promise<TurnOutcome>;
  /** The wake is over: its range is done with. */
  settle(wake: RunningWake, end: WakeEnd): void;
  /** Nothing up to here needs a turn. */
  skip(conversation: ConversationKey, entries: readonly Waiting[]): void;
  retrying(wake: RunningWake, reason: string, inMs: number): void;
  /** Nothing waits and nothing runs. */
  idle(conversation: ConversationKey): void;
}

/** Ids kept of messages that are only counted. */
const EARLIER = 2_048;

export class ConversationQueue {
  readonly key: ConversationKey;
  readonly #host: QueueHost;
  #waiting: Waiting[] = [];
  /** Ids of what was waiting before what is kept. */
  #earlier: string[] = [];
  #forgotten = 0;
  /** Wakes that were begun before: they go first, as they were. */
  #begun: RunningWake[] = [];
  #bootstrap = false;
  #current: RunningWake | undefined;
  /** A retry that could not be announced: the wake comes back from the server, its count does not. */
  #suspended: { wake_id: string; attempt: number } | undefined;
  #working = false;
  #wait: AbortController | undefined;

  constructor(key: ConversationKey, host: QueueHost) {
    this.key = key;
    this.#host = host;
  }

  /** The wake that is being run, or waits for its next attempt. */
  get current(): RunningWake | undefined {
    return this.#current;
  }
  get empty(): boolean {
    return (
      this.#waiting.length === 0 &&
      this.#begun.length === 0 &&
      !this.#bootstrap &&
      this.#current === undefined
    );
  }
  /** What waits for a wake, oldest first. */
  get waiting(): readonly Waiting[] {
    return this.#waiting;
  }

  /** Returns the id of a message that is only counted from now on, when the entry made one too many. */
  push(entry: Waiting): string | undefined {
    this.#waiting.push(entry);
    if (this.#waiting.length > this.#host.keep) this.#earlier.push(this.#waiting.shift()!.message.id);
    this.#work();
    if (this.#earlier.length <= EARLIER) return undefined;
    this.#forgotten++;
    return this.#earlier.shift();
  }

  /** A wake of before: with its id and range, and the attempt that it had come to. */
  begin(wake: RunningWake): void {
    if (this.#current?.wake_id === wake.wake_id) {
      this.#current.entries = wake.entries;
      this.#current.cursor = wake.cursor;
      return;
    }
    if (this.#suspended?.wake_id === wake.wake_id)
      wake.attempt = Math.max(wake.attempt, this.#suspended.attempt);
    this.#suspended = undefined;
    this.#begun.push(wake);
    this.#work();
  }

  /** One wake without a message, before what waits. */
  bootstrap(): void {
    this.#bootstrap = true;
    this.#work();
  }

  /** Nothing of what waits wakes any more. Returns the ids of those that are only counted, and now not even that. */
  passOver(): string[] {
    for (const entry of this.#waiting) entry.reason = undefined;
    this.#forgotten = 0;
    return this.#earlier.splice(0);
  }

  /** The content of a message is gone: it is not shown any more. */
  redact(messageId: string): void {
    const lists = [this.#waiting, this.#current?.entries ?? [], ...this.#begun.map(({ entries }) => entries)];
    for (const entry of lists.flat()) if (entry.message.id === messageId) entry.reason = undefined;
  }

  /** Forgets what was not begun: it comes again. What runs goes on. */
  reset(): void {
    this.#waiting = [];
    this.#earlier = [];
    this.#forgotten = 0;
    this.#begun = [];
    this.#wait?.abort();
  }

  #work(): void {
    if (this.#working || this.#host.signal.aborted) return;
    this.#working = true;
    void this.#loop();
  }

  async #loop(): Promise<void> {
    while (
      !this.#host.signal.aborted &&
      (this.#waiting.length > 0 || this.#begun.length > 0 || this.#bootstrap)
    ) {
      this.#wait = new AbortController();
      const turn = await this.#host.turn(
        () => this.#urgent(),
        AbortSignal.any([this.#wait.signal, this.#host.signal]),
      );
      this.#wait = undefined;
      if (!turn) continue;
      const wake = this.#take();
      if (wake) await this.#process(wake, turn);
      else turn.release();
    }
    this.#working = false;
    if (this.empty && !this.#suspended) this.#host.idle(this.key);
  }

  #urgent(): boolean {
    return (
      this.#begun.length > 0 || this.#waiting.some(({ reason }) => reason === 'dm' || reason === 'mention')
    );
  }

  #take(): RunningWake | undefined {
    const begun = this.#begun.shift();
    if (begun) return begun;
    if (this.#bootstrap) {
      this.#bootstrap = false;
      return this.#wake({ cursor: '', entries: [], bootstrap: true });
    }
    const [entries, earlier, forgotten] = [this.#waiting, this.#earlier, this.#forgotten];
    this.#waiting = [];
    this.#earlier = [];
    this.#forgotten = 0;
    const last = entries.at(-1);
    if (!last) return undefined;
    if (earlier.length === 0 && entries.every(({ reason }) => reason === undefined)) {
      this.#host.skip(this.key, entries);
      return undefined;
    }
    return this.#wake({ cursor: last.cursor, entries, earlier, earlier_count: earlier.length + forgotten });
  }

  #wake(wake: Partial<RunningWake> & Pick<RunningWake, 'cursor' | 'entries'>): RunningWake {
    return {
      wake_id: newWakeId(),
      conversation: this.key,
      earlier: [],
      earlier_count: 0,
      attempt: 1,
      again: false,
      bootstrap: false,
      ...wake,
    };
  }

  /** Runs a wake to its end. The turn of its first attempt is there; it is given back between attempts. */
  async #process(wake: RunningWake, first: Turn): Promise<void> {
    const { signal, retry } = this.#host;
    this.#current = wake;
    let turn: Turn | undefined = first;
    let used: TurnUsage = {};
    try {
      while (turn) {
        const outcome: TurnOutcome | 'lost' = await this.#attempt(wake, turn);
        if (outcome === 'lost') {
          this.#suspended = { wake_id: wake.wake_id, attempt: wake.attempt };
          return;
        }
        // Told to end: the wake stays open, and comes again when the node does.
        if (signal.aborted && outcome.state !== 'ok') return;
        if (outcome.state !== 'cancelled') used = addUsage(used, outcome.usage);
        const usage = Object.keys(used).length > 0 ? { usage: used } : {};
        if (outcome.state === 'ok') return this.#host.settle(wake, { outcome: 'ok', ...usage });
        const permanent = outcome.state === 'failed' && outcome.permanent;
        // One that an operator has run again is tried as often anew.
        if (permanent || wake.attempt % limits.wake_attempts.value === 0) {
          return this.#host.settle(wake, {
            outcome: 'failed',
            error: outcome.reason,
            permanent,
            attempts: wake.attempt,
            ...usage,
          });
        }
        const asked = outcome.state === 'failed' ? (outcome.retry_after_s ?? 0) * 1_000 : 0;
        const inMs = Math.max(
          backoffMs(wake.attempt, { first: retry.first, max: retry.max, factor: 3 }),
          Math.min(asked, 86_400_000),
        );
        this.#host.retrying(wake, outcome.reason, inMs);
        await pause(inMs, signal);
        if (signal.aborted) return;
        wake.attempt++;
        wake.again = true;
        turn = await this.#host.turn(() => false, signal);
      }
    } finally {
      this.#current = undefined;
    }
  }

  async #attempt(wake: RunningWake, turn: Turn): Promise<TurnOutcome | 'lost'> {
    try {
      if (!(await this.#host.announce(wake))) return 'lost';
      if (
        !wake.bootstrap &&
        wake.earlier.length === 0 &&
        wake.entries.every(({ reason }) => reason === undefined)
      )
        return { state: 'ok' };
      return await this.#host.run(wake);
    } finally {
      turn.release();
    }
  }
}
