/**
 * The writer: commands wait in one queue; when the previous batch is on disk, all that wait are decided in order by a
 * pure rule and committed in ONE durable transaction; then all are answered. What the rule is, the network floor says.
 *
 * STO-4 an answer is given only after the commit. STO-5 a batch that fails as a whole is run command by command, so
 * that only the guilty one is refused.
 */
import { limits } from '../protocol/limits.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { ConstraintError, StorageError, type LogEvent, type Store, type Writes } from './store.ts';

/** What the rules make of one command: writes and an answer, or a refusal. */
export type Decision<A> = { writes: Writes; answer: A } | { refusal: MoltnetError };

/** Decides the commands of one batch, each seeing what the ones before it will have changed. */
export interface Draft<C, A> {
  decide(command: C): Decision<A>;
  /** The batch is on disk: make the changes of this draft the state. */
  committed(): void;
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

  /** Resolves with the answer once it is durable. Rejects with MoltnetError for refusals. */
  submit(command: C): Promise<A> {
    if (this.#closed) return Promise.reject(new MoltnetError('stopping'));
    if (this.#waiting.length >= limits.writer_queue.value) return Promise.reject(new MoltnetError('overloaded'));
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
    // Let everything that arrives in this turn of the event loop join the first batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, limits.batch.value);
      if (!(await this.#commit(batch)) && batch.length > 1) for (const one of batch) await this.#commit([one], true);
    }
    this.#running = undefined;
  }

  /** False when the batch failed as a whole and nothing of it was stored or answered. */
  async #commit(batch: Waiting<C, A>[], last = batch.length === 1): Promise<boolean> {
    const { store, rules, onCommitted } = this.#options;
    const accepted: { waiting: Waiting<C, A>; writes: Writes; answer: A }[] = [];
    const refused: { waiting: Waiting<C, A>; refusal: unknown }[] = [];
    try {
      const draft = await rules.draft(batch.map((waiting) => waiting.command));
      for (const waiting of batch) {
        const decision = draft.decide(waiting.command);
        if ('refusal' in decision) refused.push({ waiting, refusal: decision.refusal });
        else accepted.push({ waiting, ...decision });
      }
      const writing = accepted.filter(({ writes }) => writes.events.length + writes.rows.length > 0);
      const seqs = writing.length > 0 ? await store.commit(writing.map(({ writes }) => writes)) : [];
      draft.committed();
      onCommitted(writing.flatMap(({ writes }, i) => writes.events.map(({ rows: _, ...event }, j) => ({ ...event, seq: seqs[i]![j]! }))));
    } catch (error) {
      if (!last) return false;
      for (const { reject } of batch) reject(asRefusal(error));
      return true;
    }
    for (const { waiting, answer } of accepted) waiting.resolve(answer);
    for (const { waiting, refusal } of refused) waiting.reject(refusal);
    return true;
  }
}

function asRefusal(error: unknown): unknown {
  if (error instanceof ConstraintError) return new MoltnetError('conflict', 'another request took this id first', { cause: error });
  if (error instanceof StorageError) return new MoltnetError('storage_unavailable', undefined, { cause: error });
  return error;
}
