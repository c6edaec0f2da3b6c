/**
 * What the runtimes that are a service have in common: one turn at a time in each line, in the order of delivery,
 * cancelled while it waits or runs, with its two time limits, and failures told by what was thrown.
 */
import { ConfigError } from '../config/issues.ts';
import {
  notReady,
  type Failed,
  type FailureCause,
  type ProbeResult,
  type Runtime,
  type RuntimeContext,
  type TurnEvents,
  type TurnOutcome,
  type Wake,
} from './runtime.ts';
import { SetupError } from './setup-error.ts';
import { startTurnClock, turnLimits, type TurnClock, type TurnLimits } from './turn-clock.ts';
import { turnQueue } from './turn-queue.ts';

/** Causes that tell more than that a time limit was reached over them. */
const TELLS_MORE: ReadonlySet<FailureCause> = new Set(['rate_limited', 'missing', 'not_logged_in', 'config']);

/** One turn that an adapter is to run. */
export interface LineTurn {
  wake: Wake;
  /** May be called more than once. */
  events: Required<TurnEvents>;
  limits: TurnLimits;
  /** Falls when the turn is cancelled, when the runtime is closed, and when a time limit is reached. */
  signal: AbortSignal;
  /** A sign of life. */
  touch: TurnClock['touch'];
}

export interface LineOptions {
  context: RuntimeContext;
  /** Turns with the same line run one after the other; by default those of one session. */
  lineOf?(wake: Wake): string;
  /**
   * Runs one turn and, when its signal falls, ends it as well as can be. May throw: a SetupError is permanent, a
   * TurnFailure is what it says, anything else may pass.
   */
  run(turn: LineTurn): Promise<TurnOutcome>;
  /** After the last turn has ended. */
  close?(): Promise<void>;
}

/** A turn failed in this way. */
export class TurnFailure extends Error {
  readonly failed: Failed;
  constructor(
    reason: string,
    {
      permanent = false,
      ...more
    }: { permanent?: boolean; cause?: FailureCause | undefined; retry_after_s?: number } = {},
  ) {
    super(reason);
    this.name = 'TurnFailure';
    const { cause, retry_after_s } = more;
    this.failed = {
      state: 'failed',
      permanent,
      reason: oneLine(reason),
      ...(cause === undefined ? {} : { cause }),
      ...(retry_after_s === undefined ? {} : { retry_after_s }),
    };
  }
}

export function turnLine({
  context,
  lineOf = ({ session_key }) => session_key,
  run,
  close,
}: LineOptions): Pick<Runtime, 'deliver' | 'close'> {
  const limits = turnLimits(context.attachment.runtime);
  const queue = turnQueue();

  const runTurn = async (wake: Wake, events: TurnEvents, caller: AbortSignal): Promise<TurnOutcome> => {
    const limit = new AbortController();
    const clock = startTurnClock(limits, (reason) => limit.abort(reason));
    let outcome: TurnOutcome;
    try {
      const signal = AbortSignal.any([caller, limit.signal]);
      outcome = await run({ wake, events: toldOnce(events), limits, signal, touch: clock.touch });
    } catch (error) {
      outcome = failedBy(error);
    } finally {
      clock.stop();
    }
    // What had ended well before it was told to end, has ended well.
    if (outcome.state === 'ok') return outcome;
    if (caller.aborted) return queue.cancelled();
    if (!limit.signal.aborted) return outcome;
    if (outcome.state === 'failed' && outcome.cause !== undefined && TELLS_MORE.has(outcome.cause))
      return outcome;
    return {
      state: 'failed',
      permanent: false,
      cause: 'timeout',
      reason: `the turn was ended: ${String(limit.signal.reason)}`,
    };
  };

  return {
    deliver: (wake, events, caller) =>
      queue.add(lineOf(wake), caller, (signal) => runTurn(wake, events, signal)),
    close: async () => {
      await queue.close();
      await close?.();
    },
  };
}

/** Each is told once at most, and `accepted` first. */
function toldOnce(events: TurnEvents): Required<TurnEvents> {
  const told = new Set<keyof TurnEvents>();
  const tell = (name: keyof TurnEvents): void => {
    if (told.has(name)) return;
    told.add(name);
    events[name]?.();
  };
  return {
    accepted: () => tell('accepted'),
    delivered: () => {
      tell('accepted');
      tell('delivered');
    },
  };
}

/** What was thrown, as a turn's failure. */
export function failedBy(error: unknown): Failed {
  if (error instanceof TurnFailure) return error.failed;
  const permanent = error instanceof SetupError || error instanceof ConfigError;
  const cause = error instanceof SetupError ? error.failure : permanent ? ('config' as const) : undefined;
  const reason = oneLine(error instanceof Error ? error.message : String(error));
  return { state: 'failed', permanent, reason, ...(cause ? { cause } : {}) };
}

/** It is ready, unless the look at it throws. */
export async function probed(look: () => unknown): Promise<ProbeResult> {
  try {
    await look();
    return { ready: true };
  } catch (error) {
    return notReady(failedBy(error));
  }
}

/** In one line of at most 600 characters, without what would steer a terminal. */
export const oneLine = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, 600);

/** Resolves after so long, or when the signal falls. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
