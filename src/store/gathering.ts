/**
 * While another server commits too, those who were just answered are waited for until most of them have sent again: the
 * other one's batch is written meanwhile, and half a batch costs the database and the other servers nearly as much as a
 * whole one (STO-4).
 */

/** Milliseconds for which they are waited for at most, and what part of them is enough. */
const GATHER = 2;
const ENOUGH = 7 / 8;

export class Gathering {
  readonly #over: () => void;
  #until = 0;
  #enough = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param over called when those who are missing have been waited for long enough */
  constructor(over: () => void) {
    this.#over = over;
  }

  /** @param under commands that were answered or wait now */
  begin(under: number): void {
    this.#until = performance.now() + GATHER;
    this.#enough = Math.floor(under * ENOUGH);
  }

  /** Whether the next batch may begin, with so many that wait. When not, `over` will be called. */
  isOver(waiting: number): boolean {
    const left = this.#until - performance.now();
    if (waiting >= this.#enough || left <= 0) return true;
    if (this.#timer !== undefined) return false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#over();
    }, left);
    return false;
  }
}
