/**
 * All pairings of this network: what is configured or was made by an invitation, as it is now. Relays what is said here,
 * takes what comes, and says how it stands.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Transport } from '../client/http-request.ts';
import type { Tail } from '../log/tail.ts';
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { isNetworkId } from '../protocol/ids.ts';
import type { Message, SendMessageRequest } from '../protocol/messages.ts';
import { sharedSince } from '../network/sharing.ts';
import type { BackfillResult, MessageRelay, Pairing, PairingDetail } from '../protocol/pairings.ts';
import type { LogEvent, StoredMessage } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import { Links } from './links.ts';
import { backfill } from './backfill.ts';
import { Intake } from './intake.ts';
import { Quota } from './quota.ts';
import { isRelayed } from './relay-message.ts';
import { PairingRelay, type RelayOptions, type RelayResult } from './relay.ts';
import { specsOf, type FilePairing, type PairingSpec } from './spec.ts';

export interface PairingsOptions {
  network: Network;
  store: Store;
  tail: Pick<Tail, 'announce' | 'head' | 'listen'>;
  /** Those of the server's file, as they are now. */
  file(): readonly FilePairing[];
  /** Asks this very server, as the holder of the token: for what comes over links. */
  serve(token: string): Transport;
  onResult(result: RelayResult): void;
  onFault(error: unknown): void;
  quota?: { messages: number; bytes: number };
  clock?: () => number;
  membersEvery?: number;
  leaseEvery?: number;
}

/** Refusals shown. */
const SHOWN = 100;

export class Pairings {
  readonly #options: PairingsOptions;
  readonly #quota: Quota;
  readonly links: Links;
  readonly intake: Intake;
  readonly #relays = new Map<string, PairingRelay>();
  #following: (() => void) | undefined;
  #settling: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: PairingsOptions) {
    this.#options = options;
    const { network, serve, store, clock, quota } = options;
    this.#quota = new Quota({ store, ...(quota && { most: quota }), ...(clock && { clock }) });
    this.intake = new Intake({
      network,
      quota: this.#quota,
      relay: (id) => this.#relays.get(id),
      ...(clock && { clock }),
    });
    this.links = new Links({
      tokenHash: (id) => network.topology.pairing(id)?.token_hash,
      serve,
      onChange: (id) => this.nudge(id),
    });
  }

  /** Everything that is said from now on is relayed; what was said while the server was down too. */
  async start(): Promise<void> {
    this.#following = this.#options.tail.listen((event) => this.#notice(event));
    await this.settle();
  }

  /** Makes of the configuration and the store what is to be; also after a reload. */
  settle(): Promise<void> {
    const turn = this.#settling.then(() => this.#settle());
    // One that fails (storage is away) keeps no later one from its turn.
    this.#settling = turn.catch(() => {});
    return turn;
  }

  list(): PairingRelay[] {
    return [...this.#relays.values()].sort((a, b) => (a.spec.id < b.spec.id ? -1 : 1));
  }
  /** Throws `not_found`. */
  get(id: string): PairingRelay {
    const relay = this.#relays.get(id);
    if (!relay) throw new MoltnetError('not_found', `no such pairing: ${id.slice(0, 160)}`);
    return relay;
  }
  /** A link of its has opened or ended. */
  nudge(id: string): void {
    this.#relays.get(id)?.nudge();
  }

  async detail(id: string): Promise<PairingDetail> {
    const relay = this.get(id);
    await relay.standing();
    const refusals = await this.#options.store.relayRefusals(id, SHOWN);
    return {
      ...relay.view(),
      refusals: refusals.map(({ message_id, conversation, code, reason, at }) => ({
        message_id,
        conversation,
        code,
        reason,
        at,
      })),
      waiting: relay.waitingShown(),
    };
  }

  /** Where a message stands with each pairing that it is for. */
  async relaysOf(message: StoredMessage): Promise<MessageRelay[]> {
    const { network, store } = this.#options;
    const relays: MessageRelay[] = [];
    const { target, redacted_at } = JSON.parse(message.payload) as Message;
    const event = {
      seq: message.seq,
      type: 'message.created',
      payload: message.payload,
      ...(message.room_id !== null && { room_id: message.room_id }),
      ...(target.participant_ids && { participants: target.participant_ids }),
    };
    for (const relay of this.list()) {
      const { spec } = relay;
      if (!isRelayed(event, spec, network.topology)) continue;
      const about: Omit<MessageRelay, 'state'> = {
        pairing_id: spec.id,
        ...(spec.network !== undefined && { remote_network_id: spec.network }),
      };
      const standing = await relay.standing();
      if (redacted_at !== undefined) {
        const told = standing.waitsToRedact(message.conversation, message.id) ? 'waiting' : 'told';
        about.redaction = relay.takesItems ? told : 'not_told';
      }
      if (!standing.isDone(message.conversation, message.seq)) {
        const pending = standing.attemptsOf(message.conversation);
        const next = pending?.message_id === message.id ? pending : undefined;
        relays.push({
          ...about,
          state: 'waiting',
          since: message.created_at,
          attempts: next?.attempts ?? 0,
          ...(next?.error !== undefined && { reason: next.error }),
        });
        continue;
      }
      // What was refused a moment ago is written by now.
      await relay.standing();
      const refusal = await store.relayRefusal(spec.id, message.seq);
      if (refusal) {
        const { code, reason, at } = refusal;
        relays.push({ ...about, state: 'refused', code, reason, at });
      } else {
        const forgotten = message.seq <= (await store.refusalsAfter(spec.id));
        relays.push({ ...about, state: forgotten ? 'unknown' : 'relayed' });
      }
    }
    return relays;
  }

  /** Pulls at most `count` messages of a shared room's history. Rejects with MoltnetError. */
  async backfill(id: string, room_id: string, count: number): Promise<BackfillResult> {
    const { network } = this.#options;
    const relay = this.get(id);
    const { spec, peer } = relay;
    if (sharedSince(network.topology.room(room_id)?.shares, id) === undefined)
      throw new MoltnetError('not_shared', `no room ${room_id} is shared with the pairing ${id}`);
    relay.requireHere();
    if (spec.network === undefined) await peer.check();
    const { client } = peer;
    if (!client || spec.network === undefined)
      throw new MoltnetError('bad_gateway', peer.diagnostics?.message ?? 'it cannot be reached now');
    return backfill({ network, spec, client, quota: this.#quota, room_id, count });
  }

  /** Resolves with whether a message may still have to go to somebody: then it is kept, whatever its age. */
  async waitingNow(): Promise<(conversation: ConversationKey, seq: number) => boolean> {
    const standings = await Promise.all(this.list().map((relay) => relay.standing()));
    return (conversation, seq) => standings.some((standing) => standing.mayWait(conversation, seq));
  }

  /** This server's leases have lapsed: another one relays by now. */
  lapsed(): void {
    for (const relay of this.#relays.values()) relay.lapsed();
  }

  /** Conversations with messages that wait, of all pairings that this server relays for. */
  get waiting(): number {
    return this.list().reduce((sum, { waiting }) => sum + waiting, 0);
  }

  views(): Pairing[] {
    return this.list().map((relay) => relay.view());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#following?.();
    await this.#settling;
    this.links.close();
    await Promise.all(this.list().map((relay) => relay.close()));
  }

  #notice(event: LogEvent): void {
    for (const relay of this.#relays.values()) relay.notice(event);
    // One of the log: a pairing was made, changed or revoked.
    if (event.type === 'pairing.updated') void this.settle().catch(this.#options.onFault);
  }

  async #settle(): Promise<void> {
    if (this.#closed) return;
    const { network, file } = this.#options;
    const specs = specsOf(file(), network.topology.pairings());
    for (const [id, relay] of this.#relays) {
      const spec = specs.get(id);
      if (spec && sameSpec(relay.spec, spec)) continue;
      this.#relays.delete(id);
      await relay.close();
    }
    for (const spec of specs.values()) if (!this.#relays.has(spec.id)) await this.#begin(spec);
    this.#settleLinks();
    // A reload gives the rules the file's words, which may leave out which network it is.
    for (const { spec } of this.#relays.values()) {
      const known = network.settings.pairings.get(spec.id);
      if (known && spec.network !== undefined) known.network ??= spec.network;
    }
  }

  /** A link is kept by the server that relays. */
  #settleLinks(): void {
    if (this.#closed) return;
    const relays = [...this.#relays.values()];
    this.links.settle(
      relays.filter((relay) => relay.spec.link === 'await' || relay.relays).map(({ spec }) => spec),
    );
  }

  async #begin(spec: PairingSpec): Promise<void> {
    const { network, store, tail, onResult, onFault, clock, membersEvery, leaseEvery } = this.#options;
    if (!(await store.relayState(spec.id)))
      await network.execute('relay.begin', { pairing_ids: [spec.id] }, server);
    if (this.#closed) return;
    const options: RelayOptions = {
      spec,
      network,
      store,
      quota: this.#quota,
      head: () => tail.head,
      onLease: () => this.#settleLinks(),
      ...(spec.link !== 'none' && { link: () => this.links.transport(spec.id) }),
      onChange: (relay) => this.#announce(relay),
      onResult,
      onFault,
      ...(clock && { clock }),
      ...(membersEvery !== undefined && { membersEvery }),
      ...(leaseEvery !== undefined && { leaseEvery }),
    };
    const relay = new PairingRelay(options);
    this.#relays.set(spec.id, relay);
    await relay.start();
  }

  /** As the original tells it, without the counts: those are asked for. */
  #announce(relay: PairingRelay): void {
    const { relay: _, rooms: _rooms, source: _source, ...payload } = relay.view();
    this.#options.tail.announce({ type: 'pairing.updated', payload });
  }
}

/** The network that one of the file has told by itself is no difference. */
function sameSpec(running: PairingSpec, wanted: PairingSpec): boolean {
  const { network, ...rest } = wanted;
  return (
    isDeepStrictEqual({ ...running, network: undefined }, { ...rest, network: undefined }) &&
    (network === undefined || network === running.network)
  );
}

/** Whether a request says that it came into the world on another network. */
export function isOfAnother(request: SendMessageRequest, local: string): boolean {
  const network = (request.origin?.network_id ?? '').trim();
  return network !== local && isNetworkId(network);
}
