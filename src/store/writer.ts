/**
 * The writer: commands wait in one queue; when the previous batch is on disk, all that wait are decided in order by a
 * pure rule and committed in ONE durable transaction; then all are answered. What the rule is, the network floor says.
 *
 * STO-4 an answer is given only after the commit. STO-5 a batch that fails as a whole is run command by command, so
 * that only the guilty one is refused.
 */
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
  draft(commands: readonly C[]): Promise<Draft<C, A>>;
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
      // Let everything that arrives in this turn of the event loop join the first batch.
      await Promise.resolve();
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.splice(0, limits.batch.value);
        if (!(await this.#commit(batch)) && batch.length > 1)
          for (const one of batch) await this.#commit([one], true);
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

  /** False when the batch failed as a whole and nothing of it was stored or answered. */
  async #commit(batch: Waiting<C, A>[], last = batch.length === 1): Promise<boolean> {
    const { store, rules, onCommitted, onBatch } = this.#options;
    const accepted: { waiting: Waiting<C, A>; writes: Writes; answer: A }[] = [];
    const refused: { waiting: Waiting<C, A>; refusal: unknown }[] = [];
    let draft: Draft<C, A>;
    let writing: typeof accepted;
    let seqs: number[][];
    try {
      draft = await rules.draft(batch.map((waiting) => waiting.command));
      for (const waiting of batch) {
        const decision = draft.decide(waiting.command);
        if ('refusal' in decision) refused.push({ waiting, refusal: decision.refusal });
        else accepted.push({ waiting, ...decision });
      }
      writing = accepted.filter(({ writes }) => writes.events.length + writes.rows.length > 0);
      seqs = writing.length > 0 ? await store.commit(writing.map(({ writes }) => writes)) : [];
    } catch (error) {
      // Storage that fails is no command's guilt: it is not asked again for each of them.
      if (!last && !(error instanceof StorageError)) return false;
      for (const { reject } of batch) reject(asRefusal(error));
      return true;
    }
    try {
      if (writing.length > 0) onBatch?.(writing.length);
      draft.committed(seqs);
      onCommitted(
        writing.flatMap(({ writes }, i) => writes.events.map((event, j) => logEventOf(event, seqs[i]![j]!))),
      );
    } finally {
      // It is on disk, whatever became of the rest.
      for (const { waiting, answer } of accepted) waiting.resolve(answer);
      for (const { waiting, refusal } of refused) waiting.reject(refusal);
    }
    return true;
  }
}

function logEventOf(event: EventWrite, seq: number): LogEvent {
  const { rows: _, ...written } = event;
  return { ...written, seq };
}

function asRefusal(error: unknown): unknown {
  if (error instanceof ConstraintError)
    return new MoltnetError('conflict', 'another request took this id first', { cause: error });
  if (error instanceof StorageError)
    return new MoltnetError('storage_unavailable', undefined, { cause: error });
  return error;
}
