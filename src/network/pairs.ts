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

  /** The same by the agent whose turn it is: the other had the last one. */
  readonly #awaiting = new Map<string, Map<string, PairRow>>();

  get(pair: string): PairRow | undefined {
    return this.#rows.get(pair);
  }

  /** By key; do not change it. */
  of(agent: string): ReadonlyMap<string, PairRow> {
    return this.#byAgent.get(agent) ?? NONE;
  }

  /** Those of them in which the other had the last turn: few, also of one that writes to everybody. */
  awaiting(agent: string): ReadonlyMap<string, PairRow> {
    return this.#awaiting.get(agent) ?? NONE;
  }

  put(row: PairRow): void {
    this.#rows.delete(row.pair);
    this.#rows.set(row.pair, row);
    for (const agent of row.pair.split(' ')) {
      add(this.#byAgent, agent, row);
      if (agent === row.speaker) remove(this.#awaiting, agent, row.pair);
      else add(this.#awaiting, agent, row);
    }
    for (const [pair, { at }] of this.#rows) {
      if (at >= row.at - KEPT && this.#rows.size <= CAPACITY) return;
      this.#forget(pair);
    }
  }

  #forget(pair: string): void {
    this.#rows.delete(pair);
    for (const agent of pair.split(' ')) {
      remove(this.#byAgent, agent, pair);
      remove(this.#awaiting, agent, pair);
    }
  }
}

type ByAgent = Map<string, Map<string, PairRow>>;

function add(to: ByAgent, agent: string, row: PairRow): void {
  const own = to.get(agent);
  if (own) own.set(row.pair, row);
  else to.set(agent, new Map([[row.pair, row]]));
}

function remove(from: ByAgent, agent: string, pair: string): void {
  const own = from.get(agent);
  own?.delete(pair);
  if (own?.size === 0) from.delete(agent);
}
