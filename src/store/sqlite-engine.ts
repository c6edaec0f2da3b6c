/**
 * The writing side of a SQLite store: one connection that commits, checkpoints and closes. The storage
 * thread runs it for a file, the main thread for `:memory:`.
 */
import type { DatabaseSync } from 'node:sqlite';
import { inspect, migrate } from './migrations.ts';
import { BUSY_TIMEOUT, openConnection } from './sqlite-connection.ts';
import { asStoreError } from './sqlite-errors.ts';
import { createRelayMemory, type MemoryCall } from './sqlite-relay-memory.ts';
import { createCommitter } from './sqlite-writes.ts';
import { StateMovedError } from './errors.ts';
import type { Writes } from './writes.ts';

/**
 * Frames in the WAL (estimated) after which it is copied into the database, about 80 MB: seldom enough that a batch
 * which waits behind a checkpoint is not among the slowest hundredth.
 */
const CHECKPOINT_FRAMES = 20_000;
const PAGE = 4_096;
/** Milliseconds that the first truncating checkpoint waits for another process's reader; those after it do not wait. */
const TRUNCATE_WAIT = 250;
/** Milliseconds between tries under load: a reader that stays (a backup) must not slow the commits down. */
const TRUNCATE_AGAIN = 1_000;

export interface EngineOptions {
  path: string;
  networkId: string;
  warn: (message: string) => void;
}

export interface Engine {
  readonly db: DatabaseSync;
  readonly head: number;
  /** True when a redacted text may still be in the WAL, because another process reads it: `tidy` tries again. */
  readonly untidy: boolean;
  /** Commits all writes in one durable transaction; returns the head from before it. Throws as Store.commit rejects. */
  commit(writes: readonly Writes[], run?: number): number;
  memory(call: MemoryCall): number;
  /** What may follow a commit once it is answered: the checkpoint, when enough has gathered or nothing else is to do. */
  tidy(idle: boolean): void;
  ping(): void;
  /** Empties the WAL into the database and closes. */
  close(): void;
}

/** Opens, refuses or migrates the database. Throws StorageError. */
export function openEngine({ path, networkId, warn }: EngineOptions): Engine {
  let version = 0;
  const db = openConnection({
    path,
    readOnly: false,
    inspect: (fresh) => void ({ version } = inspect(fresh, path, networkId)),
  });
  try {
    migrate(db, version, networkId);
  } catch (error) {
    db.close();
    throw asStoreError(error, path);
  }
  const committer = createCommitter(db);
  const memory = createRelayMemory(db);
  const ping = db.prepare('SELECT max(version) FROM schema_versions');
  let frames = 0;
  /** The run that has come to its end. */
  let failed: number | undefined;
  let untidy = false;
  let truncatedAt = 0;

  /** False when another process's reader is in the way. */
  function checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): boolean {
    try {
      return db.prepare(`PRAGMA wal_checkpoint(${mode})`).get()?.['busy'] === 0;
    } catch (error) {
      // What is in the WAL is durable there; the next checkpoint takes it along.
      warn(`${path}: the checkpoint failed and will be tried again: ${String(error)}`);
      return false;
    }
  }

  function truncate(): void {
    db.exec(`PRAGMA busy_timeout = ${untidy ? 0 : TRUNCATE_WAIT}`);
    const done = checkpoint('TRUNCATE');
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}`);
    if (!done && !untidy) {
      warn(
        `${path}: a redacted text is still in ${path}-wal, because another process reads the database; it is removed as soon as that ends`,
      );
    }
    if (done) frames = 0;
    untidy = !done;
    truncatedAt = performance.now();
  }

  return {
    db,
    get head() {
      return committer.head;
    },
    get untidy() {
      return untidy;
    },
    commit(writes, run) {
      if (run !== undefined && run === failed)
        throw new StateMovedError('a commit before this one in its run has failed');
      try {
        const before = committer.commit(writes);
        frames += framesOf(writes);
        // Redacted means gone from the files when the answer is given.
        if (writes.some(redacts)) truncate();
        return before;
      } catch (error) {
        failed = run;
        throw asStoreError(error, path);
      }
    },
    memory(call) {
      try {
        frames += 2;
        return memory(call);
      } catch (error) {
        throw asStoreError(error, path);
      }
    },
    tidy(idle) {
      if (untidy && (idle || performance.now() - truncatedAt >= TRUNCATE_AGAIN)) truncate();
      else if (frames >= (idle ? 1 : CHECKPOINT_FRAMES)) {
        frames = 0;
        checkpoint('PASSIVE');
      }
    },
    ping() {
      try {
        ping.get();
      } catch (error) {
        throw asStoreError(error, path);
      }
    },
    close() {
      checkpoint('TRUNCATE');
      db.close();
    },
  };
}

/** Measured: a batch rewrites about eight pages of its own, and each event adds a quarter of one and its payload. */
function framesOf(writes: readonly Writes[]): number {
  let frames = 8;
  for (const { events } of writes) for (const { payload } of events) frames += 0.25 + payload.length / PAGE;
  return frames;
}

const redacts = ({ events, rows }: Writes): boolean =>
  rows.some(({ op }) => op === 'redact') ||
  events.some((event) => event.rows.some(({ op }) => op === 'redact'));
