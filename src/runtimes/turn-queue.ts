/** The turns of a runtime: one after the other in each line, called off while they wait or run, and all at its close. */
import type { TurnOutcome } from './runtime.ts';

export interface TurnQueue {
  /** Falls when the runtime is closed. */
  readonly closing: AbortSignal;
  /** Runs it after those before it in its line. One that still waits is cancelled at once. `run` never rejects. */
  add(
    line: string,
    caller: AbortSignal,
    run: (signal: AbortSignal) => Promise<TurnOutcome>,
  ): Promise<TurnOutcome>;
  /** What becomes of a turn that was called off. */
  cancelled(): TurnOutcome;
  /** Calls all off and waits for their ends. */
  close(): Promise<void>;
}

export function turnQueue(): TurnQueue {
  const closing = new AbortController();
  const last = new Map<string, Promise<unknown>>();
  const cancelled = (): TurnOutcome => ({
    state: 'cancelled',
    reason: closing.signal.aborted ? 'the runtime was closed' : 'the turn was cancelled',
  });
  return {
    closing: closing.signal,
    add: (line, caller, run) => {
      const signal = AbortSignal.any([caller, closing.signal]);
      let begun = false;
      const turn = (last.get(line) ?? Promise.resolve()).then(() => {
        begun = true;
        return signal.aborted ? cancelled() : run(signal);
      });
      last.set(line, turn);
      void turn.finally(() => last.get(line) === turn && last.delete(line));
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => begun || resolve(cancelled()), { once: true });
        void turn.then(resolve);
      });
    },
    cancelled,
    close: async () => {
      closing.abort();
      await Promise.all(last.values());
    },
  };
}
