/** What SQLite's and the file system's errors mean to the store: a taken id, storage that does not work now, or a fault. */
import { ConstraintError, StateMovedError, StorageError } from './errors.ts';

/** Primary result codes of SQLite that are about the storage and not about the statement. */
const STORAGE: Record<number, string> = {
  3: 'the file may not be accessed',
  5: 'another process has the database locked',
  6: 'the database is locked',
  7: 'there is not enough memory',
  8: 'the file or its folder is read-only',
  10: 'the disk reported an I/O error',
  11: 'the file is damaged; restore a copy',
  13: 'the disk is full',
  14: 'the file cannot be opened',
  15: 'the locking of this file system does not work; use a local disk',
  22: 'the file is larger than this system allows',
  23: 'access was denied',
  26: 'the file is not a SQLite database; set storage.sqlite.path to another file',
};
/** Extended codes of a taken unique id: PRIMARY KEY, UNIQUE and ROWID. */
const TAKEN = new Set([1555, 2067, 2579]);

/** The error as the Store interface has it. Faults of our own (a wrong statement, a NOT NULL) stay what they are. */
export function asStoreError(error: unknown, path?: string): unknown {
  if (error instanceof ConstraintError || error instanceof StorageError || error instanceof StateMovedError)
    return error;
  if (!(error instanceof Error)) return error;
  const code = (error as { errcode?: unknown }).errcode;
  if (typeof code !== 'number') return error;
  if (TAKEN.has(code)) return new ConstraintError(error.message, { cause: error });
  const what = STORAGE[code & 0xff];
  return what === undefined
    ? error
    : new StorageError(`${path ?? 'the database'}: ${what} (${error.message})`, { cause: error });
}

/** An error of making or opening files, with what to do. */
export function asFileError(error: unknown, path: string): StorageError {
  if (error instanceof StorageError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const advice =
    'Give this user write permission there, or set storage.sqlite.path to a file in another folder.';
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return new StorageError(`${path} cannot be written: permission denied. ${advice}`, { cause: error });
    case 'EROFS':
      return new StorageError(`${path} cannot be written: the file system is read-only. ${advice}`, {
        cause: error,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new StorageError(
        `${path} cannot be written: the disk is full. Free some space and start again.`,
        { cause: error },
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return new StorageError(
        `${path} cannot be made: a part of this path is a file. Set storage.sqlite.path to another place.`,
        { cause: error },
      );
    default:
      return new StorageError(
        `${path} cannot be used as storage: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
  }
}

/** An error as plain data, to cross from the storage thread. */
export interface ErrorData {
  kind: 'constraint' | 'storage' | 'moved' | 'fault';
  message: string;
}
export function errorData(error: unknown): ErrorData {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ConstraintError) return { kind: 'constraint', message };
  if (error instanceof StorageError) return { kind: 'storage', message };
  if (error instanceof StateMovedError) return { kind: 'moved', message };
  return { kind: 'fault', message: error instanceof Error ? (error.stack ?? message) : message };
}
export function errorOf(data: ErrorData): Error {
  if (data.kind === 'constraint') return new ConstraintError(data.message);
  if (data.kind === 'storage') return new StorageError(data.message);
  if (data.kind === 'moved') return new StateMovedError(data.message);
  return new Error(`fault in the storage thread: ${data.message}`);
}
