/** Running until somebody says stop: the first signal ends gracefully, the second at once. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** A stop that hangs must not keep the process: longer than any graceful end takes. */
const HARD_LIMIT = 6_000;

export interface Stopping {
  /** Resolves at the first signal. From then on a second one exits the process with 130. */
  readonly requested: Promise<NodeJS.Signals>;
  /** Ends `stop`, or the process with 1 when it takes too long. Resolves with the exit code. */
  finish(stop: () => Promise<void>): Promise<number>;
}

export function untilStopped(): Stopping {
  // Waiting for a signal does not by itself keep a process: a node without attachments would just end.
  const alive = setInterval(() => {}, 2 ** 30);
  const requested = new Promise<NodeJS.Signals>((resolve) => {
    let asked = false;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (asked) process.exit(130);
        asked = true;
        resolve(signal);
      });
    }
  });
  return {
    requested,
    async finish(stop) {
      const timer = setTimeout(() => process.exit(1), HARD_LIMIT);
      await stop();
      clearTimeout(timer);
      clearInterval(alive);
      return 0;
    },
  };
}
