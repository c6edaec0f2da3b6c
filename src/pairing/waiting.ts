/** Time for relay: pauses that can be cut short, and that grow. */

/** Milliseconds before try `n` (1 is the first repetition): doubled each time, with a share of chance. */
export function backoff(n: number, { first = 500, most = 30_000, random = Math.random } = {}): number {
  const whole = Math.min(most, first * 2 ** Math.min(20, n - 1));
  return whole * (0.5 + random() / 2);
}

/** Many may wait for one moment; `wake` brings it now. */
export class Pause {
  #ended = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;

  /** Resolves after so many milliseconds, or earlier by `wake`. */
  async wait(milliseconds: number): Promise<void> {
    const { promise } = this.#ended;
    const own = Promise.withResolvers<void>();
    const timer = setTimeout(own.resolve, milliseconds);
    timer.unref();
    await Promise.race([promise, own.promise]);
    clearTimeout(timer);
  }

  wake(): void {
    clearTimeout(this.#timer);
    this.#ended.resolve();
    this.#ended = Promise.withResolvers<void>();
  }
}

/** So many at once. */
export class Slots {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
