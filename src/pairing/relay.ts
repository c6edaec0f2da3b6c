/** One pairing at work: its peer, what waits for it, who of its network is in the rooms that are shared. */
import { isDeepStrictEqual } from 'node:util';
import type { Transport } from '../client/http-request.ts';
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import { sharedSince, spaceFor } from '../network/sharing.ts';
import { parseConversation } from '../protocol/conversation.ts';
import { isLocalAgentId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { Pairing, RelayCounts } from '../protocol/pairings.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { RelayState } from '../store/relay-rows.ts';
import type { Store } from '../store/store.ts';
import type { Outcome } from './outcome.ts';
import { Outbox } from './outbox.ts';
import { Peer } from './peer.ts';
import { isRelayed, relayRequest } from './relay-message.ts';
import type { PairingSpec } from './spec.ts';

export type RelayResult = 'success' | 'error' | 'refused';

export interface RelayOptions {
  spec: PairingSpec;
  network: Network;
  store: Store;
  link?: () => Transport | undefined;
  onChange(relay: PairingRelay): void;
  onResult(result: RelayResult): void;
  onFault(error: unknown): void;
  clock?: () => number;
  /** Milliseconds between two looks at who is in the shared rooms there. */
  membersEvery?: number;
}

const MEMBERS_EVERY = 15_000;

export class PairingRelay {
  readonly spec: PairingSpec;
  readonly peer: Peer;
  readonly outbox: Outbox;
  readonly counts: Omit<RelayCounts, 'waiting' | 'waiting_since'> = {
    relayed: 0,
    refused: 0,
    received: 0,
    not_taken: 0,
  };
  readonly #options: RelayOptions;
  /** Of each shared room, whom it last named there: who is gone from it is gone here. */
  readonly #members = new Map<string, ReadonlySet<string>>();
  #keeper: NodeJS.Timeout | undefined;
  #keeping: Promise<void> | undefined;
  #closed = false;

  constructor(options: RelayOptions) {
    const { network, store, onFault } = options;
    const spec = (this.spec = options.spec);
    this.#options = options;
    const clock = options.clock ? { clock: options.clock } : {};
    this.peer = new Peer({
      spec,
      local: network.settings.id,
      ...(options.link && { link: options.link }),
      onChange: () => options.onChange(this),
      onNetwork(id) {
        // What the file leaves out; the rules go by it from now on.
        const known = network.settings.pairings.get(spec.id);
        if (known && known.network === undefined) known.network = id;
      },
      ...clock,
    });
    this.outbox = new Outbox({
      pairing_id: spec.id,
      store,
      isFor: (event) => isRelayed(event, spec, network.topology),
      ready: (conversation) => this.peer.ready(parseConversation(conversation).kind),
      send: (event) => this.#send(event),
      save: (writes) => network.execute('relay.save', { writes }, server),
      onOutcome: (outcome) => this.#count(outcome),
      onFault: (error) => {
        if (!this.#closed) onFault(error);
      },
      ...clock,
    });
  }

  async start(state: RelayState, head: number): Promise<void> {
    this.#keep();
    await this.outbox.start(state, head);
  }

  /** Looks at the peer now, and not when it would be looked at next. */
  nudge(): void {
    this.peer.wake();
    this.#keep();
  }

  view(): Pairing {
    const { id, network, name, base_url, source, link } = this.spec;
    const { topology } = this.#options.network;
    const waiting = this.outbox.waiting();
    const since = waiting.find((one) => one.since !== undefined)?.since;
    return {
      id,
      ...(network !== undefined && { remote_network_id: network }),
      ...(name !== undefined && { remote_network_name: name }),
      ...(base_url !== undefined && { remote_base_url: base_url }),
      status: this.peer.status,
      ...(this.peer.diagnostics && { diagnostics: this.peer.diagnostics }),
      ...(link !== 'none' && { link: this.#options.link?.() ? 'open' : 'closed' }),
      source,
      rooms: topology.roomIds().filter((room) => sharedSince(topology.room(room)!.shares, id) !== undefined),
      relay: {
        waiting: waiting.length,
        ...(since !== undefined && { waiting_since: since }),
        ...this.counts,
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#keeper);
    this.peer.close();
    await this.outbox.close();
  }

  async #send(event: LogEvent): Promise<Outcome> {
    const request = relayRequest(event.payload, this.#options.network.settings.id);
    return request ? this.peer.send(request) : { kind: 'relayed' };
  }

  #count(outcome: Outcome): void {
    const { onResult } = this.#options;
    if (outcome.kind === 'relayed') {
      this.counts.relayed++;
      onResult('success');
    } else if (outcome.kind === 'refused') {
      this.counts.refused++;
      onResult('refused');
    } else onResult('error');
  }

  /** The status is kept current, and so are the members, also when there is nothing to relay. */
  #keep(): void {
    clearTimeout(this.#keeper);
    if (this.#closed || this.#keeping) return;
    this.#keeping = this.#look()
      .catch((error: unknown) => {
        if (!this.#closed) this.#options.onFault(error);
      })
      .finally(() => {
        this.#keeping = undefined;
        if (this.#closed) return;
        this.#keeper = setTimeout(() => this.#keep(), this.#options.membersEvery ?? MEMBERS_EVERY);
        this.#keeper.unref();
      });
  }

  async #look(): Promise<void> {
    if (!this.peer.client || !(await this.peer.ready('room'))) return;
    let rooms;
    try {
      rooms = await this.peer.rooms();
    } catch {
      // It is away, or lists nothing to us: as it was.
      return;
    }
    for (const { id, members = [] } of rooms) if (!this.#closed) await this.#follow(id, members);
  }

  /** Members of the other network in a shared room, under its name. Those of third networks are not its to name. */
  async #follow(room_id: string, named: readonly string[]): Promise<void> {
    const { network } = this.#options;
    const { id, network: remote } = this.spec;
    const room = network.topology.room(room_id);
    if (!room || remote === undefined || sharedSince(room.shares, id) === undefined) return;
    const before = this.#members.get(room_id) ?? NOBODY;
    const now = new Set(named.filter(isLocalAgentId).map((member) => `${remote}:${member}`));
    if (isDeepStrictEqual(before, now)) return;
    const most = limits.members_per_request.value;
    const add = [...now]
      .filter((member) => !room.members.has(member))
      .slice(0, Math.min(most, spaceFor(room, remote)));
    const remove = [...before]
      .filter((member) => !now.has(member) && room.members.has(member))
      .slice(0, most);
    if (add.length + remove.length > 0)
      await network.execute('room.members', { room_id, request: { add, remove } }, server);
    if (add.length < most && remove.length < most) this.#members.set(room_id, now);
  }
}

const NOBODY: ReadonlySet<string> = new Set();
