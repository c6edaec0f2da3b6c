/**
 * Connections to one Postgres: a pool for reads, and single clients for what needs its own. Every wait is bounded on
 * this side, so that a database that is stopped or cut off is an error within seconds; nothing here is left to TCP.
 */
import pg, { type Client, type ClientConfig, type QueryResult } from 'pg';
import type { PostgresTarget } from './postgres-dsn.ts';
import { isLostStatement, isReadOnly, isUnsure, sqlState } from './postgres-errors.ts';

/** Milliseconds for: connecting; one read; between two probes of an idle connection. */
const CONNECT = 4_000;
const READ = 8_000;
const KEEPALIVE = 5_000;
const READERS = 6;

/** What a query is; `name` makes it a prepared statement where the sessions are ours. */
export interface Statement {
  name: string;
  text: string;
}
export type Rows = Record<string, unknown>[];

/** seqs and counts are far below 2^53. */
const INT8 = 20;
const types: ClientConfig['types'] = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

export class Sessions {
  readonly target: PostgresTarget;
  /** Sessions are not ours: a pooler lends them for one transaction. */
  pooled: boolean;
  #tls: boolean;
  #pool: pg.Pool;
  #closed = false;
  /** Multiplies every waiting time for the database. */
  readonly patience: number;

  constructor(target: PostgresTarget, patience = 1) {
    this.target = target;
    this.patience = patience;
    this.pooled = target.pooled;
    this.#tls = target.client.ssl !== undefined;
    this.#pool = this.#newPool();
  }

  #config(milliseconds: number): ClientConfig {
    const queryTimeout = milliseconds * this.patience;
    const { ssl, ...client } = this.target.client;
    return {
      application_name: 'moltnet',
      ...client,
      ...(this.#tls && ssl !== undefined && { ssl }),
      types,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEPALIVE,
      connectionTimeoutMillis: CONNECT * this.patience,
      query_timeout: queryTimeout,
      // Of the server's side, for what this side has given up. A pooler takes no such parameters.
      ...(!this.pooled && {
        statement_timeout: 2 * queryTimeout,
        idle_in_transaction_session_timeout: 2 * READ * this.patience,
      }),
    };
  }

  #newPool(): pg.Pool {
    const pool = new pg.Pool({
      ...this.#config(READ),
      max: READERS,
      idleTimeoutMillis: 60_000,
      allowExitOnIdle: true,
    });
    // An idle connection that ends is only that: the next read opens another.
    pool.on('error', () => {});
    // One that breaks while it is used tells its query; the event is for nobody.
    pool.on('connect', (client) => void client.on('error', () => {}));
    return pool;
  }

  /** A client of its own; with `pipeline` its queries do not wait for the answers before them. The caller ends it with `drop`. */
  async connect(queryTimeout: number, pipeline = false): Promise<Client> {
    for (;;) {
      const client = new pg.Client({ ...this.#config(queryTimeout), pipeline });
      client.on('error', () => {});
      try {
        await client.connect();
        return client;
      } catch (error) {
        drop(client);
        if (!this.#adapts(error)) throw error;
      }
    }
  }

  /** True when another way of connecting is to be tried. */
  #adapts(error: unknown): boolean {
    const message = error instanceof Error ? error.message : '';
    const noTls = this.#tls && this.target.prefersTls && /does not support SSL/i.test(message);
    const pooler = !this.pooled && /unsupported startup parameter/i.test(message);
    if (noTls) this.#tls = false;
    if (pooler) this.pooled = true;
    if (noTls || pooler) this.renew();
    return noTls || pooler;
  }

  /** Reads go over new sessions from here on. */
  renew(): void {
    if (this.#closed) return;
    const old = this.#pool;
    this.#pool = this.#newPool();
    old.end().catch(() => {});
  }

  /** One read. Asked once more when the connection broke: it changes nothing. */
  async read(statement: Statement, values: readonly unknown[] = []): Promise<Rows> {
    for (let again = 0; ; again++) {
      try {
        const client = await this.#pool.connect();
        try {
          const { rows } = await run(client, statement, values, !this.pooled);
          client.release();
          return rows as Rows;
        } catch (error) {
          const broken = isUnsure(error);
          if (broken) client.connection.stream.destroy();
          client.release(broken);
          throw error;
        }
      } catch (error) {
        // The others are with the same server, and would go on reading what that one has.
        if (isReadOnly(error)) this.renew();
        if (this.#closed || again >= 2) throw error;
        if (isLostStatement(error)) {
          this.pooled = true;
          this.renew();
        } else if (!this.#adapts(error) && !(isUnsure(error) && again === 0 && isBroken(error))) throw error;
      }
    }
  }

  /** Several reads of one moment: a transaction that takes no lock, and ends within its time-out. */
  async snapshot<T>(reads: (read: (text: string) => Promise<Rows>) => Promise<T>): Promise<T> {
    const client = await this.connect(4 * READ);
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const result = await reads(async (text) => (await client.query(text)).rows as Rows);
      await client.query('COMMIT');
      return result;
    } finally {
      drop(client);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool.end();
  }
}

/** A connection that had been cut before this query: not one on which it waited in vain. */
const isBroken = (error: unknown): boolean =>
  sqlState(error) !== undefined || !/timeout/i.test(error instanceof Error ? error.message : '');

export function run(
  client: Pick<Client, 'query'>,
  { name, text }: Statement,
  values: readonly unknown[],
  named: boolean,
): Promise<QueryResult> {
  return client.query({ ...(named && { name }), text, values: [...values] });
}

/** Ends a connection whether or not the other side listens. */
export function drop(client: Client): void {
  client.on('error', () => {});
  client.end().catch(() => {});
  const { stream } = client.connection;
  setTimeout(() => stream.destroy(), 250).unref();
}
