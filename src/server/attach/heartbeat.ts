/** One timer for all connections: it asks each whether its time has come. */
export interface Ticking {
  /** `now` in milliseconds of performance.now(); `stalled` is by how much the timer came late. */
  tick(now: number): void;
  /** The process stood still for so long: frames that came meanwhile are not read yet, so deadlines move. */
  postpone(milliseconds: number): void;
}

export class Heartbeat {
  readonly #members = new Set<Ticking>();
  readonly #interval: number;
  #timer: NodeJS.Timeout | undefined;
  #last = 0;

  /** @param interval milliseconds between ticks */
  constructor(interval: number) {
    this.#interval = interval;
  }

  add(member: Ticking): void {
    this.#members.add(member);
    if (this.#timer) return;
    this.#last = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#interval);
  }

  delete(member: Ticking): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const now = performance.now();
    const late = now - this.#last - this.#interval;
    this.#last = now;
    if (late > 4 * this.#interval) for (const member of this.#members) member.postpone(late);
    for (const member of this.#members) member.tick(now);
  }
}
