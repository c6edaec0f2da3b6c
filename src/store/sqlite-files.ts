/**
 * The folder and files of a SQLite store, owner-only whatever the umask, and the lock that keeps a second server off
 * them. A file is never opened here once it exists: closing any descriptor of a file drops all POSIX locks that this
 * process holds on it, SQLite's among them.
 */
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { asFileError, asStoreError } from './sqlite-errors.ts';
import { StorageError } from './errors.ts';

export const lockPath = (database: string): string => `${database}.lock`;

/**
 * Makes folder and file if they are missing (0700, 0600), sets the modes of what is there, and resolves with the real
 * path of the database, so that two names of one file meet at one lock. A folder that exists keeps its mode: it may
 * be the user's own. Throws StorageError.
 */
export function prepareFiles(given: string, warn: (message: string) => void): string {
  const wanted = path.resolve(given);
  try {
    makeFolder(path.dirname(wanted));
    const database = realDatabasePath(wanted);
    for (const file of [database, lockPath(database)]) makeFile(file);
    for (const file of [
      database,
      lockPath(database),
      `${database}-wal`,
      `${database}-shm`,
      `${database}-search`,
    ])
      ownerOnly(file, warn);
    return database;
  } catch (error) {
    throw asFileError(error, wanted);
  }
}

function makeFolder(folder: string): void {
  const missing: string[] = [];
  for (let at = folder; !exists(at); at = path.dirname(at)) missing.unshift(at);
  for (const one of missing) {
    // One by one: a recursive mkdir never returns where the kernel allows no folder, as in /proc.
    try {
      mkdirSync(one, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    // The umask may have taken the owner's own bits away.
    chmodSync(one, 0o700);
  }
}

function realDatabasePath(wanted: string): string {
  if (exists(wanted)) {
    if (!statSync(wanted).isFile())
      throw new StorageError(`${wanted} is not a file. Set storage.sqlite.path to the path of a file.`);
    return realpathSync(wanted);
  }
  if (lstatSync(wanted, { throwIfNoEntry: false })) {
    throw new StorageError(
      `${wanted} is a link to a file that does not exist. Make that file, or remove the link.`,
    );
  }
  return path.join(realpathSync(path.dirname(wanted)), path.basename(wanted));
}

/** Empty and 0600, when it is not there yet. */
export function makeFile(file: string): void {
  if (exists(file)) return;
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    // Another server made it in this moment; the lock decides between us.
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
  }
}

/** SQLite gives -wal and -shm the mode of the database; those that a crash left behind are set here. */
function ownerOnly(file: string, warn: (message: string) => void): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat || (stat.mode & 0o777) === 0o600) return;
  try {
    chmodSync(file, 0o600);
  } catch (error) {
    // Some mounts have no modes; that must not keep the server from starting.
    warn(
      `${file} has the mode ${(stat.mode & 0o777).toString(8)} and it could not be made 600: ${String(error)}`,
    );
  }
}

const exists = (file: string): boolean => statSync(file, { throwIfNoEntry: false }) !== undefined;

/**
 * Refuses a file that is not a SQLite database, without changing it: SQLite itself takes a very short file for an
 * empty database and writes over it. Only under the lock, because it opens the file.
 */
export function requireDatabase(database: string): void {
  let file: number;
  try {
    file = openSync(database, 'r');
  } catch (error) {
    throw asFileError(error, database);
  }
  try {
    const header = Buffer.alloc(16);
    const read = readSync(file, header, 0, header.length, 0);
    if (read > 0 && header.toString('latin1', 0, read) !== 'SQLite format 3\0') {
      throw new StorageError(
        `${database} is not a SQLite database. Set storage.sqlite.path to another file; this one was not changed.`,
      );
    }
  } finally {
    closeSync(file);
  }
}

export interface Lock {
  release(): void;
}

/**
 * Takes the lock of a database: an exclusive transaction on a sidecar SQLite file, held until `release`. The kernel
 * lets it go when the process ends, however it ends; SQLite keeps two connections of one process apart as well.
 * Throws StorageError when someone has it.
 */
export function takeLock(database: string): Lock {
  const file = lockPath(database);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file);
    // The journal in memory: a held transaction leaves no fourth file beside the database.
    db.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    const code = (error as { errcode?: number }).errcode;
    if (code !== undefined && (code & 0xff) === 5) {
      throw new StorageError(
        `${database} is in use by another moltnet server (it holds ${path.basename(file)}). ` +
          'Stop that one, or give this one its own file with storage.sqlite.path.',
        { cause: error },
      );
    }
    throw asStoreError(error, file);
  }
  return {
    release: () => {
      if (!db) return;
      db.close();
      db = undefined;
    },
  };
}
