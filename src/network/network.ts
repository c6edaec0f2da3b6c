/**
 * A network: its rules, and what they need to know in memory. Commands go through the writer (one at a time, in
 * batches, durable before they are answered); everything else here is a synchronous read of what is committed.
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { GuardState } from '../protocol/events.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { ForeignBatch } from '../store/peers.ts';
import type { Store } from '../store/store.ts';
import { Writer } from '../store/writer.ts';
import type { RoomConfig } from '../config/types.ts';
import type { Answer, Command, CommandKind, CommandTypes } from './commands.ts';
import { BatchRules } from './draft.ts';
import { declarationOf, type DeclarationNote, type DeclaredAgent } from './declaration.ts';
import { guardLimits, guardState, type GuardLimits } from './guard.ts';
import { guardedRow } from './guard-resume.ts';
import { server, type Identity } from './identity.ts';
import { systemRandom, type Random } from './random.ts';
import type { NetworkSettings } from './settings.ts';
import { Topology } from './topology.ts';

export type { NetworkSettings } from './settings.ts';
export { tokenAgents, type DeclarationNote, type DeclaredAgent } from './declaration.ts';

export interface NetworkOptions {
  store: Store;
  settings: NetworkSettings;
  /** Called with each committed batch's events in seq order, before its commands are answered. Must not throw. */
  onCommitted: (events: LogEvent[]) => void;
  /** Told the number of commands of each committed batch that wrote something. Must not throw. */
  onBatch?: (commands: number) => void;
  /** Called with what another server committed, once it is in the topology and before its events are told. Must not throw. */
  onForeign?: (batch: ForeignBatch) => void;
  /** Milliseconds since 1970; for tests. */
  clock?: () => number;
  random?: Random;
}

export class Network {
  readonly settings: NetworkSettings;
  /** Rooms, members, agents and held conversations as committed: synchronous reads. */
  readonly topology: Topology;
  readonly #writer: Writer<Command, Answer>;
  readonly #store: Store;
  readonly #clock: () => number;
  /** Of the newest batch of another server that is in the topology. */
  #position: number;
  #now = Number.NaN;
  #at = '';

  private constructor(options: NetworkOptions, topology: Topology) {
    this.settings = options.settings;
    this.topology = topology;
    this.#store = options.store;
    this.#clock = options.clock ?? Date.now;
    this.#position = options.store.position;
    this.#writer = new Writer<Command, Answer>({
      store: options.store,
      rules: new BatchRules(options.store, topology, options.random ?? systemRandom),
      onCommitted: options.onCommitted,
      position: () => this.#position,
      ...(options.onBatch && { onBatch: options.onBatch }),
    });
    options.store.follow((batch) => this.#writer.follow(() => this.#take(batch, options)));
  }

  /** What another server committed, as if it had been committed here. */
  #take(batch: ForeignBatch, { onCommitted, onForeign }: NetworkOptions): void {
    this.topology.foreign(batch);
    this.#position = batch.position;
    onForeign?.(batch);
    if (batch.events.length > 0) onCommitted(batch.events);
  }

  /** Loads the network at the log's head. Call `start` next, with what the configuration declares. */
  static async open(options: NetworkOptions): Promise<Network> {
    return new Network(options, new Topology(options.settings, await options.store.loadTopology()));
  }

  /**
   * Applies what the configuration declares: rooms (undefined when it declares none, and then an empty network gets
   * `general`) and the agents of its tokens (`tokenAgents`). Resolves with whose word counted, for the log. Rejects
   * with MoltnetError for a declaration that the rules refuse.
   */
  async start(
    rooms?: readonly RoomConfig[],
    agents: readonly DeclaredAgent[] = [],
  ): Promise<DeclarationNote[]> {
    const request = declarationOf(rooms, agents);
    const { notes } = await this.execute('config.apply', { request, source: 'startup' }, server);
    return notes!;
  }

  /**
   * The same with a file that was read again, and the settings that it gives: they are put into `this.settings`
   * between two commands, at the very place of the declaration in their order. When it rejects, nothing has changed.
   * `network_mismatch`: a network keeps its id.
   */
  async reload(
    settings: NetworkSettings,
    rooms: readonly RoomConfig[] | undefined,
    agents: readonly DeclaredAgent[],
  ): Promise<DeclarationNote[]> {
    const request = { ...declarationOf(rooms, agents), network_id: settings.id };
    const { notes } = await this.execute('config.apply', { request, source: 'reload', settings }, server);
    return notes!;
  }

  /**
   * Resolves when the command's changes are durable and published; rejects with MoltnetError when it is refused.
   * `stored`: see Writer.submit.
   */
  execute<K extends CommandKind>(
    kind: K,
    args: CommandTypes[K][0],
    identity: Identity,
    stored?: (answer: Answer<K>) => void,
  ): Promise<Answer<K>> {
    const command = {
      ...args,
      kind,
      identity,
      at: this.#time(),
    } as unknown as Command;
    // What attachments write by themselves, a thousand of them at once: a message goes before it.
    const behind =
      command.kind === 'delivery.save' || (command.kind === 'agent.register' && command.via === 'attach');
    return this.#writer.submit(command, stored as (answer: Answer) => void, behind) as Promise<Answer<K>>;
  }

  /** Now, as it is stored: written out once for all commands of one millisecond. */
  #time(): string {
    const now = this.#clock();
    if (now !== this.#now) {
      this.#now = now;
      this.#at = new Date(now).toISOString();
    }
    return this.#at;
  }

  /** Conversations that the guard holds now, sorted by key. */
  guardStates(): GuardState[] {
    return [...this.topology.held()]
      .filter((row) => row.room_id === null || this.topology.room(row.room_id) !== undefined)
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map((row) => guardState(row, this.#limitsOf(row), this.#clock()));
  }

  /** The guard's view of any conversation. Throws `not_found`, and `invalid_target` for a key that is none. */
  async guardState(conversation: ConversationKey): Promise<GuardState> {
    const { topology } = this;
    const stored =
      topology.conversation(conversation) ??
      (await this.#store.conversations([conversation])).get(conversation);
    const row = guardedRow(topology, conversation, stored, this.#time());
    const pairs = row.guard_speaker === null ? [] : [...topology.pairsOf(row.guard_speaker)];
    return guardState(row, this.#limitsOf(row), this.#clock(), pairs);
  }

  #limitsOf({ room_id }: { room_id: string | null }): GuardLimits {
    return guardLimits(this.settings, room_id === null ? undefined : this.topology.room(room_id));
  }

  isHeld(conversation: ConversationKey): boolean {
    return this.topology.isHeld(conversation);
  }

  /** Commands that wait for the next batch. */
  get waiting(): number {
    return this.#writer.waiting;
  }

  /** A batch of them may begin at the end of this turn of the event loop. */
  get due(): boolean {
    return this.#writer.due;
  }

  /** Somebody wrote a moment ago; what attachments write by themselves does not count. */
  get writing(): boolean {
    return this.#writer.busy;
  }

  /** Refuses new commands, and resolves when the accepted ones are answered. Idempotent. The store stays open. */
  close(): Promise<void> {
    return this.#writer.close();
  }
}
