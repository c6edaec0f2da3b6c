/**
 * Commits on Postgres: each is one call of one function, over one connection, in the order in which they were asked for.
 * One that was decided over the one before it does not wait for that one's answer: it goes after it on the same
 * connection and names it, so that it is stored only when that one was. STO-42, STO-50, STO-51.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { StateMovedError, StorageError } from './errors.ts';
import { EVENT_COLUMNS } from './postgres-commit-sql.ts';
import { asStoreError, isAway, isLostStatement, isReadOnly, isUnsure } from './postgres-errors.ts';
import { newestSchema } from './migrations.ts';
import { newServerId, type Feed } from './postgres-feed.ts';
import { createPacker, type PackedBatch } from './postgres-packing.ts';
import { drop, run, type Sessions, type Statement } from './postgres-sessions.ts';
import type { Writes } from './writes.ts';

/** Milliseconds: a commit; how long the end of a broken commit is looked for. */
const COMMIT = 8_000;
const RESOLVE = 5_000;
/** After a connection failed: until when nobody tries again. */
const PAUSE = 250;
/** While it is another server's turn: at first, and at most. */
const WAIT = 3;
const LONGEST_WAIT = 12;
/**
 * After another server's commit so many of ours in a row show that it commits no more. One is not enough: of two that
 * are busy one comes twice in a row now and then, and would go on in halves of what waits.
 */
const CONTENDED = 4;
/** Writes of a batch from which on its server is busy. */
const MANY = 8;

const PARAMETERS = 14 + EVENT_COLUMNS.length + 4;
const COMMIT_SQL: Statement = {
  name: 'moltnet_commit_3',
  text: `SELECT * FROM moltnet_commit_3(${Array.from({ length: PARAMETERS }, (_, i) => `$${i + 1}`).join(', ')})`,
};
/** In the place of what its server has taken over: the answer says nothing of what was missed, which is asked for apart. */
const APART = Number.MAX_SAFE_INTEGER;
const MISSED_SQL: Statement = {
  name: 'moltnet_commit_missed',
  text: 'SELECT moltnet_missed_2($1, $2, h.stamp) AS missed FROM log_head h',
};
const RESOLVE_SQL: Statement = {
  name: 'moltnet_resolve_2',
  text: 'SELECT * FROM moltnet_resolve_2($1, $2, $3)',
};

interface Outcome {
  verdict: 'done' | 'moved' | 'wait' | 'after' | 'void' | 'old';
  before: number;
  after_stamp: number;
  missed: string | null;
}

/** A batch on its way to the database. */
interface Asked {
  batch: string;
  run: number | undefined;
  client: Client;
  /** What the server had taken over when it was sent. */
  applied: number;
  answer: Promise<Outcome>;
  /** What was missed, when it was asked for apart. */
  missed: Promise<string | null> | undefined;
}

/** A batch that waits for its turn, or is on its way. */
interface Pending {
  packed: PackedBatch;
  /** It is of so many that there are probably more. */
  many: boolean;
  run: number | undefined;
  decidedAt: number | undefined;
}

export interface CommitsOptions {
  sessions: Sessions;
  feed: Feed;
  /** The database, as it may be named. */
  shown: string;
  channel: string;
  /** No other server lives that is to be told. */
  isAlone: () => boolean;
}

export class Commits {
  readonly #options: CommitsOptions;
  readonly #pack = createPacker();
  #client: Client | undefined;
  #failed: { until: number; error: unknown } | undefined;
  /** Answers are taken one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  /** The newest batch that was sent and is not answered. */
  #ahead: Asked | undefined;
  /** The run that failed last, and whether what failed was certainly not stored. */
  #failedRun: { run: number; sure: boolean } | undefined;
  /** Commits in a row that others were faster than: it gets its turn. */
  #moved = 0;
  /** Stamp of the newest commit of ours, and how many more of them it takes until no other server is expected between. */
  #newest = 0;
  #contended = 0;

  constructor(options: CommitsOptions) {
    this.#options = options;
  }

  get contended(): boolean {
    return this.#contended > 0;
  }

  /** Resolves with the head from before the batch, after the commits before it (STO-42). */
  commit(writes: readonly Writes[], run: number | undefined, decidedAt: number | undefined): Promise<number> {
    const turn = this.#turn(this.#last, writes, run, decidedAt);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Resolves when all that were asked for are done. */
  async close(): Promise<void> {
    await this.#last;
    if (this.#client) this.#disconnect(this.#client);
  }

  async #turn(
    before: Promise<unknown>,
    writes: readonly Writes[],
    run: number | undefined,
    decidedAt: number | undefined,
  ): Promise<number> {
    const { feed, shown } = this.#options;
    const committed = feed.committing();
    try {
      let pending: Pending | undefined;
      let fault: unknown;
      let asked: Asked | undefined;
      try {
        pending = { packed: this.#pack(writes), many: writes.length >= MANY, run, decidedAt };
        asked = this.#askAhead(pending);
      } catch (error) {
        fault = error;
      }
      await before;
      if (run !== undefined && run === this.#failedRun?.run) await this.#giveUp(asked);
      if (!pending) throw fault;
      return await this.#commit(pending, asked);
    } catch (error) {
      if (run !== undefined && run !== this.#failedRun?.run)
        this.#failedRun = { run, sure: !(error instanceof UnknownEnd) };
      throw asStoreError(error, shown);
    } finally {
      committed();
    }
  }

  /** Sends it behind the batch that it was decided over, when that is on its way. */
  #askAhead(pending: Pending): Asked | undefined {
    const { sessions } = this.#options;
    const { run } = pending;
    const ahead = this.#ahead;
    if (!ahead || run === undefined || ahead.run !== run || run === this.#failedRun?.run) return undefined;
    if (sessions.pooled || ahead.client !== this.#client) return undefined;
    return this.#ask(ahead.client, pending, ahead.batch);
  }

  /** One before it in its run has failed. Throws. */
  async #giveUp(asked: Asked | undefined): Promise<never> {
    const moved = new StateMovedError('a commit before this one in its run has failed');
    if (!asked) throw moved;
    const stored = await asked.answer.then(({ verdict }) => verdict === 'done', isUnsure);
    // What names a batch that is not there is not stored.
    throw stored && !this.#failedRun!.sure ? this.#unknown(undefined) : moved;
  }

  async #commit(pending: Pending, sent: Asked | undefined): Promise<number> {
    const { feed, shown } = this.#options;
    let asked = sent;
    for (let broken = 0, wait = WAIT; ;) {
      const outcome = await this.#outcome(asked ?? this.#ask(await this.#connected(), pending, null));
      asked = undefined;
      switch (outcome.verdict) {
        case 'done':
          this.#moved = 0;
          if (outcome.after_stamp > this.#newest + 1 && this.#newest > 0) this.#contended = CONTENDED;
          else if (this.#contended > 0) this.#contended--;
          this.#newest = outcome.after_stamp;
          feed.own(outcome.after_stamp, outcome.before + pending.packed.count);
          return outcome.before;
        case 'moved':
          this.#moved++;
          throw new StateMovedError('another server has changed what this was decided on');
        case 'wait':
          await Promise.race([delay(wait), feed.turn]);
          wait = Math.min(2 * wait, LONGEST_WAIT);
          continue;
        case 'old':
          return feed.endOutdated();
        case 'after':
          // It named an attempt at the one before it that was not the one that was stored.
          continue;
        case 'void':
          if (broken++ > 0)
            throw new StorageError(`the database ${shown} breaks the connection again and again`);
      }
    }
  }

  #ask(client: Client, { packed, many, run: ofRun, decidedAt }: Pending, follows: string | null): Asked {
    const { sessions, feed, channel, isAlone } = this.#options;
    const { applied, server } = feed;
    const { count, columns, inThreads, inDms, conversations, pairs, groups, changed, moves, decides } =
      packed;
    const batch = randomUUID();
    const checks = decides && decidedAt !== undefined;
    // The next in line is another server: it need not wait until what it wrote before is written out for us.
    const apart = this.contended && !sessions.pooled;
    const answer = run(
      client,
      COMMIT_SQL,
      [
        newestSchema,
        batch,
        follows,
        server,
        decidedAt ?? 0,
        apart ? APART : applied,
        checks,
        this.#moved,
        many,
        moves,
        isAlone() ? null : channel,
        count,
        inThreads,
        inDms,
        ...columns,
        conversations,
        pairs,
        groups,
        changed,
      ],
      !sessions.pooled,
    ).then(({ rows }) => rows[0] as Outcome);
    const missed = apart
      ? run(client, MISSED_SQL, [server, applied], true).then(
          ({ rows }) => rows[0]!['missed'] as string | null,
          () => null,
        )
      : undefined;
    const asked: Asked = { batch, run: ofRun, client, applied, answer, missed };
    this.#ahead = asked;
    const answered = (): void => {
      if (this.#ahead === asked) this.#ahead = undefined;
    };
    answer.then(answered, answered);
    return asked;
  }

  /** What became of it, when what was missed before it was taken over. */
  async #outcome({ answer, client, batch, applied, missed: apart }: Asked): Promise<Outcome> {
    const { sessions, feed } = this.#options;
    let outcome: Outcome;
    try {
      outcome = await answer;
    } catch (error) {
      if (isLostStatement(error)) {
        sessions.pooled = true;
        this.#disconnect(client);
        return { verdict: 'void', before: 0, after_stamp: 0, missed: null };
      }
      const readOnly = isReadOnly(error);
      if (readOnly || isUnsure(error)) this.#disconnect(client);
      // Those that read would go on reading what that server has.
      if (readOnly) sessions.renew();
      if (!isUnsure(error)) throw error;
      outcome = await this.#resolve(batch);
      await this.#before(() => feed.take(null, outcome.after_stamp - 1, 0));
      if (outcome.verdict === 'void') feed.own(outcome.after_stamp, 0);
      return outcome;
    }
    const { verdict, after_stamp } = outcome;
    if (verdict === 'after' || verdict === 'old') return outcome;
    const missed = apart ? await apart : outcome.missed;
    // Everything before our own commit, and nothing of it: that is the caller's to make the state.
    const upTo = verdict === 'done' ? after_stamp - 1 : after_stamp;
    await this.#before(() => feed.take(missed, upTo, applied));
    return outcome;
  }

  /** Takes over what others committed before a commit of ours, which stands whatever happens now. */
  async #before(take: () => Promise<void>): Promise<void> {
    const { sessions } = this.#options;
    const until = performance.now() + RESOLVE * sessions.patience;
    for (;;) {
      try {
        return await take();
      } catch (error) {
        if (performance.now() < until && isAway(error)) {
          await delay(PAUSE);
          continue;
        }
        throw this.#unknown(error);
      }
    }
  }

  /** If it was stored, it comes back to us as somebody else's. */
  #unknown(cause: unknown): UnknownEnd {
    const { feed, shown } = this.#options;
    feed.server = newServerId();
    return new UnknownEnd(
      `the database ${shown} went away during a commit, which may have been stored: repeat it with the same message id`,
      { cause },
    );
  }

  /** What became of a commit whose answer was lost. Rejects with StorageError when the database stays away. */
  async #resolve(batch: string): Promise<Outcome> {
    const { sessions, feed, channel } = this.#options;
    const until = performance.now() + RESOLVE * sessions.patience;
    for (;;) {
      try {
        const client = await this.#connected();
        const { rows } = await run(client, RESOLVE_SQL, [batch, feed.server, channel], !sessions.pooled);
        return { ...(rows[0] as Outcome), missed: null };
      } catch (error) {
        if (this.#client) this.#disconnect(this.#client);
        if (performance.now() < until && (isAway(error) || isLostStatement(error))) {
          await delay(PAUSE);
          continue;
        }
        throw this.#unknown(error);
      }
    }
  }

  async #connected(): Promise<Client> {
    const { sessions, shown } = this.#options;
    if (this.#client) return this.#client;
    if (this.#failed && performance.now() < this.#failed.until) throw this.#failed.error;
    try {
      const client = await sessions.connect(COMMIT, !sessions.pooled);
      client.once('end', () => {
        if (this.#client === client) this.#client = undefined;
      });
      this.#failed = undefined;
      return (this.#client = client);
    } catch (error) {
      const known = asStoreError(error, shown);
      const failure =
        known instanceof StorageError
          ? known
          : new StorageError(`the database ${shown} cannot be reached`, { cause: error });
      this.#failed = { until: performance.now() + PAUSE, error: failure };
      throw failure;
    }
  }

  #disconnect(client: Client): void {
    drop(client);
    if (this.#client === client) this.#client = undefined;
  }
}

/** A commit of which nobody knows whether it was stored. */
class UnknownEnd extends StorageError {}
