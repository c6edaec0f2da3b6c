/**
 * Postgres stores for tests: one server per test file (or the one that MOLTNET_TEST_POSTGRES_DSN names), and a schema
 * of its own for each database that a test wants.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { openStore, type OpenStoreOptions } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';
import { startPostgres, type PostgresServer } from './postgres-server.ts';

export interface TestPostgres {
  /** Address of a fresh, empty schema. */
  fresh(): Promise<string>;
  /** Address of the database itself. */
  base(): string;
  /** Asks the database behind an address. */
  query(dsn: string, sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/** Called in the body of a test file or a describe. */
export function testPostgres(): TestPostgres {
  const given = process.env['MOLTNET_TEST_POSTGRES_DSN'];
  let server: PostgresServer | undefined;
  const base = (): string => given ?? server!.dsn;
  if (given === undefined) {
    beforeAll(async () => {
      server = await startPostgres();
    });
  }
  const made: string[] = [];
  const free: string[] = [];
  afterAll(async () => {
    if (server) return server.stop();
    for (const schema of made) await query(base(), `DROP SCHEMA ${schema} CASCADE`);
  });
  const query: TestPostgres['query'] = async (dsn, sql, values = []) => {
    const client = new pg.Client(dsn);
    await client.connect();
    try {
      return (await client.query(sql, values)).rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  };
  return {
    query,
    base,
    async fresh() {
      let schema = free.pop();
      if (schema === undefined) {
        schema = `t${randomBytes(6).toString('hex')}`;
        made.push(schema);
        await query(base(), `CREATE SCHEMA ${schema}`);
      }
      const taken = schema;
      onTestFinished(async () => {
        // Emptied for the next test: to make it anew takes longer.
        await query(withSchema(base(), taken), EMPTY);
        free.push(taken);
      });
      return withSchema(base(), taken);
    },
  };
}

const EMPTY = `DO $$
DECLARE name TEXT;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'schema_versions' LOOP
    IF name = 'log_head' THEN UPDATE log_head SET seq = 0, stamp = 0, topology = 0, topology_by = 0;
    ELSIF name = 'search_state' THEN UPDATE search_state SET reached = 0, oldest = NULL;
    ELSE EXECUTE format('DELETE FROM %I', name);
    END IF;
  END LOOP;
  -- What the triggers of the others put into it.
  IF to_regclass('relay_taken') IS NOT NULL THEN DELETE FROM relay_taken; END IF;
END $$`;

const withSchema = (dsn: string, schema: string): string => {
  const url = new URL(dsn);
  url.searchParams.set('options', `-c search_path=${schema}`);
  return url.href;
};

/** Opens it as the network `local`; closed when the test ends. */
export async function openPostgres(dsn: string, rest: Partial<OpenStoreOptions> = {}): Promise<Store> {
  const store = await openStore({ kind: 'postgres', dsn, networkId: 'local', ...rest });
  onTestFinished(() => store.close().catch(() => {}));
  return store;
}
