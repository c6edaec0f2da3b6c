/** Forgets what became of deliveries after 30 days, and of relay what is over its number; a little at a time. */
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import { limits } from '../protocol/limits.ts';
import type { Store } from '../store/store.ts';

const KEPT = 30 * 86_400_000;
/** Milliseconds; each time at most 500 rows of a kind go (store). */
const EVERY = 60_000;

export interface PruningOptions {
  network: Pick<Network, 'execute'>;
  store: Pick<Store, 'peers' | 'forgetRelays'>;
  clock?: () => number;
}

/** Returns the way to stop it. */
export function startPruning({ network, store, clock = Date.now }: PruningOptions): () => void {
  const prune = async (): Promise<void> => {
    // Of several servers one does it.
    if (store.peers && !(await store.peers.lease('retention'))) return;
    const before = new Date(clock() - KEPT).toISOString();
    await network.execute('delivery.save', { writes: [{ op: 'deliveries.prune', before }] }, server);
    await store.forgetRelays({ refusals: limits.relay_refusals.value, taken: limits.relay_taken.value });
  };
  // What cannot be written now goes the next time.
  const timer = setInterval(() => void prune().catch(() => {}), EVERY);
  timer.unref();
  return () => clearInterval(timer);
}
