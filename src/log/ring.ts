/** The newest events, bounded by count and bytes. `floor` is the position from which on it holds everything. */
import type { LogEntry } from './entry.ts';

export class Ring {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  #entries: LogEntry[] = [];
  #start = 0;
  #bytes = 0;
  #floor: number;

  constructor(options: { floor: number; maxCount: number; maxBytes: number }) {
    this.#floor = options.floor;
    this.#maxCount = options.maxCount;
    this.#maxBytes = options.maxBytes;
  }

  /** Every event with a seq above this is here. */
  get floor(): number {
    return this.#floor;
  }
  get size(): number {
    return this.#entries.length - this.#start;
  }

  add(entry: LogEntry): void {
    this.#entries.push(entry);
    this.#bytes += costOf(entry);
    while (this.size > 1 && (this.size > this.#maxCount || this.#bytes > this.#maxBytes)) {
      const oldest = this.#entries[this.#start]!;
      this.#floor = oldest.seq;
      this.#bytes -= costOf(oldest);
      this.#start++;
    }
    // Cut the dead front off when it is the larger half: constant work per event.
    if (this.#start > 64 && this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
  }

  /** Lets go of everything up to a seq: it is to be read from storage. */
  forget(upTo: number): void {
    const end = this.#indexAfter(upTo);
    if (end === this.#start) return;
    for (let i = this.#start; i < end; i++) this.#bytes -= costOf(this.#entries[i]!);
    this.#floor = Math.max(this.#floor, upTo);
    this.#entries = this.#entries.slice(end);
    this.#start = 0;
  }

  find(is: (entry: LogEntry) => boolean): LogEntry | undefined {
    for (let i = this.#start; i < this.#entries.length; i++)
      if (is(this.#entries[i]!)) return this.#entries[i];
    return undefined;
  }

  /** The first entry after a position, or undefined when there is none. */
  after(position: number): LogEntry | undefined {
    return this.#entries[this.#indexAfter(position)];
  }

  get(seq: number): LogEntry | undefined {
    const entry = this.#entries[this.#indexAfter(seq - 1)];
    return entry?.seq === seq ? entry : undefined;
  }

  #indexAfter(position: number): number {
    let low = this.#start;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.seq <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The payload, and up to two prepared copies of it. */
export const costOf = (entry: LogEntry): number => 3 * entry.event.payload.length + 512;
