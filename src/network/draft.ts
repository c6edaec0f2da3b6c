/** How the writer decides: one batch at a time, each command by its rule, against what the ones before it will change. */
import { MoltnetError } from '../protocol/errors.ts';
import type { Store, Writes } from '../store/store.ts';
import type { Decision, Draft, Rules } from '../store/writer.ts';
import type { Answer, Command } from './commands.ts';
import { decide } from './decide.ts';
import { Facts } from './facts.ts';
import { Overlay } from './overlay.ts';
import type { Random } from './random.ts';
import type { NetworkSettings } from './settings.ts';
import type { Topology } from './topology.ts';

export class BatchRules implements Rules<Command, Answer> {
  readonly #store: Store;
  readonly #topology: Topology;
  readonly #random: Random;

  constructor(store: Store, topology: Topology, random: Random) {
    this.#store = store;
    this.#topology = topology;
    this.#random = random;
  }

  draft(commands: readonly Command[]): Draft<Command, Answer> | Promise<Draft<Command, Answer>> {
    const facts = Facts.load(this.#store, this.#topology, commands);
    const over = (known: Facts) => new BatchDraft(this.#topology, known, this.#random);
    return facts instanceof Facts ? over(facts) : facts.then(over);
  }
}

/** Nothing of it is visible outside before `committed`; a draft that is dropped leaves no trace. */
class BatchDraft implements Draft<Command, Answer> {
  readonly #topology: Topology;
  readonly #overlay: Overlay;
  readonly #random: Random;
  readonly #writing: Writes[] = [];
  #settings: NetworkSettings | undefined;

  constructor(topology: Topology, facts: Facts, random: Random) {
    this.#topology = topology;
    this.#overlay = new Overlay(facts);
    this.#random = random;
  }

  decide(command: Command): Decision<Answer> {
    try {
      const decided = decide(this.#overlay, command, this.#random);
      if (decided.writes.events.length + decided.writes.rows.length > 0) {
        this.#overlay.apply(decided.writes);
        this.#writing.push(decided.writes);
      }
      if (decided.settings) this.#overlay.settle((this.#settings = decided.settings));
      return decided;
    } catch (refusal) {
      if (refusal instanceof MoltnetError) return { refusal };
      throw refusal;
    }
  }

  committed(seqs: readonly (readonly number[])[]): void {
    if (this.#settings) Object.assign(this.#topology.settings, this.#settings);
    for (let i = 0; i < this.#writing.length; i++) this.#topology.committed(this.#writing[i]!, seqs[i]!);
  }
}
