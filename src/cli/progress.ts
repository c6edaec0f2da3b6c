/** A line on stderr that says how far something is; on a terminal in its place, else one line in a while. */
import type { Io } from './command.ts';

const TERMINAL = 200;
const ELSEWHERE = 10_000;

export interface Progress {
  show(done: number, of?: number): void;
  /** The line's end. */
  end(): void;
}

export function progress(io: Io, what: string): Progress {
  let shownAt = io.interactive ? -Infinity : performance.now();
  let shown = false;
  return {
    show(done, of) {
      const now = performance.now();
      if (done === 0 || now - shownAt < (io.interactive ? TERMINAL : ELSEWHERE)) return;
      shownAt = now;
      shown = true;
      const share =
        of && of > 0
          ? ` of ${of.toLocaleString('en')} (${Math.min(100, Math.floor((done / of) * 100))} %)`
          : '';
      io.err(
        `${io.interactive ? '\r' : ''}${what} ${done.toLocaleString('en')}${share}${io.interactive ? '' : '\n'}`,
      );
    },
    end() {
      if (shown && io.interactive) io.err('\n');
    },
  };
}
