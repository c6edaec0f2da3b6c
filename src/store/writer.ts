/**
 * The writer: commands wait in one queue. A batch of them is decided in order by a pure rule and committed in ONE
 * durable transaction; what comes meanwhile is decided over that batch and handed to the storage as the next one, so
 * that the storage never waits for the deciding and the answering. What the rule is, the network floor says.
 *
 * STO-4 an answer is given only after the commit. STO-5 a batch that fails as a whole is run command by command, so
 * that only the guilty one is refused. STO-41 what was decided over a batch that fails is thrown away and decided again;
 * so is a batch whose state another process moved (StateMovedError), after `catchUp`.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { limits } from '../protocol/limits.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { ConstraintError, StateMovedError, StorageError } from './errors.ts';
import { Gathering } from './gathering.ts';
import type { LogEvent } from './log-rows.ts';
import type { Store } from './store.ts';
import { answerOnly, asRefusal, Failed, logEventOf, type Batch, type Waiting } from './writer-batch.ts';
import type { Writes } from './writes.ts';

/** What the rules make of one command: writes and an answer, or a refusal. */
export type Decision<A> = { writes: Writes; answer: A } | { refusal: MoltnetError };

/** Decides the commands of one batch, each seeing what the ones before it will have changed. */
export interface Draft<C, A> {
  decide(command: C): Decision<A>;
  /** The batch is on disk: make the changes of this draft the state. seqs[i][j] is that of event j of the i-th decision that wrote anything. */
  committed(seqs: readonly (readonly number[])[]): void;
}

export interface Rules<C, A> {
  /**
   * Loads what the commands need to be decided (existing ids, conversations) and opens a draft over the state, or over
   * what the draft `over` will make of it: that one is decided and not yet on disk. From the call until the last
   * `decide` no draft is made the state. A draft that is thrown away hears nothing more, and nor does what was
   * decided over it.
   */
  draft(commands: readonly C[], over: Draft<C, A> | undefined): Draft<C, A> | Promise<Draft<C, A>>;
  /**
   * The storage has answered StateMovedError: resolves when the state is what the storage holds by now. Asked for
   * while no draft is open. For storage that only one process writes there is nothing to do.
   */
  catchUp?(): Promise<void>;
}

export interface WriterOptions<C, A> {
  store: Store;
  rules: Rules<C, A>;
  /** Called with each committed batch's events, in seq order, before its commands are answered. */
  onCommitted: (events: LogEvent[]) => void;
  /** Position (Store.position) of the newest batch of another server that is in the state. */
  position?: () => number;
  /** Told the number of commands of each committed batch that wrote something. Must not throw. */
  onBatch?: (commands: number) => void;
}

/** Batches that are decided and not answered: one that is written, and one that is ready for when it is. */
const DEPTH = 2;
/** So few commands are one batch, whatever else is under way: a sync of the disk costs as much as they do. */
const WHOLE = 16;
/**
 * When no more wait than one to so many that are to be answered, the answers go out first: a sync for a few would hold
 * up the many whose next requests are already on their way.
 */
const FEW = 4;
/** Of what lets others go first, so many commands go along with a batch: whoever comes next waits for no more. */
const ALONG = 32;
/** Who wrote so many milliseconds ago is taken to write on. */
const WRITES_ON = 250;
/** Times that a batch is decided again because of another process, before it is refused. */
const TRIES = 16;

/** Names the runs of commits of all writers of this process (Store.commit). */
let runs = 0;

export class Writer<C, A> {
  readonly #options: WriterOptions<C, A>;
  #waiting: Waiting<C, A>[] = [];
  /** Those that let the others go first. */
  readonly #behind: Waiting<C, A>[] = [];
  /** So many of those at the front are batches of their own, none begun before the one before it is answered. */
  #alone = 0;
  /** In the order of their commits. */
  #pending: Batch<C, A>[] = [];
  #run = ++runs;
  readonly #gathering = new Gathering(() => this.#news.resolve());
  /** Batches in a row that found the state moved. */
  #moved = 0;
  #running: Promise<void> | undefined;
  #news = Promise.withResolvers<void>();
  /** When the last command came that lets nobody go first. */
  #cameAt = -Infinity;
  /** The turn of the event loop in which commands came is not over. */
  #arriving = false;
  #closed = false;
  /** Refusals that wait to be sure. */
  readonly #looking = new Set<Promise<void>>();

  constructor(options: WriterOptions<C, A>) {
    this.#options = options;
  }

  /** Commands that wait for the next batch. */
  get waiting(): number {
    return this.#waiting.length + this.#behind.length;
  }

  /** A batch may begin at the end of this turn of the event loop. */
  get due(): boolean {
    return this.#arriving;
  }

  /** Commands come, or came a moment ago, that let nobody go first. */
  get busy(): boolean {
    return this.#waiting.length > 0 || performance.now() - this.#cameAt < WRITES_ON;
  }

  /**
   * Resolves with the answer once it is durable and published. Rejects with MoltnetError for refusals. `stored` is
   * called with the same answer once it is durable, before anything is published: for an answer that leaves the process,
   * whose sender need not wait until all readers were sent the message. Must not throw. `behind`: the command lets those
   * that come without it go first; among its like it keeps its place.
   */
  submit(command: C, stored?: (answer: A) => void, behind = false): Promise<A> {
    if (this.#closed) return Promise.reject(new MoltnetError('stopping'));
    if (this.waiting >= limits.writer_queue.value) return Promise.reject(new MoltnetError('overloaded'));
    if (!behind) this.#cameAt = performance.now();
    return new Promise((resolve, reject) => {
      (behind ? this.#behind : this.#waiting).push({ command, stored, resolve, reject });
      if (!this.#running) this.#running = this.#work();
      else if (!this.#arriving && this.#pending.length < DEPTH) {
        this.#arriving = true;
        setImmediate(this.#arrived);
      }
    });
  }

  readonly #arrived = (): void => {
    this.#arriving = false;
    this.#news.resolve();
  };

  /** Refuses new commands and resolves when all accepted ones are answered. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running || this.#looking.size > 0) {
      await this.#running;
      await Promise.all(this.#looking);
    }
  }

  /** One step after the other: while a batch is being decided, no other becomes the state. */
  async #work(): Promise<void> {
    try {
      // Let everything that arrives in this turn of the event loop join the first batch.
      this.#arriving = true;
      await turn();
      this.#arriving = false;
      for (;;) {
        this.#news = Promise.withResolvers();
        while (this.#mayBegin(0)) await this.#begin(0);
        const oldest = this.#pending[0];
        if (oldest?.outcome instanceof Failed) await this.#failed(oldest.outcome.error);
        else if (oldest?.outcome) await this.#stored(oldest, oldest.outcome);
        else if (oldest || this.waiting > 0) await this.#news.promise;
        else return;
      }
    } catch (error) {
      // A fault after a commit: what is in memory no longer follows the log, so nothing more may be decided on it.
      // It leaves here as an unhandled rejection, and the next process begins from the log.
      this.#closed = true;
      for (const { reject } of [...this.#waiting.splice(0), ...this.#behind.splice(0)])
        reject(new MoltnetError('stopping'));
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  /** @param answering commands whose answers are about to go out */
  #mayBegin(answering: number): boolean {
    const waiting = this.#waiting.length;
    const newest = this.#pending.at(-1);
    const next = waiting + Math.min(this.#behind.length, ALONG);
    if (next === 0) return false;
    if (this.#options.store.contended)
      return !newest && answering === 0 && (this.#alone > 0 || this.#gathering.isOver(next));
    if (!newest) return next * FEW > answering;
    // Behind one that is being written only what is worth a sync of its own; a few wait for the others.
    return (
      this.#pending.length < DEPTH && this.#alone === 0 && newest.draft !== undefined && waiting >= WHOLE
    );
  }

  /**
   * Takes the next batch of what waits, decides it over what is on its way, and hands it to the storage. Under load
   * that is half of what is under way: the callers of the other half are answered and send again meanwhile, instead of
   * all of them waiting for the disk and then the disk for all of them. Of those that let others go first a few go along with
   * each batch: they wait for nobody for ever, and nobody waits for all of them.
   */
  #begin(answering: number): Promise<void> | undefined {
    const over = this.#pending.at(-1);
    const under = answering + (over?.commands.length ?? 0) + this.#waiting.length;
    const alone = this.#alone > 0;
    if (alone) this.#alone--;
    const part = this.#options.store.contended ? under : Math.max(Math.ceil(under / 2), WHOLE);
    const take = alone ? 1 : Math.min(part, limits.batch.value);
    const taken = this.#waiting.splice(0, take);
    if (!alone) taken.push(...this.#behind.splice(0, Math.min(ALONG, limits.batch.value - taken.length)));
    const batch: Batch<C, A> = {
      commands: taken,
      alone,
      decidedAt: this.#options.position?.() ?? 0,
      after: [],
      draft: undefined,
      accepted: [],
      refused: [],
      writes: [],
      outcome: undefined,
      done: Promise.resolve(),
    };
    this.#pending.push(batch);
    try {
      const commands = batch.commands.map(({ command }) => command);
      const drafting = this.#options.rules.draft(commands, over?.draft);
      if (!(drafting instanceof Promise)) return void this.#decide(batch, drafting);
      const failed = (error: unknown): void => void (batch.outcome = new Failed(error));
      return drafting.then((draft) => this.#decide(batch, draft)).catch(failed);
    } catch (error) {
      batch.outcome = new Failed(error);
      return undefined;
    }
  }

  /** Throws a fault of the rules; then nothing of the batch was handed to the storage. */
  #decide(batch: Batch<C, A>, draft: Draft<C, A>): void {
    const { accepted, refused, writes } = batch;
    for (const waiting of batch.commands) {
      const decision = draft.decide(waiting.command);
      if ('refusal' in decision) {
        refused.push({ waiting, refusal: decision.refusal });
        continue;
      }
      accepted.push({ waiting, answer: decision.answer });
      if (decision.writes.events.length + decision.writes.rows.length > 0) writes.push(decision.writes);
    }
    batch.draft = draft;
    if (writes.length === 0) return void (batch.outcome = []);
    batch.done = this.#commit(batch);
  }

  async #commit(batch: Batch<C, A>): Promise<void> {
    try {
      batch.outcome = await this.#options.store.commit(batch.writes, this.#run, batch.decidedAt);
    } catch (error) {
      batch.outcome = new Failed(error);
    }
    this.#news.resolve();
  }

  /** The oldest batch is on disk: makes it the state, publishes and answers it. */
  async #stored({ commands, draft, ...batch }: Batch<C, A>, seqs: number[][]): Promise<void> {
    const { onCommitted, onBatch } = this.#options;
    const { writes } = batch;
    let beginning: Promise<void> | undefined;
    this.#moved = 0;
    this.#pending.shift();
    try {
      if (writes.length > 0) onBatch?.(writes.length);
      draft!.committed(seqs);
      // Storage that has nothing to do gets the next batch first: it writes while the answers go out.
      if (this.#pending.length === 0 && this.#mayBegin(commands.length))
        beginning = this.#begin(commands.length);
      for (const { waiting, answer: given } of batch.accepted) waiting.stored?.(given);
      const events: LogEvent[] = [];
      for (let i = 0; i < writes.length; i++)
        for (let j = 0; j < writes[i]!.events.length; j++)
          events.push(logEventOf(writes[i]!.events[j]!, seqs[i]![j]!));
      onCommitted(events);
    } catch (error) {
      await beginning;
      for (const begun of this.#pending.splice(0)) void begun.done.then(() => answerOnly(begun));
      throw error;
    } finally {
      // It is on disk, whatever became of the rest.
      for (const { waiting, answer: given } of batch.accepted) waiting.resolve(given);
      this.#refuse(batch);
    }
    for (const apply of batch.after) apply();
    if (this.#options.store.contended) this.#gathering.begin(commands.length + this.#waiting.length);
    await beginning;
  }

  /** Nothing of the oldest batch was stored: it leaves no trace, and what was decided over it is decided again. */
  async #failed(error: unknown): Promise<void> {
    const [failed, ...over] = this.#pending.splice(0);
    this.#run = ++runs;
    const { commands } = failed!;
    for (const batch of over) await batch.done;
    if (over.some(({ writes, outcome }) => writes.length > 0 && !(outcome instanceof Failed))) {
      for (const { reject } of commands) reject(asRefusal(error));
      for (const batch of over) answerOnly(batch);
      throw new Error('the storage took what was decided over a batch that it refused');
    }
    // What may have been stored must not be decided a second time.
    const lost = over.filter(
      ({ outcome }) => outcome instanceof Failed && outcome.error instanceof StorageError,
    );
    for (const batch of lost) answerOnly(batch);
    this.#again(...over.filter((batch) => !lost.includes(batch)));
    if (error instanceof StateMovedError && this.#moved++ < TRIES) {
      try {
        await this.#options.rules.catchUp?.();
        return this.#again(failed!);
      } catch (fault) {
        for (const { reject } of commands) reject(asRefusal(fault));
        return;
      }
    }
    this.#moved = 0;
    if (error instanceof ConstraintError && !commands[0]!.taken) {
      // Perhaps by itself, which somebody sent to another server too: then that is the answer, and nobody is guilty.
      for (const command of commands) command.taken = true;
      return this.#again(failed!);
    }
    // Storage that fails is no command's guilt: it is not asked again for each of them.
    if (commands.length > 1 && !(error instanceof StorageError || error instanceof StateMovedError)) {
      this.#waiting.unshift(...commands);
      this.#alone += commands.length;
    } else for (const { reject } of commands) reject(asRefusal(error));
  }

  /** Makes what another server committed the state, in its place: after those of ours that are on disk before it. */
  follow(apply: () => void): void {
    const before = this.#pending.findLast(
      ({ outcome, writes }) => Array.isArray(outcome) && writes.length > 0,
    );
    if (before) before.after.push(apply);
    else apply();
  }

  /** A refusal counts when it was decided on what all servers have committed; else it is decided again (STO-55). */
  #refuse({ refused, decidedAt }: Pick<Batch<C, A>, 'refused' | 'decidedAt'>): void {
    if (refused.length === 0) return;
    const caught = this.#options.store.catchUp();
    if (caught) {
      const looking = this.#sure(caught, refused, decidedAt);
      this.#looking.add(looking);
      void looking.finally(() => this.#looking.delete(looking));
    } else for (const { waiting, refusal } of refused) waiting.reject(refusal);
  }

  async #sure(caught: Promise<void>, refused: Batch<C, A>['refused'], decidedAt: number): Promise<void> {
    const moved = await caught.then(
      () => (this.#options.position?.() ?? 0) !== decidedAt && !this.#closed,
      () => false,
    );
    for (const { waiting, refusal } of refused) {
      waiting.again = (waiting.again ?? 0) + 1;
      if (!moved || waiting.again > TRIES) waiting.reject(refusal);
      else this.#waiting.push(waiting);
    }
    if (this.waiting > 0) this.#running ??= this.#work();
    this.#news.resolve();
  }

  /** Back to the front of the queue, in the order in which they came. */
  #again(...batches: Batch<C, A>[]): void {
    this.#waiting.unshift(...batches.flatMap(({ commands }) => commands));
    for (const { alone } of batches) if (alone) this.#alone++;
  }
}
