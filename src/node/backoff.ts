/** Waiting times that double, with a jitter so that many do not come back at once. */
export interface BackoffOptions {
  /** Milliseconds before the second try. */
  first: number;
  max: number;
  factor?: number;
  /** Share of the time by which it may be shorter or longer. */
  jitter?: number;
  /** 0 to 1. */
  random?: () => number;
}

/** Milliseconds to wait after the given number of tries that failed (from 1). */
export function backoffMs(
  failed: number,
  { first, max, factor = 2, jitter = 0.2, random = Math.random }: BackoffOptions,
): number {
  const plain = Math.min(max, first * factor ** Math.min(failed - 1, 30));
  return Math.min(max, Math.max(first * (1 - jitter), plain * (1 + jitter * (2 * random() - 1))));
}

/** Resolves after the time (Infinity: never by itself), or at once when the signal is aborted. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = milliseconds === Infinity ? undefined : setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}
