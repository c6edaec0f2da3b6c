/** Reads of a SQLite store that are too much for the main thread: the read worker of a file, or the same on this thread for `:memory:`. */
import { existsSync, rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { errorOf, type ErrorData } from './sqlite-errors.ts';
import { makeFile } from './sqlite-files.ts';
import { createPrunable } from './sqlite-prunable.ts';
import { SearchIndex, type Forgotten } from './sqlite-search-index.ts';
import { StorageError } from './errors.ts';
import type { StoredMessage } from './log-rows.ts';
import type { SearchRequest, SearchRows } from './search-rows.ts';
import type { Store } from './store.ts';

type PrunableArgs = Parameters<Store['prunable']>;

export interface ReadSide {
  search(request: SearchRequest): Promise<SearchRows>;
  prunable(...args: PrunableArgs): Promise<StoredMessage[]>;
  /** Resolves when their text is out of the index, as far as it ever was in it. */
  forget(what: Forgotten): Promise<void>;
  /** There are new events. Cheap. */
  news(): void;
  close(): Promise<void>;
}

/** workerData of the read worker. */
export interface ReadData {
  path: string;
  index: string;
}
/** All but news and close are answered. `forget` waits for nothing but what is at work. */
export type ReadAsk =
  | { op: 'search'; request: SearchRequest }
  | { op: 'prunable'; args: PrunableArgs }
  | { op: 'forget'; what: Forgotten }
  | { op: 'news' }
  | { op: 'close' };
export type ReadMessage = { id: number; ask: ReadAsk };
export type ReadAnswer = { id: number } & (
  | { op: 'done'; result: unknown }
  | { op: 'failed'; error: ErrorData }
);

/** Milliseconds after the first commit until the thread starts: a server that only starts, or a command, needs none. */
const START = 1_000;
/** Milliseconds between two words that there are new events. */
const NEWS = 250;
/** Milliseconds that it waits at most until a thread that failed is started again by a commit. */
const LONGEST_START = 60_000;

const entry = new URL(
  import.meta.url.endsWith('.ts') ? './sqlite-read-worker.ts' : './sqlite-read-worker.js',
  import.meta.url,
);

/** Indexes when it is asked. */
export function readHere(log: DatabaseSync): ReadSide {
  const prunable = createPrunable(log);
  let index: SearchIndex | undefined;
  return {
    search: async (request) => (index ??= new SearchIndex(log, ':memory:')).search(request),
    prunable: async (...args) => prunable(...args),
    // It is stored as redacted whatever comes of this, and what is found is looked up.
    forget: async (what) => {
      try {
        index?.forget(what);
      } catch {
        index = undefined;
      }
    },
    news: () => {},
    close: async () => index?.close(),
  };
}

const post = (to: Worker, ask: ReadAsk, id = -1): void =>
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  to.postMessage({ id, ask } satisfies ReadMessage);

interface Waiting {
  resolve: (answer: ReadAnswer) => void;
  reject: (error: Error) => void;
}

/** The index stands beside the database, as `<database>-search`. A thread that fails is started again by the next search. */
export function readThread(path: string, warn: (message: string) => void): ReadSide {
  const index = `${path}-search`;
  let worker: Worker | undefined;
  let ended: Promise<void> | undefined;
  let waiting = new Map<number, Waiting>();
  let asked = 0;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  /** Threads in a row that failed and had answered nothing. */
  let failures = 0;

  function start(): Worker {
    makeFile(index);
    const begun = new Worker(entry, { workerData: { path, index } satisfies ReadData, name: 'read' });
    const own = (waiting = new Map());
    let failure: Error | undefined;
    worker = begun;
    begun.on('message', (answer: ReadAnswer) => {
      failures = 0;
      own.get(answer.id)?.resolve(answer);
      own.delete(answer.id);
    });
    begun.on('error', (error: Error) => {
      failure = error;
      failures++;
      warn(`${index}: the search index failed and will be built anew: ${error.message}`);
      try {
        // It is derived: whatever is wrong with it, the next one is made from the log.
        for (const file of [index, `${index}-wal`, `${index}-shm`]) rmSync(file, { force: true });
      } catch (fault) {
        warn(`${index}: it cannot be removed, and there is no search until it is: ${String(fault)}`);
      }
    });
    ended = new Promise((resolve) => {
      begun.on('exit', () => {
        if (worker === begun) worker = undefined;
        const error = new StorageError('the search index is not available now', { cause: failure });
        for (const { reject } of own.values()) reject(error);
        own.clear();
        resolve();
      });
    });
    begun.unref();
    return begun;
  }

  /** What it resolves with is what the worker answers to that question. */
  function ask<T>(question: ReadAsk): Promise<T> {
    if (closed) return Promise.reject(new StorageError('the store is closed'));
    return new Promise<ReadAnswer>((resolve, reject) => {
      const to = worker ?? start();
      const id = asked++;
      post(to, question, id);
      waiting.set(id, { resolve, reject });
    }).then((answer) => {
      if (answer.op === 'failed') throw errorOf(answer.error);
      return answer.result as T;
    });
  }

  /** Let it take in what is new, soon. */
  function news(): void {
    timer ??= setTimeout(
      () => {
        timer = undefined;
        if (closed) return;
        try {
          post(worker ?? start(), { op: 'news' });
        } catch (error) {
          failures++;
          warn(`${index}: the search index cannot be made: ${String(error)}`);
        }
      },
      worker ? NEWS : Math.min(START * 2 ** failures, LONGEST_START),
    ).unref();
  }

  // What was removed just before a crash may still be in it.
  if (existsSync(index)) news();

  return {
    search: (request) => ask({ op: 'search', request }),
    prunable: (...args) => ask({ op: 'prunable', args }),
    async forget(what) {
      try {
        await ask({ op: 'forget', what });
      } catch (error) {
        warn(
          `${index}: a removed text may still be in it, until it has caught up with the log: ${String(error)}`,
        );
      }
    },
    news,
    async close() {
      closed = true;
      clearTimeout(timer);
      if (worker) post(worker, { op: 'close' });
      await ended;
    },
  };
}
