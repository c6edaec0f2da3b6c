/**
 * Readers of what was missed take turns, so that a thousand that come back at once keep nobody who writes waiting: a
 * slice of their work runs, then the event loop serves everybody else, then the next slice.
 */
/** Milliseconds of one slice. */
const SLICE = 1;

export class Pace {
  readonly #waiting: (() => void)[] = [];
  #at = 0;
  /** A slice is open, or one is to come. */
  #running = false;
  #until = 0;

  /**
   * Resolves when the caller may do one short piece of work, in the order of asking: at once while the slice lasts and
   * nobody waits.
   */
  turn(): Promise<void> {
    if (!this.#running) {
      this.#running = true;
      this.#until = performance.now() + SLICE;
      setImmediate(this.#slice);
    }
    if (this.#waiting.length === 0 && performance.now() < this.#until) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  readonly #slice = (): void => {
    this.#running = this.#waiting.length > 0;
    if (!this.#running) return;
    this.#until = performance.now() + SLICE;
    setImmediate(this.#slice);
    this.#next();
  };

  readonly #next = (): void => {
    const resolve = this.#waiting[this.#at];
    if (resolve && performance.now() < this.#until) {
      this.#at++;
      resolve();
      // Behind what that lets go on.
      queueMicrotask(this.#next);
    } else {
      this.#waiting.splice(0, this.#at);
      this.#at = 0;
    }
  };
}
