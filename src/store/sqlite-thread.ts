/** The main thread's side of the storage thread: requests out, answers back in order, and what its death means. */
import { Worker } from 'node:worker_threads';
import { errorOf } from './sqlite-errors.ts';
import { pack } from './sqlite-packing.ts';
import type { MemoryCall } from './sqlite-relay-memory.ts';
import type { ThreadAnswer, ThreadData, ThreadRequest } from './sqlite-thread-messages.ts';
import { StateMovedError, StorageError } from './errors.ts';
import type { Writes } from './writes.ts';

/** From source the thread is a .ts file beside this one, in the build a .js file beside the bundle. */
const entry = new URL(
  import.meta.url.endsWith('.ts') ? './sqlite-worker.ts' : './sqlite-worker.js',
  import.meta.url,
);

export interface StorageThread {
  /** seq of the newest event that was there when the database was opened. */
  readonly openedAt: number;
  /** Resolves with the head from before the batch. */
  commit(writes: readonly Writes[], run?: number): Promise<number>;
  memory(call: MemoryCall): Promise<number>;
  ping(): Promise<void>;
  /** Answers what was asked before, closes the database and ends the thread. */
  close(): Promise<void>;
  /** Ends the thread at once; whoever waits is told StorageError. */
  kill(): Promise<void>;
}

interface Waiting {
  resolve: (result: number) => void;
  reject: (error: Error) => void;
}

/**
 * Starts the thread and resolves when it has the database open; rejects with its StorageError. When the thread dies,
 * all who wait and all who come get StorageError: what became of a batch that it had in hand is not known, so nothing
 * may be decided on top of it, and the process has to start again.
 */
export function startStorageThread(
  data: ThreadData,
  warn: (message: string) => void,
): Promise<StorageThread> {
  const worker = new Worker(entry, { workerData: data, name: 'storage' });
  const waiting: Waiting[] = [];
  let dead: Error | undefined;

  const ended = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      dead ??= new StorageError(`${data.path}: the storage thread has ended (${code}). Restart the server.`);
      for (const { reject } of waiting.splice(0)) reject(dead);
      resolve();
    });
  });
  worker.on('error', (error: Error) => {
    dead ??= new StorageError(
      `${data.path}: the storage thread failed: ${error.message}. Restart the server.`,
      { cause: error },
    );
    warn(`${dead.message}\n${error.stack ?? ''}`);
  });

  /** Throws what cannot be sent. */
  function ask(request: ThreadRequest): Promise<number> {
    if (dead) return Promise.reject(dead);
    // First the message: when it throws, no answer is to be waited for.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    worker.postMessage(request);
    return new Promise((resolve, reject) => void waiting.push({ resolve, reject }));
  }

  /** The run of a commit that could not be sent: the thread does not know that it failed. */
  let unsent: number | undefined;
  function commit(writes: readonly Writes[], run?: number): Promise<number> {
    if (run !== undefined && run === unsent)
      return Promise.reject(new StateMovedError('a commit before this one in its run has failed'));
    try {
      return ask({ op: 'commit', writes: pack(writes), run });
    } catch (error) {
      unsent = run;
      return Promise.reject(error as Error);
    }
  }

  let closing: Promise<void> | undefined;
  const thread = (openedAt: number): StorageThread => ({
    openedAt,
    commit,
    memory: async (call) => ask({ op: 'memory', call }),
    ping: async () => void (await ask({ op: 'ping' })),
    close: () => (closing ??= dead ? ended : ask({ op: 'close' }).then(() => ended)),
    kill: async () => void (await worker.terminate()),
  });

  return new Promise((resolve, reject) => {
    let opened = false;
    worker.on('message', (answer: ThreadAnswer) => {
      if (answer.op === 'warn') return warn(answer.message);
      if (answer.op === 'open') {
        opened = true;
        return resolve(thread(answer.head));
      }
      if (!opened) {
        // It could not open the database and ends by itself; only then is the file free of it.
        if (answer.op === 'failed') dead = errorOf(answer.error);
        return;
      }
      const one = waiting.shift();
      if (answer.op === 'failed') one?.reject(errorOf(answer.error));
      else one?.resolve(answer.result);
    });
    void ended.then(() => reject(dead));
  });
}
