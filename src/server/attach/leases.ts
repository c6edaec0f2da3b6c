/**
 * Of several attachments of one agent exactly one delivers. The next gets the lease when the holder has let go, or,
 * where several servers share a database, when the holder's server is dead.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { MoltnetError } from '../../protocol/errors.ts';
import { server } from '../../network/identity.ts';
import type { Network } from '../../network/network.ts';
import { LeaseLostError } from '../../store/errors.ts';
import type { DeliveryWrite } from '../../store/delivery-rows.ts';
import type { Peers } from '../../store/peers.ts';

export interface Lease {
  /** Nobody was before it. */
  readonly free: boolean;
  /** Resolves when it is the holder, or has given up. */
  readonly acquired: Promise<void>;
  /** False when another server may have it by now. */
  readonly stands: boolean;
  /** Goes along with everything that is written by it: another server may get it between a look and the commit. */
  readonly fence: readonly DeliveryWrite[];
  /** Gives it back, or up, once the last of its work is done. */
  release(done: Promise<unknown>): void;
}

/** What a client is told whose delivery may be another server's by now. */
export const lapsed = (): MoltnetError =>
  new MoltnetError('service_unavailable', 'another server delivers by now: reconnect');

/** Stores what was delivered by it. LeaseLostError: another server may deliver by now, and have written further than this one knows. */
export async function saveBy(
  { stands, fence }: Lease,
  network: Pick<Network, 'execute'>,
  writes: readonly DeliveryWrite[],
): Promise<void> {
  if (!stands) throw new LeaseLostError('the lease of this delivery has lapsed');
  await network.execute('delivery.save', { writes: [...fence, ...writes] }, server);
}

/** Milliseconds between two looks whether another server has let go. */
const LOOK = 200;

export class Leases {
  readonly #last = new Map<string, Promise<void>>();
  readonly #peers: Pick<Peers, 'lease' | 'release' | 'alive' | 'holder'> | undefined;

  constructor(peers?: Pick<Peers, 'lease' | 'release' | 'alive' | 'holder'>) {
    this.#peers = peers;
  }

  /** Takes a place in the agent's line, at once; resolves when it is known whether it is free. */
  async request(agent_id: string): Promise<Lease> {
    const peers = this.#peers;
    const before = this.#last.get(agent_id);
    const { promise, resolve } = Promise.withResolvers<void>();
    const over = new AbortController();
    // Whoever gives up while it waits lets the next one wait for those before both.
    const place = this.#until(before, promise, async () => {
      if (this.#last.get(agent_id) !== place) return;
      await peers?.release(agent_id);
      if (this.#last.get(agent_id) === place) this.#last.delete(agent_id);
    });
    this.#last.set(agent_id, place);
    const free = before === undefined && (peers === undefined || (await peers.lease(agent_id)));
    let held = peers?.holder ?? 0;
    const taken = (): void => void (held = peers?.holder ?? 0);
    return {
      free,
      acquired: free ? Promise.resolve() : this.#take(agent_id, before, over.signal).then(taken),
      get fence(): DeliveryWrite[] {
        return peers ? [{ op: 'fence', name: agent_id, holder: held }] : [];
      },
      get stands() {
        return peers === undefined || peers.alive;
      },
      release(done) {
        over.abort();
        void done.finally(resolve);
      },
    };
  }

  /** Resolves when every lease that is out was given back. */
  async settled(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }

  async #take(agent_id: string, before: Promise<void> | undefined, over: AbortSignal): Promise<void> {
    await before;
    while (this.#peers && !over.aborted && !(await this.#peers.lease(agent_id)))
      await delay(LOOK, undefined, { signal: over }).catch(() => {});
  }

  async #until(
    before: Promise<void> | undefined,
    released: Promise<void>,
    done: () => Promise<void>,
  ): Promise<void> {
    await before;
    await released;
    await done();
  }
}
