/**
 * The read worker: what reads more than the main thread should. It answers searches and what retention may remove, and
 * fills the search index behind the log while nobody waits for it, with a small part of one core, because that can wait
 * and commits cannot.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { openConnection } from './sqlite-connection.ts';
import { errorData } from './sqlite-errors.ts';
import { SearchIndex } from './sqlite-search-index.ts';
import { createPrunable } from './sqlite-prunable.ts';
import type { ReadAnswer, ReadAsk, ReadData, ReadMessage } from './sqlite-read-thread.ts';

/** After a step it rests this many times as long as the step took. */
const REST = 30;
const LONGEST_REST = 2_000;

/** Primary codes of SQLite for a file that is damaged, or no database. */
const DAMAGED = new Set([11, 26]);

const port = parentPort!;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
const answer = (message: ReadAnswer): void => port.postMessage(message);

const { path, index: file } = workerData as ReadData;
const log = openConnection({ path, readOnly: true });
const index = new SearchIndex(log, file);
const prunable = createPrunable(log);
let next: NodeJS.Timeout | undefined;

function follow(): void {
  const began = performance.now();
  const more = index.work();
  const took = performance.now() - began;
  next = more ? setTimeout(follow, Math.min(took * REST, LONGEST_REST)) : undefined;
}

/** What waits for its turn. Between two of them, and between the steps of one, what is to be forgotten comes first. */
const waiting: ReadMessage[] = [];
let working = false;

port.on('message', (message: ReadMessage) => {
  if (message.ask.op === 'news') next ??= setTimeout(follow, 0);
  else if (message.ask.op === 'forget') void run(message);
  else {
    waiting.push(message);
    if (!working) void work();
  }
});

async function work(): Promise<void> {
  working = true;
  for (let message = waiting.shift(); message; message = waiting.shift()) {
    await run(message);
    await turn();
  }
  working = false;
}

async function run({ id, ask }: ReadMessage): Promise<void> {
  try {
    answer({ id, op: 'done', result: await resultOf(ask) });
  } catch (error) {
    answer({ id, op: 'failed', error: errorData(error) });
    // It is derived: this thread ends, and the next one makes it anew.
    if (ask.op !== 'prunable' && DAMAGED.has((error as { errcode?: number }).errcode! & 0xff)) throw error;
  }
}

async function resultOf(ask: ReadAsk): Promise<unknown> {
  switch (ask.op) {
    case 'search':
      for (const _ of index.catchUp()) await turn();
      return index.find(ask.request);
    case 'prunable':
      return prunable(...ask.args);
    case 'forget':
      return index.forget(ask.what);
    case 'news':
      return undefined;
    case 'close':
      clearTimeout(next);
      index.close();
      log.close();
      port.close();
      return undefined;
  }
}
