/** What clients that decide wakes themselves have acknowledged, written down at most every 200 ms. */
import type { Tail } from '../../log/tail.ts';
import { server } from '../../network/identity.ts';
import type { Network } from '../../network/network.ts';
import type { DeliveryWrite } from '../../store/delivery-rows.ts';

/** Milliseconds. */
const SAVE_EVERY = 200;

export class HandedLog {
  readonly #network: Pick<Network, 'execute'>;
  readonly #tail: Pick<Tail, 'now'>;
  #writes: DeliveryWrite[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor({ network, tail }: { network: Pick<Network, 'execute'>; tail: Pick<Tail, 'now'> }) {
    this.#network = network;
    this.#tail = tail;
  }

  add(agent_id: string, seq: number): void {
    this.#writes.push({ op: 'handed', agent_id, seq, at: new Date(this.#tail.now()).toISOString() });
    this.#timer ??= setTimeout(() => void this.#flush(), SAVE_EVERY);
  }

  /** Writes down what is not; what cannot be stored is only a receipt that says less. */
  async close(): Promise<void> {
    await this.#flush();
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const writes = this.#writes;
    this.#writes = [];
    if (writes.length > 0) await this.#network.execute('delivery.save', { writes }, server).catch(() => {});
  }
}
