/** Sending that survives a connection that breaks: the same id again, so that nothing is said twice. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionError, RefusedError, type SendRequest } from '../client/http.ts';
import type { MessageAccepted } from '../protocol/messages.ts';
import { explain, openClient, type ServerAddress } from './api.ts';
import type { Io } from './command.ts';
import { Failure } from './failure.ts';

/** All tries together, in milliseconds. */
export const SEND_TOTAL = 10_000;
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;
/** With less time left no further try is begun. */
const SHORTEST_TRY = 250;

/** No answer, or one that says "not now". Any other refusal stays one. */
function isPassing(error: unknown): boolean {
  if (error instanceof RefusedError) return [429, 502, 503, 504].includes(error.status);
  return (
    error instanceof ConnectionError &&
    ['refused', 'unreachable', 'timeout', 'broken', 'closed'].includes(error.problem)
  );
}

/** Sends until it is stored, refused, or the time is over. Throws a Failure. */
export async function sendWithRetries(
  server: ServerAddress,
  request: SendRequest & { id: string },
  io: Pick<Io, 'interactive' | 'err'>,
  total = SEND_TOTAL,
): Promise<MessageAccepted> {
  const deadline = performance.now() + total;
  const servers = 1 + (server.other_urls?.length ?? 0);
  // Of several no one may use up all the time.
  const several = servers > 1 ? openClient(server, total / (servers + 1)) : undefined;
  let unknown = false;
  for (let pause = FIRST_PAUSE, tries = 1; ; tries++, pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    const client = several ?? openClient(server, deadline - performance.now());
    try {
      return await client.send(request);
    } catch (error) {
      unknown ||= error instanceof ConnectionError && error.maybe_done;
      const failure = explain(error);
      if (!(failure instanceof Failure)) throw error;
      const asked =
        error instanceof RefusedError && error.retry_after !== undefined ? error.retry_after * 1_000 : 0;
      const wait = Math.max(asked, pause * (0.75 + Math.random() / 2));
      if (isPassing(error) && performance.now() + wait + SHORTEST_TRY < deadline) {
        if (tries === 1 && io.interactive) io.err(`moltnet: ${failure.message}; trying again\n`);
        await sleep(wait);
        continue;
      }
      if (!unknown || !isPassing(error)) throw failure;
      throw new Failure(`${failure.message}; it is not known whether the message was stored`, {
        hint: `say it again with: --id ${request.id}   (then it is stored once, whatever happened)`,
        cause: error,
      });
    } finally {
      if (client !== several) client.close();
    }
  }
}
