/**
 * The search thread: fills the index behind the log while nobody waits for it, and answers searches. It takes a small
 * part of one core at most, because what it does can wait and commits cannot.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openConnection } from './sqlite-connection.ts';
import { errorData } from './sqlite-errors.ts';
import { SearchIndex } from './sqlite-search-index.ts';
import type { SearchAnswer, SearchAsk, SearchData } from './sqlite-search-thread.ts';

/** After a step it rests this many times as long as the step took. */
const REST = 30;
const LONGEST_REST = 2_000;

const port = parentPort!;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
const answer = (message: SearchAnswer): void => port.postMessage(message);

const { path, index: file } = workerData as SearchData;
const log = openConnection({ path, readOnly: true });
const index = new SearchIndex(log, file);
let next: NodeJS.Timeout | undefined;

function follow(): void {
  const began = performance.now();
  const behind = index.follow();
  const took = performance.now() - began;
  next = behind > 0 ? setTimeout(follow, Math.min(took * REST, LONGEST_REST)) : undefined;
}

port.on('message', (ask: SearchAsk) => {
  if (ask.op === 'news') {
    next ??= setTimeout(follow, 0);
    return;
  }
  if (ask.op === 'close') {
    clearTimeout(next);
    index.close();
    log.close();
    port.close();
    return;
  }
  try {
    if (ask.op === 'search') answer({ op: 'found', rows: index.search(ask.request) });
    else {
      for (const id of ask.message_ids) index.forget(id);
      answer({ op: 'forgotten' });
    }
  } catch (error) {
    answer({ op: 'failed', error: errorData(error) });
  }
});
