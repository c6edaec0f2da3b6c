/**
 * Running until somebody says stop: the first signal ends gracefully, the second at once. SIGHUP means that the
 * terminal is gone, as every program that runs in one takes it; where there still is one, or never was, it asks for
 * a reload.
 */
import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';

/** A stop that hangs must not keep the process: longer than any graceful end takes. */
const HARD_LIMIT = 6_000;

export interface Stopping {
  /** Resolves at the first signal. From then on a second one exits the process with 130. */
  readonly requested: Promise<NodeJS.Signals>;
  /** Ends `stop`, or the process with 1 when it takes too long. Resolves with the exit code. */
  finish(stop: () => Promise<void>): Promise<number>;
}

/** `reload`: what SIGHUP does where no terminal went away; without it SIGHUP stops. */
export function untilStopped(reload?: () => void): Stopping {
  // Waiting for a signal does not by itself keep a process: a node without attachments would just end.
  const alive = setInterval(() => {}, 2 ** 30);
  const onTerminal = [0, 1, 2].some((fd) => isatty(fd));
  const requested = new Promise<NodeJS.Signals>((resolve) => {
    let asked = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve(signal);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    process.on('SIGHUP', () => {
      if (!reload || (onTerminal && !hasTerminal())) stop('SIGHUP');
      else if (!asked) reload();
    });
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

/** After a hang-up the process has no terminal any more. Windows, where a closed console is SIGHUP, has no such file. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
