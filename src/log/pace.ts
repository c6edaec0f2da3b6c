/**
 * What a thousand do that come back at once, they do in turns, so that nobody who writes waits for all of them: a slice
 * of that work runs, then the event loop serves everybody else, then the next slice.
 *
 * Each kind of work has a queue of its own. What was begun goes before what is to begin: so most of those who come
 * back are either through or have not cost anything yet. Of every kind something is done in each slice, so that none
 * of them waits for ever.
 */
/** Milliseconds of one slice. */
const SLICE = 0.5;
/**
 * Milliseconds between two slices while somebody writes and so many wait. Without them the process and the machine
 * would be busy all the time, and a message would wait at each of its steps. A crowd is slowed so for some seconds at
 * most: what is longer is over sooner without. One that comes before as long was quiet is the same: where a thousand
 * work, each message makes one, and what they say would wait for seconds at a tenth of the load.
 */
const REST = 4;
const CROWD = 16;
const RESTING = 5_000;

/** The first before the last: what clients say, what readers missed, attachments that begin, and those that come. */
const KINDS = ['frame', 'read', 'begin', 'upgrade'] as const;
export type Work = (typeof KINDS)[number];

/** What was taken is let go when it is so much, and half of the queue. */
const TAKEN = 1_024;

/** First in, first out. */
class Queue {
  #waiting: (() => void)[] = [];
  #at = 0;

  get length(): number {
    return this.#waiting.length - this.#at;
  }
  push(resume: () => void): void {
    this.#waiting.push(resume);
  }
  shift(): (() => void) | undefined {
    const next = this.#waiting[this.#at];
    if (next && ++this.#at === this.#waiting.length) {
      this.#waiting = [];
      this.#at = 0;
    } else if (this.#at >= TAKEN && this.#at * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#at);
      this.#at = 0;
    }
    return next;
  }
}

export class Pace {
  readonly #queues = KINDS.map(() => new Queue());
  readonly #due: () => boolean;
  readonly #writing: () => boolean;
  /** A slice is open, or one is to come. */
  #running = false;
  #until = 0;
  #skipped = false;
  #granted = false;
  /** So many kinds, from the first on, had no turn yet in this slice. */
  #owed = 0;

  /** When the crowd was met first, and last. */
  #crowdSince = 0;
  #crowdAt = -Infinity;

  /**
   * `due`: whether something is about to begin in this turn of the event loop that goes before all of this. `writing`:
   * whether somebody writes, so that slices have rests between them.
   */
  constructor(due: () => boolean = () => false, writing: () => boolean = () => false) {
    this.#due = due;
    this.#writing = writing;
  }

  /**
   * Resolves when the caller may do one short piece of work, in the order of asking among its kind: at once while the
   * slice lasts and nobody waits.
   */
  turn(kind: Work): Promise<void> {
    if (!this.#granted && this.free()) {
      // Who asks in the same breath waits until this one has done its work: the slice may be over by then.
      this.#granted = true;
      queueMicrotask(this.#grantedOne);
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#queues[KINDS.indexOf(kind)]!.push(resolve));
  }

  /** Whether one short piece of work may be done at once, without a turn. */
  free(): boolean {
    if (!this.#running) {
      this.#running = true;
      this.#until = performance.now() + SLICE;
      setImmediate(this.#slice);
      return true;
    }
    return this.#idle && performance.now() < this.#until;
  }

  get #idle(): boolean {
    return this.#waiting === 0;
  }

  get #waiting(): number {
    return this.#queues.reduce((sum, { length }) => sum + length, 0);
  }

  readonly #slice = (): void => {
    this.#running = !this.#idle;
    if (!this.#running) return;
    // What begins behind us in this same turn is awaited: the slice is the next turn's.
    this.#skipped = !this.#skipped && this.#due();
    if (this.#skipped) return void setImmediate(this.#slice);
    const now = performance.now();
    if (this.#rests(now)) setTimeout(this.#slice, REST);
    else setImmediate(this.#slice);
    this.#until = now + SLICE;
    this.#owed = KINDS.length;
    this.#next();
  };

  #rests(now: number): boolean {
    if (this.#waiting < CROWD) return false;
    if (now - this.#crowdAt > RESTING) this.#crowdSince = now;
    this.#crowdAt = now;
    return now - this.#crowdSince < RESTING && this.#writing();
  }

  readonly #grantedOne = (): void => {
    queueMicrotask(() => {
      this.#granted = false;
      this.#next();
    });
  };

  readonly #next = (): void => {
    const resume = this.#take();
    if (!resume) return;
    resume();
    // Behind what that lets go on.
    queueMicrotask(this.#next);
  };

  #take(): (() => void) | undefined {
    while (this.#owed > 0) {
      const resume = this.#queues[--this.#owed]!.shift();
      if (resume) return resume;
    }
    if (performance.now() >= this.#until) return undefined;
    return this.#queues.find(({ length }) => length > 0)?.shift();
  }
}
