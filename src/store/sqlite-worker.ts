/** The storage thread: the only writer of a SQLite file. Commits, checkpoints and fsyncs happen here, so that they never hold up the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { openEngine, type Engine } from './sqlite-engine.ts';
import { errorData } from './sqlite-errors.ts';
import { unpack } from './sqlite-packing.ts';
import type { ThreadAnswer, ThreadData, ThreadRequest } from './sqlite-thread-messages.ts';

/** Milliseconds without a request after which the WAL is copied into the database, or one that could not be emptied is tried again. */
const IDLE = 500;

const port = parentPort!;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
const answer = (message: ThreadAnswer): void => port.postMessage(message);

function serve(engine: Engine): void {
  const idle = setTimeout(() => {
    engine.tidy(true);
    if (engine.untidy) idle.refresh();
  }, IDLE).unref();

  port.on('message', (request: ThreadRequest) => {
    if (request.op === 'close') {
      clearTimeout(idle);
      return close(engine);
    }
    try {
      let result = 0;
      if (request.op === 'commit') result = engine.commit(unpack(request.writes), request.run);
      else if (request.op === 'memory') result = engine.memory(request.call);
      else engine.ping();
      answer({ op: 'done', result });
    } catch (error) {
      answer({ op: 'failed', error: errorData(error) });
    }
    // The answer is on its way: a checkpoint here is in nobody's commit.
    engine.tidy(false);
    idle.refresh();
  });
}

/** The thread ends after this, whatever became of it. */
function close(engine: Engine): void {
  try {
    engine.close();
    answer({ op: 'done', result: 0 });
  } catch (error) {
    answer({ op: 'failed', error: errorData(error) });
  }
  port.close();
}

try {
  const { path, networkId } = workerData as ThreadData;
  const engine = openEngine({ path, networkId, warn: (message) => answer({ op: 'warn', message }) });
  answer({ op: 'open', head: engine.head });
  serve(engine);
} catch (error) {
  answer({ op: 'failed', error: errorData(error) });
  port.close();
}
