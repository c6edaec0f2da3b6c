/**
 * The schema as plain, ordered, forward-only steps. Each runs in one transaction together with its row in
 * `schema_versions`, so a crash leaves either the step before it or the step itself. STO-13.
 */
import type { DatabaseSync } from 'node:sqlite';
import { log } from './migrations/0001-log.ts';
import { eventIds } from './migrations/0002-event-ids.ts';
import { credentials } from './migrations/0003-credentials.ts';
import { guard } from './migrations/0004-guard.ts';
import { deliveries } from './migrations/0005-deliveries.ts';
import { catchUp } from './migrations/0006-catch-up.ts';
import { pairings } from './migrations/0007-pairings.ts';
import { servers } from './migrations/0008-servers.ts';
import { endedWakes } from './migrations/0009-ended-wakes.ts';
import { leases } from './migrations/0010-leases.ts';
import { relayMemory } from './migrations/0011-relay-memory.ts';
import { commits } from './migrations/0012-commits.ts';
import { reads } from './migrations/0013-reads.ts';
import { knownSchema } from './migrations/0014-known-schema.ts';
import { StorageError } from './errors.ts';

export interface Migration {
  /** 1, 2, 3 … without holes. */
  version: number;
  name: string;
  /** The oldest version of this list whose program may still open the database after this step. */
  min_reader: number;
  /** For SQLite, and for Postgres as postgres-migrations.ts translates it. */
  sql: string;
  /** For Postgres, where it differs. */
  postgres?: string;
}

/** Append only: a step that was released never changes. */
export const migrations: readonly Migration[] = [
  log,
  eventIds,
  credentials,
  guard,
  deliveries,
  catchUp,
  pairings,
  servers,
  endedWakes,
  leases,
  relayMemory,
  commits,
  reads,
  knownSchema,
];

/** The newest schema that this program knows. */
export const newestSchema = migrations.at(-1)!.version;

/** Key of `meta` that says whose database this is. */
const NETWORK_ID = 'store.network_id';

/** What a database file holds, found without writing to it. */
export interface Inspection {
  /** 0 for a new, empty database. */
  version: number;
}

/**
 * Refuses, with StorageError, a database that is not ours to open: of another program, of another network, or of a
 * newer schema that this program cannot read. Writes nothing, so a refused file is left as it was.
 */
export function inspect(
  db: DatabaseSync,
  path: string,
  networkId: string,
  steps: readonly Migration[] = migrations,
): Inspection {
  const tables = new Set(
    db
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
      .all()
      .map((row) => String(row['name'])),
  );
  if (tables.size === 0) return { version: 0 };
  if (!tables.has('schema_versions')) {
    throw new StorageError(
      `${path} is a SQLite database of another program (its tables: ${[...tables].sort().slice(0, 5).join(', ')}). ` +
        'Set storage.sqlite.path to another file; this one was not changed.',
    );
  }
  const row = db
    .prepare('SELECT max(version) AS version, max(min_reader) AS min_reader FROM schema_versions')
    .get();
  const version = Number(row?.['version'] ?? 0);
  const minReader = Number(row?.['min_reader'] ?? 0);
  const ours = steps.at(-1)?.version ?? 0;
  if (minReader > ours) {
    throw new StorageError(
      `${path} has schema ${version}, which needs a program that knows schema ${minReader} or newer; this one knows ${ours}. ` +
        'Update moltnet, or restore a copy made before the update.',
    );
  }
  const owner = tables.has('meta')
    ? db.prepare('SELECT value FROM meta WHERE key = ?').get(NETWORK_ID)?.['value']
    : undefined;
  if (owner !== undefined && owner !== networkId) {
    throw new StorageError(
      `${path} belongs to the network ${JSON.stringify(owner)}, and this server's is ${JSON.stringify(networkId)}. ` +
        'Set network.id back, or set storage.sqlite.path to another file.',
    );
  }
  return { version };
}

/** Brings an inspected database to the newest schema and makes it this network's. A newer readable schema is left as it is. */
export function migrate(
  db: DatabaseSync,
  from: number,
  networkId: string,
  steps: readonly Migration[] = migrations,
): void {
  for (const step of steps) {
    if (step.version <= from) continue;
    transaction(db, () => {
      db.exec(`CREATE TABLE IF NOT EXISTS schema_versions (
        version INTEGER PRIMARY KEY, name TEXT NOT NULL, min_reader INTEGER NOT NULL, applied_at TEXT NOT NULL)`);
      db.exec(step.sql);
      db.prepare(
        `INSERT INTO schema_versions (version, name, min_reader, applied_at) VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))`,
      ).run(step.version, step.name, step.min_reader);
    });
  }
  db.prepare('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING').run(NETWORK_ID, networkId);
}

/** Runs `body` in one write transaction: all of it or nothing. */
export function transaction<T>(db: DatabaseSync, body: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = body();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    try {
      db.exec('ROLLBACK');
    } catch {
      // After some errors (disk full, I/O) SQLite has rolled back by itself, and says that there is no transaction.
    }
    throw error;
  }
}
