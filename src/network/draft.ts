/** How the writer decides: each command by its rule, against what the ones before it will change, those of a batch that is not on disk yet too. */
import { MoltnetError } from '../protocol/errors.ts';
import type { Store } from '../store/store.ts';
import type { Writes } from '../store/writes.ts';
import type { Decision, Draft, Rules } from '../store/writer.ts';
import type { Answer, Command } from './commands.ts';
import { decide } from './decide.ts';
import { Facts } from './facts.ts';
import { Overlay } from './overlay.ts';
import type { Random } from './random.ts';
import type { NetworkSettings } from './settings.ts';
import type { State } from './state.ts';
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

  draft(
    commands: readonly Command[],
    over: Draft<Command, Answer> | undefined,
  ): BatchDraft | Promise<BatchDraft> {
    if (over !== undefined && !(over instanceof BatchDraft))
      throw new TypeError('not a draft of these rules');
    const facts = Facts.load(this.#store, this.#topology, over?.state, commands);
    const open = (known: Facts) => new BatchDraft(this.#topology, known, over, this.#random);
    return facts instanceof Facts ? open(facts) : facts.then(open);
  }
}

/** Nothing of it is visible outside before `committed`; a draft that is dropped leaves no trace. */
class BatchDraft implements Draft<Command, Answer> {
  readonly #topology: Topology;
  readonly #facts: Facts;
  readonly #overlay: Overlay;
  readonly #random: Random;
  readonly #writing: Writes[] = [];
  #settings: NetworkSettings | undefined;
  /** Decided over this one while it is not on disk. */
  #above: BatchDraft | undefined;

  constructor(topology: Topology, facts: Facts, over: BatchDraft | undefined, random: Random) {
    this.#topology = topology;
    this.#facts = facts;
    this.#overlay = new Overlay(facts);
    this.#random = random;
    if (over) over.#above = this;
  }

  /** What it will have made of the network. */
  get state(): State {
    return this.#overlay;
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
    this.#facts.remember((key) => this.#overlay.changesConversation(key));
    if (this.#settings) Object.assign(this.#topology.settings, this.#settings);
    for (let i = 0; i < this.#writing.length; i++) this.#topology.committed(this.#writing[i]!, seqs[i]!);
    if (this.#above) this.#above.#facts.rebase();
  }
}
