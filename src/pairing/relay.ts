/**
 * One pairing at work: its peer; and, at the one server that relays for it, what waits for it, and who of its network is
 * in the rooms that are shared.
 */
import type { Transport } from '../client/http-request.ts';
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import { sharedSince } from '../network/sharing.ts';
import { parseConversation } from '../protocol/conversation.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import type { Pairing, PairingDetail, RelayCounts } from '../protocol/pairings.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import { RelayLease } from './lease.ts';
import { Members } from './members.ts';
import type { Outcome } from './outcome.ts';
import { Outbox } from './outbox.ts';
import { Peer } from './peer.ts';
import type { Quota } from './quota.ts';
import { isRelayed } from './relay-message.ts';
import { sendEvents } from './send-events.ts';
import type { PairingSpec } from './spec.ts';
import { parseNote, storedStanding, type RelayNote, type Standing } from './standing.ts';

export type RelayResult = 'success' | 'error' | 'refused';

export interface RelayOptions {
  spec: PairingSpec;
  network: Network;
  store: Store;
  quota: Quota;
  /** seq of the newest event that the relay was told of. */
  head(): number;
  link?: () => Transport | undefined;
  /** This server relays for it from now on, or does not any more. */
  onLease(): void;
  onChange(relay: PairingRelay): void;
  onResult(result: RelayResult): void;
  onFault(error: unknown): void;
  clock?: () => number;
  /** Milliseconds between two looks at who is in the shared rooms there. */
  membersEvery?: number;
  /** Milliseconds between two looks at the lease. */
  leaseEvery?: number;
}

/** Conversations that are shown as waiting; of those of another server, as many as it tells. */
const SHOWN = 100;
const NOTED = 20;
const NOTE_EVERY = 1_000;

export class PairingRelay {
  readonly spec: PairingSpec;
  readonly peer: Peer;
  readonly #counts: Omit<RelayCounts, 'waiting' | 'waiting_since'> = {
    relayed: 0,
    refused: 0,
    received: 0,
    not_taken: 0,
  };
  readonly #options: RelayOptions;
  readonly #lease: RelayLease;
  /** While this server relays for it. */
  #outbox: Outbox | undefined;
  #members: Members | undefined;
  #noting: NodeJS.Timeout | undefined;
  #noted: string | undefined;
  #closed = false;

  constructor(options: RelayOptions) {
    const { network, store, spec, clock } = options;
    this.spec = spec;
    this.#options = options;
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
      ...(clock && { clock }),
    });
    this.#lease = new RelayLease({
      name: this.#name('pairing'),
      peers: store.peers,
      // A link leads to one server: that one relays.
      yields: () => this.#linkedElsewhere,
      onTaken: () => this.#taken(),
      onLost: () => this.#lost(),
      ...(options.leaseEvery !== undefined && { every: options.leaseEvery }),
    });
  }

  start(): Promise<void> {
    return this.#lease.start();
  }

  /** A committed event, in seq order. */
  notice(event: LogEvent): void {
    this.#outbox?.notice(event);
  }

  /** Looks at the peer now, and not when it would be looked at next. */
  nudge(): void {
    const { store, link } = this.#options;
    if (this.spec.link === 'await') store.peers?.note(this.#name('pairing-link'), link?.() && 'open');
    void this.#lease.look();
    this.peer.wake();
    this.#members?.look();
  }

  /** This server relays for it. */
  get relays(): boolean {
    return this.#lease.held;
  }
  /** Its leases have lapsed: another server may relay by now. */
  lapsed(): void {
    this.#lease.lapsed();
  }
  /**
   * What is asked of it now can be asked from here, or from nowhere. Throws `service_unavailable` while its link is at
   * another server of this network.
   */
  requireHere(): void {
    if (this.#linkedElsewhere)
      throw new MoltnetError(
        'service_unavailable',
        `the link of ${this.spec.id} is at another server of this network: it answers when it is asked this (ask again)`,
        { retry_after: 1 },
      );
  }
  get #linkedElsewhere(): boolean {
    const { spec, store, link } = this.#options;
    return spec.link === 'await' && !link?.() && store.peers?.noted(this.#name('pairing-link')) !== undefined;
  }
  /** Conversations with messages that wait here. */
  get waiting(): number {
    return this.#outbox?.pending ?? 0;
  }

  /** What is known of relay so far is written; what it came to. */
  async standing(): Promise<Standing> {
    const outbox = this.#outbox;
    if (!outbox) return storedStanding(await this.#options.store.relayState(this.spec.id), this.#said());
    await outbox.flush();
    return outbox;
  }

  countReceived(): void {
    this.#counts.received++;
  }
  countNotTaken(last_refusal: NonNullable<RelayCounts['last_refusal']>): void {
    this.#counts.not_taken++;
    this.#counts.last_refusal = last_refusal;
  }

  get status(): string {
    return this.#elsewhere()?.status ?? this.peer.status;
  }
  view(): Pairing {
    const { id, network, name, base_url, source } = this.spec;
    const { topology } = this.#options.network;
    const { relay, waiting: _waiting, takes_items: _takes, ...said } = this.#said();
    return {
      id,
      ...(network !== undefined && { remote_network_id: network }),
      ...(name !== undefined && { remote_network_name: name }),
      ...(base_url !== undefined && { remote_base_url: base_url }),
      ...said,
      source,
      rooms: topology.roomIds().filter((room) => sharedSince(topology.room(room)!.shares, id) !== undefined),
      relay: { ...this.#counts, ...relay },
    };
  }
  /** Its server is of ours, and is told that messages were removed. */
  get takesItems(): boolean {
    return this.#said().takes_items;
  }
  waitingShown(): PairingDetail['waiting'] {
    return this.#said().waiting;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.store.peers?.note(this.#name('pairing-link'), undefined);
    this.peer.close();
    await this.#lease.close();
  }

  #name(kind: 'pairing' | 'pairing-link'): string {
    return `${kind}:${this.spec.id}`;
  }

  /** As the server that relays has it. */
  #said(): RelayNote {
    return this.#elsewhere() ?? this.#note(SHOWN);
  }
  #elsewhere(): RelayNote | undefined {
    return this.relays ? undefined : parseNote(this.#options.store.peers?.noted(this.#name('pairing')));
  }

  #note(most: number): RelayNote {
    const waiting = this.#outbox?.waiting() ?? [];
    const since = waiting.find((one) => one.since !== undefined)?.since;
    const { relayed, refused } = this.#counts;
    return {
      status: this.peer.status,
      takes_items: this.peer.takesItems,
      ...(this.peer.diagnostics && { diagnostics: this.peer.diagnostics }),
      ...(this.spec.link !== 'none' && { link: this.#options.link?.() ? 'open' : 'closed' }),
      relay: {
        waiting: waiting.length,
        ...(since !== undefined && { waiting_since: since }),
        relayed,
        refused,
      },
      waiting: waiting.slice(0, most).map(({ conversation, message_id, attempts, since: from, error }) => ({
        conversation,
        attempts,
        ...(message_id !== undefined && { message_id }),
        ...(from !== undefined && { since: from }),
        ...(error !== undefined && { error }),
      })),
    };
  }

  #taken(): void {
    const { network, store, spec, quota, clock, membersEvery, head, onLease } = this.#options;
    const stands = (): boolean => this.#lease.stands;
    const onFault = (error: unknown): void => {
      if (!this.#closed) this.#options.onFault(error);
    };
    this.#outbox = new Outbox({
      pairing_id: spec.id,
      store,
      stands,
      isFor: (event) => isRelayed(event, spec, network.topology),
      ready: (conversation) => this.peer.ready(parseConversation(conversation).kind),
      send: (events) => sendEvents(events, { peer: this.peer, store, local: network.settings.id }),
      most: () => (this.peer.takesItems ? limits.relay_items.value : 1),
      save: (writes) => network.execute('relay.save', { writes }, server),
      onOutcome: (outcome) => this.#count(outcome),
      onFault,
      ...(clock && { clock }),
    });
    this.#members = new Members({
      spec,
      network,
      peer: this.peer,
      stands,
      charge: (bytes) => quota.take(spec.id, bytes, 0),
      onFault,
      ...(membersEvery !== undefined && { every: membersEvery }),
    });
    this.#members.look();
    // Events of this moment on are noticed; what is before them is read.
    this.#outbox.start(head()).catch(onFault);
    if (store.peers) {
      this.#noting = setInterval(() => this.#tell(), NOTE_EVERY);
      this.#noting.unref();
    }
    onLease();
  }

  async #lost(): Promise<void> {
    const outbox = this.#outbox;
    this.#outbox = undefined;
    this.#members?.close();
    this.#members = undefined;
    clearInterval(this.#noting);
    this.#noted = undefined;
    this.#options.store.peers?.note(this.#name('pairing'), undefined);
    await outbox?.close();
    if (!this.#closed) this.#options.onLease();
  }

  #tell(): void {
    const text = JSON.stringify(this.#note(NOTED));
    if (text === this.#noted) return;
    this.#noted = text;
    this.#options.store.peers?.note(this.#name('pairing'), text);
  }

  #count(outcome: Outcome): void {
    const { onResult } = this.#options;
    if (outcome.kind === 'relayed') {
      this.#counts.relayed++;
      onResult('success');
    } else if (outcome.kind === 'refused') {
      this.#counts.refused++;
      onResult('refused');
    } else onResult('error');
  }
}
