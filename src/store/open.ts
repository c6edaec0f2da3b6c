/** Opens the storage engine that the configuration names. */
import { openSqliteStore, openSqliteToRead } from './sqlite-store.ts';
import type { Store } from './store.ts';

/** Where the store says what an operator should know. A pino logger fits. */
export interface StoreLog {
  warn(details: object, message: string): void;
}

export interface OpenStoreOptions {
  /** `memory` is the same code on `:memory:`; it forgets everything at close. */
  kind: 'sqlite' | 'memory' | 'postgres';
  /** Of the database file, for `sqlite`. Its folder is made if it is missing. */
  path?: string;
  /** Address of the database, for `postgres`. */
  dsn?: string;
  networkId: string;
  /** Ends the waiting for a database that is not there yet. */
  signal?: AbortSignal;
  log?: StoreLog;
  /** Multiplies how long a Postgres is waited for, 1 when left out; for tests. */
  patience?: number;
}

/**
 * Resolves with a store that holds its lock and has the newest schema. Rejects with StorageError, whose message says
 * what is wrong and what to do: another server has the file, another network's file, a newer schema, not a database,
 * a folder that cannot be written. A Postgres that is not there yet is waited for, with a word in the log.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  if (options.kind !== 'postgres') return openSqliteStore(options);
  // Its client is loaded only where it is used.
  const { openPostgresStore } = await import('./postgres-store.ts');
  return openPostgresStore(options);
}

/**
 * The same to read from, beside a server that may run on it: takes no lock, changes nothing, and refuses to commit. Knows
 * what was committed when it was opened. Rejects with StorageError, also when there is no network yet or its schema is
 * not the newest. Postgres takes no lock anyway: there it is the store itself.
 */
export function openStoreToRead(options: OpenStoreOptions): Promise<Store> {
  return options.kind === 'postgres' ? openStore(options) : openSqliteToRead(options);
}
