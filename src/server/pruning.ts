/** Forgets what became of deliveries after 30 days, a little at a time. */
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import type { Peers } from '../store/peers.ts';

const KEPT = 30 * 86_400_000;
/** Milliseconds; each time at most 500 rows of a kind go (store). */
const EVERY = 60_000;

/** Returns the way to stop it. */
export function startPruning(
  network: Pick<Network, 'execute'>,
  peers?: Pick<Peers, 'lease'>,
  clock: () => number = Date.now,
): () => void {
  const timer = setInterval(() => {
    const before = new Date(clock() - KEPT).toISOString();
    const writes = [{ op: 'deliveries.prune', before }] as const;
    // What cannot be written now goes the next time. Of several servers one does it.
    void Promise.resolve(peers?.lease('retention') ?? true)
      .then(
        async (ours) =>
          void (ours && (await network.execute('delivery.save', { writes: [...writes] }, server))),
      )
      .catch(() => {});
  }, EVERY);
  timer.unref();
  return () => clearInterval(timer);
}
