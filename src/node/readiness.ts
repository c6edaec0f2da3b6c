/** Whether a turn of this agent could be run now, as far as that is known without running one. */
import type { AttachmentStatus } from '../client/attachment.ts';
import type { ProbeResult, Runtime, TurnOutcome } from '../runtimes/runtime.ts';
import { pause } from './backoff.ts';
import { visibleLine } from './visible-text.ts';

/** Characters of a reason that are told. */
const REASON = 500;

interface Watch {
  /** Milliseconds. */
  every: number;
  wanted: () => boolean;
  signal: AbortSignal;
}

export class Readiness {
  readonly #runtime: () => Pick<Runtime, 'kind' | 'probe'>;
  readonly #changed: () => void;
  #version: string | undefined;
  /** Why the runtime could not run when it was last looked at. */
  #unready: string | undefined;
  /** How the last turn failed for good, where a look at the runtime cannot tell that (nobody has logged in). */
  #failed: string | undefined;
  #looking: Promise<ProbeResult> | undefined;
  #watching = false;
  #now = new AbortController();

  /** `changed` is called when `status` says something else than before. */
  constructor(runtime: () => Pick<Runtime, 'kind' | 'probe'>, changed: () => void) {
    this.#runtime = runtime;
    this.#changed = changed;
  }

  get status(): AttachmentStatus & { runtime: { kind: string; version?: string } } {
    const why = this.#unready ?? (this.#failed && `the last turn failed: ${this.#failed}`);
    return {
      ...(why === undefined ? {} : { cannot_wake: visibleLine(why.replace(/\s+/g, ' ')).slice(0, REASON) }),
      runtime: {
        kind: this.#runtime().kind,
        ...(this.#version ? { version: this.#version.slice(0, 128) } : {}),
      },
    };
  }

  /** What somebody has to put right is looked at again now and then, as long as it is so and it is wanted. */
  async watch({ every, wanted, signal }: Watch): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    // Looking again may find another answer.
    while (!signal.aborted && wanted() && this.#unready !== undefined) {
      this.#now = new AbortController();
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
    const result = await this.#runtime()
      .probe()
      .catch((error: unknown): ProbeResult => ({ ready: false, permanent: false, reason: String(error) }));
    this.#tell(() => {
      this.#unready = result.ready ? undefined : result.reason;
      if (result.ready && result.version !== undefined) this.#version = result.version;
    });
    return result;
  }

  /** What a turn has shown. */
  async turned(outcome: TurnOutcome): Promise<void> {
    if (outcome.state === 'cancelled') return;
    if (outcome.state === 'failed' && outcome.permanent) {
      // What a look finds, a look will find gone; anything else only the next turn can tell.
      const { ready } = await this.look();
      return this.#tell(() => void (this.#failed = ready ? outcome.reason : undefined));
    }
    this.#tell(() => {
      this.#unready = undefined;
      this.#failed = undefined;
    });
  }

  #tell(change: () => void): void {
    const before = JSON.stringify(this.status);
    change();
    if (JSON.stringify(this.status) !== before) this.#changed();
  }
}
