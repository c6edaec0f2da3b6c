/**
 * The writer: commands wait in one queue; when the previous batch is on disk, those that wait are decided in order by a
 * pure rule and committed in ONE durable transaction; while that is written, the previous batch is answered. What the
 * rule is, the network floor says.
 *
 * STO-4 an answer is given only after the commit. STO-5 a batch that fails as a whole is run command by command, so
 * that only the guilty one is refused.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { limits } from '../protocol/limits.ts';
import { MoltnetError } from '../protocol/errors.ts';
import {
  ConstraintError,
  StorageError,
  type EventWrite,
  type LogEvent,
  type Store,
  type Writes,
} from './store.ts';

/** What the rules make of one command: writes and an answer, or a refusal. */
export type Decision<A> = { writes: Writes; answer: A } | { refusal: MoltnetError };

/** Decides the commands of one batch, each seeing what the ones before it will have changed. */
export interface Draft<C, A> {
  decide(command: C): Decision<A>;
  /** The batch is on disk: make the changes of this draft the state. seqs[i][j] is that of event j of the i-th decision that wrote anything. */
  committed(seqs: readonly (readonly number[])[]): void;
}

export interface Rules<C, A> {
  /** Loads what the commands need to be decided (existing ids, conversations) and opens a draft over the state. */
  draft(commands: readonly C[]): Draft<C, A> | Promise<Draft<C, A>>;
}

export interface WriterOptions<C, A> {
  store: Store;
  rules: Rules<C, A>;
  /** Called with each committed batch's events, in seq order, before its commands are answered. */
  onCommitted: (events: LogEvent[]) => void;
  /** Told the number of commands of each committed batch that wrote something. Must not throw. */
  onBatch?: (commands: number) => void;
}

interface Waiting<C, A> {
  command: C;
  resolve: (answer: A) => void;
  reject: (error: unknown) => void;
}

/** Commands on their way to the disk. */
interface Batch<C, A> {
  commands: Waiting<C, A>[];
  stored: Promise<Stored<C, A> | Failed>;
}

/** A batch that is on disk and not yet answered. */
interface Stored<C, A> {
  draft: Draft<C, A>;
  accepted: { waiting: Waiting<C, A>; answer: A }[];
  refused: { waiting: Waiting<C, A>; refusal: unknown }[];
  /** Of the accepted ones that write. */
  writes: Writes[];
  seqs: number[][];
}

class Failed {
  readonly error: unknown;
  constructor(error: unknown) {
    this.error = error;
  }
}

/** So few commands are one batch, whatever else is under way: a sync of the disk costs as much as they do. */
const WHOLE = 16;
/**
 * When no more wait than one to so many that are to be answered, the answers go out first: a sync for a few would hold
 * up the many whose next requests are already on their way.
 */
const FEW = 4;

export class Writer<C, A> {
  readonly #options: WriterOptions<C, A>;
  #waiting: Waiting<C, A>[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: WriterOptions<C, A>) {
    this.#options = options;
  }

  /** Commands that wait for the next batch. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves with the answer once it is durable. Rejects with MoltnetError for refusals. */
  submit(command: C): Promise<A> {
    if (this.#closed) return Promise.reject(new MoltnetError('stopping'));
    if (this.#waiting.length >= limits.writer_queue.value)
      return Promise.reject(new MoltnetError('overloaded'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ command, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Refuses new commands and resolves when all accepted ones are answered. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        // Let everything that arrives in this turn of the event loop join the first batch.
        await turn();
        let batch: Batch<C, A> | undefined = this.#begin(0);
        while (batch) batch = await this.#finish(batch);
      }
    } catch (error) {
      // A fault after a commit: what is in memory no longer follows the log, so nothing more may be decided on it.
      // It leaves here as an unhandled rejection, and the next process begins from the log.
      this.#closed = true;
      for (const { reject } of this.#waiting.splice(0)) reject(new MoltnetError('stopping'));
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * Takes the next batch of what waits, decides it and hands it to the storage. Under load that is half of what is
   * under way: the callers of the other half are answered and send again meanwhile, instead of all of them waiting for
   * the disk and then the disk for all of them.
   */
  #begin(answering: number): Batch<C, A> {
    const half = Math.ceil((answering + this.#waiting.length) / 2);
    const commands = this.#waiting.splice(0, Math.min(Math.max(half, WHOLE), limits.batch.value));
    return { commands, stored: this.#store(commands) };
  }

  /** Answers a batch when it is stored, and begins the next one before that: the storage writes while answers go out. */
  async #finish({ commands, stored }: Batch<C, A>): Promise<Batch<C, A> | undefined> {
    const outcome = await stored;
    if (!(outcome instanceof Failed)) return this.#answer(outcome, true);
    // Storage that fails is no command's guilt: it is not asked again for each of them.
    if (commands.length === 1 || outcome.error instanceof StorageError)
      for (const { reject } of commands) reject(asRefusal(outcome.error));
    else for (const one of commands) await this.#alone(one);
    return undefined;
  }

  async #alone(one: Waiting<C, A>): Promise<void> {
    const outcome = await this.#store([one]);
    if (outcome instanceof Failed) one.reject(asRefusal(outcome.error));
    else this.#answer(outcome, false);
  }

  /** Decides commands against what is committed, and commits them. Failed: nothing of them was stored or answered. */
  async #store(commands: readonly Waiting<C, A>[]): Promise<Stored<C, A> | Failed> {
    const { store, rules } = this.#options;
    try {
      const drafting = rules.draft(commands.map(({ command }) => command));
      const draft = drafting instanceof Promise ? await drafting : drafting;
      const accepted: Stored<C, A>['accepted'] = [];
      const refused: Stored<C, A>['refused'] = [];
      const writes: Writes[] = [];
      for (const waiting of commands) {
        const decision = draft.decide(waiting.command);
        if ('refusal' in decision) {
          refused.push({ waiting, refusal: decision.refusal });
          continue;
        }
        accepted.push({ waiting, answer: decision.answer });
        if (decision.writes.events.length + decision.writes.rows.length > 0) writes.push(decision.writes);
      }
      const seqs = writes.length > 0 ? await store.commit(writes) : [];
      return { draft, accepted, refused, writes, seqs };
    } catch (error) {
      return new Failed(error);
    }
  }

  /** Makes a stored batch the state, begins the next if it may, publishes and answers. */
  #answer({ draft, accepted, refused, writes, seqs }: Stored<C, A>, begin: boolean): Batch<C, A> | undefined {
    const { onCommitted, onBatch } = this.#options;
    let next: Batch<C, A> | undefined;
    try {
      if (writes.length > 0) onBatch?.(writes.length);
      draft.committed(seqs);
      const answering = accepted.length + refused.length;
      if (begin && this.#waiting.length * FEW > answering) next = this.#begin(answering);
      const events: LogEvent[] = [];
      for (let i = 0; i < writes.length; i++)
        for (let j = 0; j < writes[i]!.events.length; j++)
          events.push(logEventOf(writes[i]!.events[j]!, seqs[i]![j]!));
      onCommitted(events);
    } catch (error) {
      if (next) void this.#answerOnly(next);
      throw error;
    } finally {
      // It is on disk, whatever became of the rest.
      for (const { waiting, answer } of accepted) waiting.resolve(answer);
      for (const { waiting, refusal } of refused) waiting.reject(refusal);
    }
    return next;
  }

  /** After a fault: the batch that was begun is answered as what becomes of it, and decides nothing more. */
  async #answerOnly({ commands, stored }: Batch<C, A>): Promise<void> {
    const outcome = await stored;
    if (outcome instanceof Failed) {
      for (const { reject } of commands) reject(asRefusal(outcome.error));
      return;
    }
    for (const { waiting, answer } of outcome.accepted) waiting.resolve(answer);
    for (const { waiting, refusal } of outcome.refused) waiting.reject(refusal);
  }
}

function logEventOf(event: EventWrite, seq: number): LogEvent {
  const { rows: _, ...written } = event;
  // A copy of ours alone: no second one for one more field.
  return Object.assign(written, { seq });
}

function asRefusal(error: unknown): unknown {
  if (error instanceof ConstraintError)
    return new MoltnetError('conflict', 'another request took this id first', { cause: error });
  if (error instanceof StorageError)
    return new MoltnetError('storage_unavailable', undefined, { cause: error });
  return error;
}
