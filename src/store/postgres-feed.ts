/**
 * What other servers commit, in order: told of by NOTIFY, carried by answers to commits, and read from `changes`.
 * A poll finds what nobody told of, often where LISTEN does not work (a pooler that lends sessions per transaction).
 */
import type { Client } from 'pg';
import { drop, type Sessions, type Statement } from './postgres-sessions.ts';
import type { ChangedRow } from './postgres-packing.ts';
import { EVENT, logEvent, type Row } from './sqlite-rows.ts';
import { StorageError } from './errors.ts';
import { newestSchema } from './migrations.ts';
import type { ForeignBatch, ForeignRow } from './peers.ts';

/** Milliseconds between two polls: while NOTIFY tells of everything, and while it does not. */
const POLL = 500;
const POLL_FAST = 40;
/** For how long polling stays fast after it found what NOTIFY had not told of, and until a listener connects again. */
const FAST_FOR = 30_000;
const RECONNECT = 500;
const LISTENING = 10_000;
/** Batches that one read takes at most. */
const STRETCH = 32;

/** A batch of another server, as moltnet_missed_2 gives it. */
interface MissedBatch {
  stamp: number;
  after_seq: number;
  last_seq: number;
  /** ChangedRow[] as JSON; empty for a batch that was given up. */
  rows: string;
  events: Row[] | null;
}

const NEWS: Statement = {
  name: 'moltnet_feed_news',
  text: `SELECT h.stamp, h.min_reader,
    CASE WHEN h.run_by = $1 AND h.run_from - 1 <= $2 THEN '[]' ELSE moltnet_missed_2($1, $2, h.stamp) END AS missed,
    (SELECT json_agg(c.stamp ORDER BY c.stamp) FROM changes c WHERE c.stamp > $2 AND c.server = $1) AS own FROM log_head h`,
};
const STRETCH_OF: Statement = {
  name: 'moltnet_feed_stretch',
  text: `SELECT stamp, server, after_seq, last_seq, rows FROM changes WHERE stamp > $1 AND stamp <= $2 ORDER BY stamp LIMIT ${STRETCH}`,
};
const EVENTS: Statement = {
  name: 'moltnet_feed_events',
  text: `SELECT ${EVENT} FROM events e WHERE e.seq > $1 AND e.seq <= $2 ORDER BY e.seq`,
};

export interface FeedOptions {
  sessions: Sessions;
  channel: string;
  /** Of the newest commit at the opening, and the newest event. */
  stamp: number;
  head: number;
  warn: (message: string) => void;
  /** A fault: what is in memory no longer follows the log. */
  fault: (error: unknown) => void;
}

export class Feed {
  readonly #options: FeedOptions;
  /** Which server we are in `changes`; another one after a commit that nobody knows the end of. */
  server = newServerId();
  #follower: ((batch: ForeignBatch) => void) | undefined;
  /** Everything up to this stamp was taken over. */
  #applied: number;
  /** Stamp of the newest batch that was given to the follower; at first that of the opening. */
  position: number;
  head: number;
  /** Newest stamp that NOTIFY told of. */
  #told = 0;
  #currentAt = performance.now();
  #reading: Promise<number> | undefined;
  #next: Promise<void> | undefined;
  #again = false;
  #commits = 0;
  /** Resolved when a commit of ours is answered. */
  #answered = Promise.withResolvers<void>();
  #turn = Promise.withResolvers<void>();
  /** Why this server cannot go on: a gap that cannot be closed any more, or a schema that it does not know. */
  #lost: StorageError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #fastUntil = 0;
  #listener: Client | undefined;
  #closed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#applied = this.position = options.stamp;
    this.head = options.head;
  }

  get applied(): number {
    return this.#applied;
  }
  /** Milliseconds since it was known that nothing is missing. */
  get behind(): number {
    return performance.now() - this.#currentAt;
  }

  follow(follower: (batch: ForeignBatch) => void): void {
    this.#follower = follower;
    void this.#listen();
    this.#poll();
  }

  /** Resolves when a server says that its turn is over; that may be missed. */
  get turn(): Promise<void> {
    return this.#turn.promise;
  }

  /** A commit of ours is under way: its answer will bring the news. */
  committing(): () => void {
    this.#commits++;
    return () => {
      this.#commits--;
      this.#answered.resolve();
      this.#answered = Promise.withResolvers();
      if (this.#told > this.#applied) this.#look();
    };
  }

  /**
   * Takes what an answer of the database carried: all foreign batches after `seen` and up to `upTo` as JSON, or null
   * when that is much. Resolves when everything up to there was taken over.
   */
  async take(missed: string | null, upTo: number, seen: number): Promise<void> {
    if (upTo <= this.#applied) return;
    if (missed === null && upTo > seen) return this.#readUpTo(upTo);
    for (const batch of missed === null ? [] : (JSON.parse(missed) as MissedBatch[]))
      if (batch.stamp <= upTo) this.#apply(batch);
    this.#requireAll(upTo);
  }

  /** Our own commit is the newest that was taken over. */
  own(stamp: number, head: number): void {
    this.#reached(stamp);
    this.head = Math.max(this.head, head);
    this.#currentAt = performance.now();
  }

  /** Resolves when everything committed before this call was taken over. Those who ask meanwhile share the next look. */
  catchUp(): Promise<void> {
    return (this.#next ??= this.#lookNext());
  }

  async #lookNext(): Promise<void> {
    await this.#reading?.catch(() => {});
    this.#next = undefined;
    const upTo = await this.#read();
    // What others committed behind a commit of ours that is under way comes after its answer.
    for (let under = true; under && this.#applied < upTo && !this.#closed;) {
      under = this.#commits > 0;
      if (under) await this.#answered.promise;
      await this.#read();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#listener) drop(this.#listener);
    await this.#reading?.catch(() => {});
  }

  #reached(stamp: number): void {
    if (stamp > this.#applied) this.#applied = stamp;
  }

  /** Each commit has a stamp: one that is missing was forgotten, and what is in memory cannot go on without it. */
  #requireAll(upTo: number): void {
    if (this.#applied >= upTo) return;
    throw this.#end(
      'this server was away for so long that it cannot follow what the others did: start it again',
    );
  }

  /** A newer program has changed the schema so that this one must not go on (STO-13). Ends the server. */
  endOutdated(): never {
    throw this.#end(
      `a newer version of moltnet has changed the database so that this one, which knows schema ${newestSchema}, must not go on with it. Update moltnet.`,
    );
  }

  #end(why: string): StorageError {
    if (!this.#lost) {
      this.#lost = new StorageError(why);
      this.#options.fault(this.#lost);
    }
    return this.#lost;
  }

  #apply({ stamp, after_seq, last_seq, rows, events }: MissedBatch): void {
    if (stamp <= this.#applied) return;
    this.#requireAll(stamp - 1);
    const batch = {
      position: stamp,
      events: (events ?? []).map(logEvent),
      rows: foreignRows(rows, after_seq),
    };
    this.#applied = this.position = stamp;
    this.head = Math.max(this.head, last_seq);
    if (this.#closed || !this.#follower) return;
    try {
      this.#follower(batch);
    } catch (error) {
      this.#options.fault(error);
    }
  }

  /** Looks for news; one look at a time, and one more when it was asked for meanwhile. */
  #look(): void {
    if (this.#closed || this.#commits > 0) return;
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#read().catch(() => {
      // The poll tries again; `behind` grows meanwhile.
    });
  }

  /** Resolves with the stamp of the newest commit there is: all was taken over but what is behind a commit of ours that is under way. */
  #read(): Promise<number> {
    if (this.#reading) return this.#reading.then(() => this.#read());
    const reading = this.#readNews().finally(() => {
      this.#reading = undefined;
      if (this.#again) {
        this.#again = false;
        this.#look();
      }
    });
    this.#reading = reading;
    return reading;
  }

  async #readNews(): Promise<number> {
    const at = performance.now();
    const seen = this.#applied;
    const [row] = await this.#options.sessions.read(NEWS, [this.server, seen]);
    const { stamp, min_reader, missed, own } = row as {
      stamp: number;
      min_reader: number;
      missed: string | null;
      own: number[] | null;
    };
    if (min_reader > newestSchema) this.endOutdated();
    if (stamp > this.#applied && this.#told < stamp && missed !== '[]') this.#fastUntil = at + FAST_FOR;
    // A commit of ours that is not answered yet comes first: its answer will go on from there.
    const unanswered = own?.find((each) => each > this.#applied);
    const upTo = unanswered === undefined ? stamp : unanswered - 1;
    if (missed === null) await this.#readUpTo(upTo);
    else {
      for (const batch of JSON.parse(missed) as MissedBatch[]) if (batch.stamp <= upTo) this.#apply(batch);
      this.#requireAll(upTo);
    }
    if (upTo === stamp) this.#currentAt = Math.max(this.#currentAt, at);
    return stamp;
  }

  async #readUpTo(upTo: number): Promise<void> {
    const { sessions } = this.#options;
    while (this.#applied < upTo) {
      const stretch = (await sessions.read(STRETCH_OF, [this.#applied, upTo])) as unknown as (MissedBatch & {
        server: number;
      })[];
      if (stretch.length === 0) return this.#requireAll(upTo);
      const events = (await sessions.read(EVENTS, [
        stretch[0]!.after_seq,
        stretch.at(-1)!.last_seq,
      ])) as Row[];
      for (const batch of stretch) {
        const own = batch.server === this.server;
        if (own) {
          this.#requireAll(batch.stamp - 1);
          this.#reached(batch.stamp);
        } else
          this.#apply({
            ...batch,
            events: events.filter((event) => {
              const seq = event['seq'] as number;
              return seq > batch.after_seq && seq <= batch.last_seq;
            }),
          });
      }
    }
  }

  #poll(): void {
    if (this.#closed) return;
    const slow = this.#listener !== undefined && performance.now() > this.#fastUntil;
    this.#timer = setTimeout(
      () => {
        this.#look();
        this.#poll();
      },
      slow ? POLL : POLL_FAST,
    );
    this.#timer.unref();
  }

  async #listen(): Promise<void> {
    const { sessions, channel, warn } = this.#options;
    let warned = false;
    while (!this.#closed && !sessions.pooled) {
      try {
        const client = await sessions.connect(LISTENING);
        if (this.#closed) return drop(client);
        const ended = new Promise<void>((resolve) =>
          client.once('end', resolve).once('error', () => resolve()),
        );
        client.on('notification', ({ channel: of, payload }) => {
          if (of !== channel) {
            this.#turn.resolve();
            this.#turn = Promise.withResolvers();
            return;
          }
          this.#told = Math.max(this.#told, Number(payload));
          if (this.#told > this.#applied) this.#look();
        });
        await client.query(`LISTEN ${channel}; LISTEN ${channel}_turn`);
        this.#listener = client;
        warned = false;
        this.#look();
        await this.#alive(client, ended);
        drop(client);
      } catch (error) {
        if (!warned)
          warn(
            `news of other servers are polled for, because listening failed: ${error instanceof Error ? error.message : String(error)}`,
          );
        warned = true;
      }
      this.#listener = undefined;
      await new Promise((resolve) => setTimeout(resolve, RECONNECT).unref());
    }
  }

  /** Resolves when the listening connection has ended, or does not answer. */
  async #alive(client: Client, ended: Promise<void>): Promise<void> {
    const over = ended.then(() => true);
    for (;;) {
      const waited = new Promise<false>((resolve) => setTimeout(resolve, LISTENING, false).unref());
      if ((await Promise.race([over, waited])) || this.#closed) return;
      const answers = await client.query('SELECT 1').then(
        () => true,
        () => false,
      );
      if (!answers) return;
    }
  }
}

/** 48 random bits: no two servers of one database are the same. */
export const newServerId = (): number => Math.floor(Math.random() * 2 ** 48) + 1;

function foreignRows(rows: string, after: number): ForeignRow[] {
  if (rows === '') return [];
  return (JSON.parse(rows) as ChangedRow[]).map(({ i, first, held_first, keep_hold, row }) => ({
    row,
    seq: after + i,
    ...(first !== undefined && { first_seq: after + first }),
    ...(held_first !== undefined && { held_seq: after + held_first }),
    ...(keep_hold !== undefined && { keep_hold }),
  }));
}
