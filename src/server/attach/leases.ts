/** Of several attachments of one agent exactly one delivers. The next gets the lease when the holder has let go. */
export interface Lease {
  /** Nobody was before it. */
  readonly free: boolean;
  /** Resolves when it is the holder. */
  readonly acquired: Promise<void>;
  /** Gives it back, or up, once the last of its work is done. */
  release(done: Promise<unknown>): void;
}

export class Leases {
  readonly #last = new Map<string, Promise<void>>();

  /** Takes a place in the agent's line. */
  request(agent_id: string): Lease {
    const before = this.#last.get(agent_id);
    const { promise, resolve } = Promise.withResolvers<void>();
    // Whoever gives up while it waits lets the next one wait for those before both.
    const place = this.#until(before, promise, () => {
      if (this.#last.get(agent_id) === place) this.#last.delete(agent_id);
    });
    this.#last.set(agent_id, place);
    return {
      free: before === undefined,
      acquired: before ?? Promise.resolve(),
      release: (done) => void done.finally(resolve),
    };
  }

  /** Resolves when every lease that is out was given back. */
  async settled(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }

  async #until(before: Promise<void> | undefined, released: Promise<void>, done: () => void): Promise<void> {
    await before;
    await released;
    done();
  }
}
