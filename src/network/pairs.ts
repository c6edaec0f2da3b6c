/** The pairs of agents that answered each other lately, in memory: all of them, so that one that is not here has not. */
import { limits } from '../protocol/limits.ts';
import type { PairRow } from '../store/log-rows.ts';

/** Milliseconds after its last turn for which a pair is remembered: longer than any window over its turns. */
const KEPT = 3_600_000;
const CAPACITY = limits.guard_pairs.value;
const NONE: ReadonlyMap<string, PairRow> = new Map();

export class Pairs {
  /** By key; the one that was still for the longest time first. */
  readonly #rows = new Map<string, PairRow>();
  /** The same by either agent (FQID). */
  readonly #byAgent = new Map<string, Map<string, PairRow>>();

  get(pair: string): PairRow | undefined {
    return this.#rows.get(pair);
  }

  /** By key; do not change it. */
  of(agent: string): ReadonlyMap<string, PairRow> {
    return this.#byAgent.get(agent) ?? NONE;
  }

  put(row: PairRow): void {
    this.#rows.delete(row.pair);
    this.#rows.set(row.pair, row);
    for (const agent of row.pair.split(' ')) {
      const own = this.#byAgent.get(agent);
      if (own) own.set(row.pair, row);
      else this.#byAgent.set(agent, new Map([[row.pair, row]]));
    }
    for (const [pair, { at }] of this.#rows) {
      if (at >= row.at - KEPT && this.#rows.size <= CAPACITY) return;
      this.#forget(pair);
    }
  }

  #forget(pair: string): void {
    this.#rows.delete(pair);
    for (const agent of pair.split(' ')) {
      const own = this.#byAgent.get(agent);
      own?.delete(pair);
      if (own?.size === 0) this.#byAgent.delete(agent);
    }
  }
}
