/** The two time limits of a turn: without a sign of life, and in all. */
import type { RuntimeConfig } from '../config/types.ts';

export interface TurnClock {
  /** There was a sign of life. */
  touch(): void;
  stop(): void;
}

/** Seconds. */
export interface TurnLimits {
  inactivity: number;
  total: number;
}

/** Of the configuration. */
export const turnLimits = (
  runtime: Pick<RuntimeConfig, 'inactivity_timeout' | 'turn_timeout'>,
): TurnLimits => ({
  inactivity: runtime.inactivity_timeout ?? 300,
  total: runtime.turn_timeout ?? 3600,
});

/** Calls `onExpired` once, with the reason, when one of the limits is reached before `stop`. */
export function startTurnClock(limits: TurnLimits, onExpired: (reason: string) => void): TurnClock {
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    clearTimeout(idle);
    clearTimeout(whole);
  };
  const expire = (reason: string): void => {
    stop();
    onExpired(reason);
  };
  const idle = setTimeout(
    expire,
    limits.inactivity * 1000,
    `no sign of life for ${limits.inactivity} s (runtime.inactivity_timeout)`,
  );
  const whole = setTimeout(
    expire,
    limits.total * 1000,
    `not done after ${limits.total} s (runtime.turn_timeout)`,
  );
  return {
    touch: () => {
      // A cleared timer that is refreshed would run again.
      if (!stopped) idle.refresh();
    },
    stop,
  };
}
