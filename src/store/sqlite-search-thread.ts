/** The search side of a SQLite store: a thread with the index of a file, or the same index on this thread for `:memory:`. */
import { rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { errorOf, type ErrorData } from './sqlite-errors.ts';
import { makeFile } from './sqlite-files.ts';
import { SearchIndex } from './sqlite-search-index.ts';
import { StorageError, type SearchRequest, type SearchRows } from './store.ts';

export interface SearchSide {
  search(request: SearchRequest): Promise<SearchRows>;
  /** These messages were redacted: resolves when their text is out of the index, as far as it ever was in it. */
  forget(messageIds: readonly string[]): Promise<void>;
  /** There are new events. Cheap. */
  news(): void;
  close(): Promise<void>;
}

/** workerData of the search thread. */
export interface SearchData {
  path: string;
  index: string;
}
/** Searches and forgets are answered in the order in which they came. */
export type SearchAsk =
  | { op: 'search'; request: SearchRequest }
  | { op: 'forget'; message_ids: readonly string[] }
  | { op: 'news' }
  | { op: 'close' };
export type SearchAnswer =
  | { op: 'found'; rows: SearchRows }
  | { op: 'forgotten' }
  | { op: 'failed'; error: ErrorData };

/** Milliseconds after the first commit until the thread starts: a server that only starts, or a command, needs none. */
const START = 1_000;
/** Milliseconds between two words that there are new events. */
const NEWS = 250;

const entry = new URL(
  import.meta.url.endsWith('.ts') ? './sqlite-search-worker.ts' : './sqlite-search-worker.js',
  import.meta.url,
);

/** Indexes when it is asked. */
export function searchHere(log: DatabaseSync): SearchSide {
  let index: SearchIndex | undefined;
  return {
    search: async (request) => (index ??= new SearchIndex(log, ':memory:')).search(request),
    forget: async (ids) => ids.forEach((id) => index?.forget(id)),
    news: () => {},
    close: async () => index?.close(),
  };
}

interface Waiting {
  resolve: (answer: SearchAnswer) => void;
  reject: (error: Error) => void;
}

/** The index stands beside the database, as `<database>-search`. A thread that fails is started again by the next search. */
export function searchThread(path: string, warn: (message: string) => void): SearchSide {
  const index = `${path}-search`;
  let worker: Worker | undefined;
  let ended: Promise<void> | undefined;
  let waiting: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function start(): Worker {
    makeFile(index);
    const begun = new Worker(entry, { workerData: { path, index } satisfies SearchData, name: 'search' });
    const own = (waiting = []) as Waiting[];
    let failure: Error | undefined;
    worker = begun;
    begun.on('message', (answer: SearchAnswer) => own.shift()?.resolve(answer));
    begun.on('error', (error: Error) => {
      failure = error;
      // It is derived: whatever is wrong with it, the next one is made from the log.
      for (const file of [index, `${index}-wal`, `${index}-shm`]) rmSync(file, { force: true });
      warn(`${index}: the search index failed and will be built anew: ${error.message}`);
    });
    ended = new Promise((resolve) => {
      begun.on('exit', () => {
        if (worker === begun) worker = undefined;
        const error = new StorageError('the search index is not available now', { cause: failure });
        for (const { reject } of own.splice(0)) reject(error);
        resolve();
      });
    });
    begun.unref();
    return begun;
  }

  function ask(message: SearchAsk): Promise<SearchAnswer> {
    if (closed) return Promise.reject(new StorageError('the store is closed'));
    return new Promise<SearchAnswer>((resolve, reject) => {
      const to = worker ?? start();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
      to.postMessage(message);
      waiting.push({ resolve, reject });
    }).then((answer) => {
      if (answer.op === 'failed') throw errorOf(answer.error);
      return answer;
    });
  }

  return {
    async search(request) {
      const answer = await ask({ op: 'search', request });
      if (answer.op !== 'found') throw new StorageError('the search thread answered something else');
      return answer.rows;
    },
    async forget(message_ids) {
      try {
        await ask({ op: 'forget', message_ids });
      } catch (error) {
        warn(
          `${index}: a redacted text may still be in it, until it has caught up with the log: ${String(error)}`,
        );
      }
    },
    news() {
      timer ??= setTimeout(
        () => {
          timer = undefined;
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
          if (!closed) (worker ?? start()).postMessage({ op: 'news' } satisfies SearchAsk);
        },
        worker ? NEWS : START,
      ).unref();
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
      worker?.postMessage({ op: 'close' } satisfies SearchAsk);
      await ended;
    },
  };
}
