/** The schema on Postgres: the same steps as SQLite's, one server at a time, each whole or not at all. STO-13. */
import type { Client } from 'pg';
import { migrations, type Migration } from './migrations.ts';
import { schemaToPostgres } from './postgres-sql.ts';
import { StorageError } from './errors.ts';

const NETWORK_ID = 'store.network_id';
/** Key of the advisory lock: servers that start together migrate one after the other. */
const LOCK = 0x6d6f6c74;

/**
 * Brings the database to the newest schema and makes it this network's. Refuses, with StorageError and without a
 * change, one that is not ours to open: another network's, or one that a newer program left for newer ones only.
 */
export async function migratePostgres(
  client: Client,
  shown: string,
  networkId: string,
  steps: readonly Migration[] = migrations,
): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const version = await inspect(client, shown, networkId, steps);
    for (const step of steps) {
      if (step.version <= version) continue;
      await client.query(`CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, name TEXT NOT NULL,
        min_reader BIGINT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())`);
      const sql = step.postgres ?? schemaToPostgres(step.sql);
      if (sql.trim() !== '') await client.query(sql);
      await client.query('INSERT INTO schema_versions (version, name, min_reader) VALUES ($1, $2, $3)', [
        step.version,
        step.name,
        step.min_reader,
      ]);
    }
    // Servers that run see it with their next commit or look for news.
    await client.query(
      'UPDATE log_head SET min_reader = m.newest FROM (SELECT max(min_reader) AS newest FROM schema_versions) m WHERE log_head.min_reader < m.newest',
    );
    await client.query('INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      NETWORK_ID,
      networkId,
    ]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

async function inspect(
  client: Client,
  shown: string,
  networkId: string,
  steps: readonly Migration[],
): Promise<number> {
  const found = await client.query<{ versions: string | null; meta: string | null }>(
    `SELECT to_regclass('schema_versions')::TEXT AS versions, to_regclass('meta')::TEXT AS meta`,
  );
  if (found.rows[0]!.versions === null) {
    if (found.rows[0]!.meta === null) return 0;
    throw new StorageError(
      `the database ${shown} has tables of another program (meta). Name another database, or one with a schema of its own in its search_path; this one was not changed.`,
    );
  }
  const { rows } = await client.query<{ version: number; min_reader: number }>(
    'SELECT max(version) AS version, max(min_reader) AS min_reader FROM schema_versions',
  );
  const { version, min_reader } = rows[0]!;
  const ours = steps.at(-1)?.version ?? 0;
  if (min_reader > ours)
    throw new StorageError(
      `the database ${shown} has schema ${version}, which needs a program that knows schema ${min_reader} or newer; this one knows ${ours}. Update moltnet.`,
    );
  const owner = await client.query<{ value: string }>('SELECT value FROM meta WHERE key = $1', [NETWORK_ID]);
  const value = owner.rows[0]?.value;
  if (value !== undefined && value !== networkId)
    throw new StorageError(
      `the database ${shown} belongs to the network ${JSON.stringify(value)}, and this server's is ${JSON.stringify(networkId)}. Set network.id back, or name another database.`,
    );
  return version ?? 0;
}
