/** Whether a turn of this agent could be run now, as far as that is known without running one. */
import type { AttachmentStatus } from '../client/attachment.ts';
import type { FailureCause, ProbeResult, Runtime, TurnOutcome } from '../runtimes/runtime.ts';
import { backoffMs, pause } from './backoff.ts';
import type { NodeTimes } from './times.ts';
import { visibleLine } from './visible-text.ts';

/** Characters of a reason that are told. */
const REASON = 500;
/** Seconds for which a rate limit is believed at most. */
const LIMIT = 86_400;

export interface ReadinessOptions {
  /** Its runtime, once there is one. */
  runtime: () => Pick<Runtime, 'kind' | 'probe'>;
  /** `status` says something else than before. */
  changed: () => void;
  times: Pick<NodeTimes, 'reconnect' | 'reconnect_max' | 'recheck' | 'limited' | 'limited_max'>;
  /** The end of the attachment. */
  signal: AbortSignal;
}

interface Why {
  reason: string;
  cause?: FailureCause | undefined;
}

export class Readiness {
  readonly #options: ReadinessOptions;
  #version: string | undefined;
  /** Why the runtime could not run when it was last looked at, and whether somebody has to put that right. */
  #unready: (Why & { permanent: boolean }) | undefined;
  /** How the last turn failed for good, where a look at the runtime cannot tell that (nobody has logged in). */
  #failed: Why | undefined;
  /** The runtime takes no more for now; milliseconds since 1970. */
  #limited: (Why & { until: number }) | undefined;
  /** Rate limits that were met one after the other. */
  #limits = 0;
  #looking: Promise<ProbeResult> | undefined;
  #watching = false;
  #now = new AbortController();
  /** Those that wait until a turn may begin. */
  #waiting: (() => void)[] = [];

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  get status(): AttachmentStatus & { runtime: { kind: string; version?: string } } {
    const failed = this.#failed && {
      ...this.#failed,
      reason: `the last turn failed: ${this.#failed.reason}`,
    };
    const why: Why | undefined = this.#unready ?? this.#limited ?? failed;
    return {
      ...(why && {
        cannot_wake: visibleLine(why.reason.replace(/\s+/g, ' ')).slice(0, REASON),
        ...(why.cause && { cannot_wake_cause: why.cause }),
        ...(why === this.#limited && { cannot_wake_until: new Date(this.#limited!.until).toISOString() }),
      }),
      runtime: {
        kind: this.#options.runtime().kind,
        ...(this.#version ? { version: this.#version.slice(0, 128) } : {}),
      },
    };
  }

  /** A turn has to wait: for a runtime that may come right by itself, or for the end of a rate limit. */
  get waits(): boolean {
    return this.#limited !== undefined || this.#unready?.permanent === false;
  }

  /** Resolves when a turn may begin, or when the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    while (this.waits && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    }
  }

  /**
   * What is not ready is looked at again as long as it is so and it is wanted: what may come right by itself soon, what
   * somebody has to put right now and then.
   */
  async watch(wanted: () => boolean): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    const { times, signal } = this.#options;
    for (let looks = 1; !signal.aborted && wanted() && this.#unready !== undefined; looks++) {
      this.#now = new AbortController();
      const soon = backoffMs(looks, { first: times.reconnect, max: times.reconnect_max });
      const every = this.#unready.permanent ? times.recheck : soon;
      await pause(every, AbortSignal.any([signal, this.#now.signal]));
      if (!signal.aborted) await this.look();
    }
    this.#watching = false;
  }

  /** Ends the time until the next look of `watch`. */
  lookNow(): void {
    this.#now.abort();
  }

  /** Asks the runtime; who asks meanwhile gets the same answer. */
  look(): Promise<ProbeResult> {
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  async #look(): Promise<ProbeResult> {
    const result = await this.#options
      .runtime()
      .probe()
      .catch((error: unknown): ProbeResult => ({ ready: false, permanent: false, reason: String(error) }));
    this.#tell(() => {
      this.#unready = result.ready ? undefined : result;
      if (result.ready && result.version !== undefined) this.#version = result.version;
    });
    return result;
  }

  /** What a turn has shown. */
  async turned(outcome: TurnOutcome): Promise<void> {
    if (outcome.state === 'cancelled') return;
    if (outcome.state === 'failed' && outcome.cause === 'rate_limited' && !outcome.permanent)
      return this.#limit(outcome);
    this.#limits = 0;
    if (outcome.state === 'failed' && (outcome.permanent || outcome.cause === 'missing')) {
      // What a look finds, a look will find gone; anything else only the next turn can tell.
      const { ready } = await this.look();
      const { reason, cause } = outcome;
      return this.#tell(
        () => void (this.#failed = ready && outcome.permanent ? { reason, cause } : undefined),
      );
    }
    this.#tell(() => {
      this.#unready = undefined;
      this.#failed = undefined;
      this.#limited = undefined;
    });
  }

  #limit({ reason, retry_after_s }: TurnOutcome & { state: 'failed' }): void {
    const { times, signal } = this.#options;
    const guessed = backoffMs(++this.#limits, { first: times.limited, max: times.limited_max, factor: 3 });
    const told =
      retry_after_s !== undefined && retry_after_s >= 0 ? Math.min(retry_after_s, LIMIT) : undefined;
    const wait = told === undefined ? guessed : told * 1_000;
    const limited = { reason, cause: 'rate_limited' as const, until: Date.now() + wait };
    // Of two that were met at once the later one counts.
    if (this.#limited && this.#limited.until >= limited.until) return;
    this.#tell(() => void (this.#limited = limited));
    void pause(wait, signal).then(() => {
      if (this.#limited === limited) this.#tell(() => void (this.#limited = undefined));
      return undefined;
    });
  }

  #tell(change: () => void): void {
    const before = JSON.stringify(this.status);
    change();
    if (!this.waits) for (const go of this.#waiting.splice(0)) go();
    if (JSON.stringify(this.status) !== before) this.#options.changed();
  }
}
