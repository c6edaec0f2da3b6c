/** Ends pauses whose time is over: a command like any other, so that whoever follows the log needs no clock. */
import type { Tail } from '../log/tail.ts';
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';

/** Milliseconds: a timer takes no more, and so long is waited when storage did not take the end. */
const LONGEST = 2_147_483_647;
const AGAIN = 5_000;

/** Returns the way out. */
export function endPauses({ network, tail }: { network: Network; tail: Tail }): () => void {
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  /** Waits for the first that ends; what is over already is ended at once. */
  function arm(atLeast = 0): void {
    clearTimeout(timer);
    timer = undefined;
    if (closed) return;
    const ends = network.topology
      .pauses()
      .flatMap(({ until }) => (until === null ? [] : [Date.parse(until)]));
    if (ends.length === 0) return;
    const wait = Math.max(Math.min(...ends) - tail.now(), atLeast);
    timer = setTimeout(() => void end(), Math.min(wait, LONGEST)).unref();
  }

  async function end(): Promise<void> {
    const now = new Date(tail.now()).toISOString();
    const over = network.topology.pauses().filter(({ until }) => until !== null && until <= now);
    const ended = over.map(({ scope }) =>
      network.execute('pause.set', { scope, paused: false, over: true }, server),
    );
    const failed = (await Promise.allSettled(ended)).some(({ status }) => status === 'rejected');
    // The end of one is an event, after which it is armed again; a timer may also come a little early.
    if (failed || over.length === 0) arm(failed ? AGAIN : 1);
  }

  const unlisten = tail.listen(({ type }) => {
    if (type === 'pause.changed') arm();
  });
  arm();
  return () => {
    closed = true;
    unlisten();
    clearTimeout(timer);
  };
}
