/** Connections to a SQLite database: the settings that durability rests on, set on each one and read back. STO-1. */
import { DatabaseSync } from 'node:sqlite';
import { asStoreError } from './sqlite-errors.ts';
import { StorageError } from './errors.ts';

/** Milliseconds for which a statement waits for a lock that another process holds. */
export const BUSY_TIMEOUT = 5_000;

/** What every connection must answer when it is asked. synchronous 2 is FULL: a commit returns after the sync of the WAL. */
const REQUIRED = { synchronous: 2, foreign_keys: 1, secure_delete: 1, wal_autocheckpoint: 0 } as const;

export interface ConnectionOptions {
  path: string;
  /** A reader never writes, not even a checkpoint. */
  readOnly: boolean;
  /** Runs on the fresh connection before anything is written: the place to refuse a database. */
  inspect?: (db: DatabaseSync) => void;
}

/** Throws StorageError when the database cannot be opened or a setting does not hold. */
export function openConnection({ path, readOnly, inspect }: ConnectionOptions): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly });
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}`);
    inspect?.(db);
    if (!readOnly) db.exec('PRAGMA journal_mode = WAL');
    // Checkpoints are made by the writer between batches, never inside a commit and never by a reader.
    db.exec('PRAGMA wal_autocheckpoint = 0');
    db.exec('PRAGMA synchronous = FULL');
    db.exec('PRAGMA foreign_keys = ON');
    // A redacted text must not stay in the file's free space.
    db.exec('PRAGMA secure_delete = ON');
    db.exec('PRAGMA trusted_schema = OFF');
    db.exec('PRAGMA temp_store = MEMORY');
    db.exec('PRAGMA cache_size = -16000');
    readBack(db, path);
    return db;
  } catch (error) {
    db?.close();
    throw asStoreError(error, path);
  }
}

/** The value of a pragma on this connection. */
export function pragma(db: DatabaseSync, name: string): unknown {
  const row = db.prepare(`PRAGMA ${name}`).get();
  return row === undefined ? undefined : Object.values(row)[0];
}

function readBack(db: DatabaseSync, path: string): void {
  const expected = { ...REQUIRED, journal_mode: path === ':memory:' ? 'memory' : 'wal' };
  for (const [name, value] of Object.entries(expected)) {
    const found = pragma(db, name);
    if (found !== value)
      throw new StorageError(
        `${path}: PRAGMA ${name} is ${String(found)} and must be ${value}; this build of SQLite or this file system cannot keep what it accepts.`,
      );
  }
}
