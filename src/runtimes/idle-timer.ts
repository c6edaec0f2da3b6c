/** Calls when nothing was done for so long; keeps no process alive. */
export interface IdleTimer {
  /** From now on, anew. */
  start(): void;
  stop(): void;
}

/** Seconds. A process that waits holds memory (Codex 100 MB, Claude Code 200 MB); starting one takes a second. */
export const IDLE_TIMEOUT = 600;

export function idleTimer(seconds: number | undefined, onIdle: () => void): IdleTimer {
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => clearTimeout(timer);
  return {
    start: () => {
      stop();
      timer = setTimeout(onIdle, (seconds ?? IDLE_TIMEOUT) * 1000).unref();
    },
    stop,
  };
}
