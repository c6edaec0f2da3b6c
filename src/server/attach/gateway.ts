/**
 * The attach endpoint (wire.md 6): takes sockets over, lets their agents identify themselves, and hands each to the
 * kind of attachment that its client speaks.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Hold } from '../../log/receipt.ts';
import type { Tail } from '../../log/tail.ts';
import type { WakeTest } from '../../protocol/agents.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { anyone, type Identity } from '../../network/identity.ts';
import type { Network } from '../../network/network.ts';
import type { WakeRow } from '../../store/delivery-rows.ts';
import type { LogEvent } from '../../store/log-rows.ts';
import type { Store } from '../../store/store.ts';
import type { Peer } from '../auth/peer.ts';
import type { Rates } from '../auth/rates.ts';
import type { BindingsBook } from '../bindings.ts';
import type { Holds } from '../holds.ts';
import type { Presence } from '../presence.ts';
import type { Usage } from '../usage.ts';
import { Claims } from './claims.ts';
import { Connection, type AttachTimes, type ConnectionHost, type FrameHandler } from './connection.ts';
import { Counts, isUnknown, keyOf } from './counts.ts';
import { DeliveryAttachment, type AttachmentActivity, type ProbeStatus } from './delivery-attachment.ts';
import { readyFrame } from './frames.ts';
import { GapPositions } from './gap-positions.ts';
import { Heartbeat } from './heartbeat.ts';
import { HandedLog } from './handed-log.ts';
import type { Identification } from './identify.ts';
import { lapsed, Leases } from './leases.ts';
import { StreamAttachment } from './stream-attachment.ts';
import type { WakeReports } from './wake-report.ts';

/** What the gateway logs with; pino's Logger is one. */
export interface AttachLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface AttachGatewayOptions {
  network: Network;
  store: Store;
  tail: Tail;
  presence: Presence;
  wakes: WakeReports;
  /** The identity of a token that was minted for a claim (auth/credentials.ts). */
  bindings: Pick<BindingsBook, 'set'>;
  holds: Holds;
  usage: Pick<Usage, 'began' | 'ended'>;
  identityOf?: (token: string) => Identity;
  /** Claims of ids without a credential are counted; without it they are not. */
  rates?: Pick<Rates, 'claim'>;
  log: AttachLog;
  /** For tests that do not want to wait ten seconds. */
  times?: Partial<AttachTimes>;
}

/** What the gateway wants to know of auth/peer.ts's Peer. */
export type AttachPeer = Pick<Peer, 'address' | 'loopback'>;
const HERE: AttachPeer = { address: '', loopback: true };

export interface AttachGateway {
  /**
   * Takes over `GET /v1/attach`. The caller has checked Origin and Host, resolved the credential (the identity; mode
   * none's `anyone` when left out) and knows from where it comes. Throws MoltnetError `stopping` or
   * `too_many_attachments` before a byte is written.
   */
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    identity?: Identity,
    peer?: AttachPeer,
  ): void;
  /**
   * Credentials or settings changed. Ends the attachments whose identity `refusal` refuses, and looks again at what the
   * others may read.
   */
  revalidate(refusal: (identity: Identity) => MoltnetError | undefined): void;
  /** Leases of this server lapsed: whoever was delivered to by them begins anew. */
  lapsed(): void;
  /** Attachments that are READY. */
  readonly active: number;
  /** Whether an attachment of the agent has the event and nothing became of it yet. */
  isOut(agent_id: string, cursor: string): boolean;
  /** What is held was decided anew, for this agent or all. */
  holdsChanged(agent_id?: string): void;
  /** A failed wake is stored as open again: it is run when the agent's node is there. */
  retry(row: WakeRow, room_id: string | undefined): void;
  /** What is kept back from attached agents. */
  held(): Iterable<{ agent_id: string; conversation: string; reason: Hold }>;
  /** What an attached agent does. */
  activity(agent_id: string): AttachmentActivity | undefined;
  /** Asks the agent's node whether its runtime can be woken. */
  probe(agent_id: string): Promise<WakeTest>;
  /** Sockets, those that have not identified themselves included. */
  readonly connections: number;
  /** Closes every attachment with 1012 and refuses new ones; resolves when all are gone and their positions stored. Idempotent. */
  close(): Promise<void>;
}

const TIMES: AttachTimes = {
  identify: limits.identify.value,
  silence: limits.silence.value,
  ping: limits.heartbeat.value / 2,
  probe: 1_500,
  blocked: 30_000,
  linger: 1_000,
};
const TICK = 250;
/** Milliseconds for the answer to a PROBE: a runtime is started for it. */
const PROBE_ANSWER = 20_000;

interface Attachment extends FrameHandler {
  /** After READY. */
  start(): Promise<void>;
  /** Whether the client has the event and nothing became of it yet. */
  isOut(cursor: string): boolean;
  holdsChanged(): void;
  // Of the delivery protocol.
  retry?(row: WakeRow, room_id: string | undefined): void;
  heldBack?(): { conversation: string; reason: Hold }[];
  activity?(): AttachmentActivity | undefined;
  /** It delivers, and its client answers PROBE. */
  readonly tellsStatus?: boolean;
  ask?(milliseconds: number): Promise<ProbeStatus | undefined>;
}

export function createAttachGateway(options: AttachGatewayOptions): AttachGateway {
  const { network, store, tail, presence, wakes, log } = options;
  const times: AttachTimes = { ...TIMES, ...options.times };
  const heartbeat = new Heartbeat(Math.min(TICK, times.ping / 4, times.silence / 4));
  // No compression, and no subprotocol is ever selected (wire.md 6.1).
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.frame.value,
    handleProtocols: () => false,
  });
  const connections = new Set<Connection>();
  const claims = new Claims<Connection>();
  const leases = new Leases(store.peers);
  const gaps = new GapPositions();
  const streams = new Set<StreamAttachment>();
  const deliveries = new Set<DeliveryAttachment>();
  const byAgent = new Map<string, Set<Attachment>>();
  const handed = new HandedLog({ network, tail });
  const peers = new Map<Connection, AttachPeer>();
  const counts = new Counts();
  let active = 0;
  let closing: Promise<void> | undefined;
  let allGone: (() => void) | undefined;

  const host: ConnectionHost = {
    networkId: network.settings.id,
    times,
    pace: tail.pace,
    identify: (connection, identification) => {
      attach(connection, identification).catch((error: unknown) => {
        const { agent_id } = identification;
        if (error instanceof MoltnetError)
          log.warn({ agent_id, code: error.code }, `attachment refused: ${error.message}`);
        connection.fail(error, 'attachment_closed');
      });
    },
    gone(connection) {
      connections.delete(connection);
      counts.leave(keyOf(connection.identity, peers.get(connection)!));
      peers.delete(connection);
      heartbeat.delete(connection);
      if (connections.size === 0) allGone?.();
    },
    fault: (error) => log.error({ err: error }, 'an attachment met a fault'),
  };

  async function attach(connection: Connection, identification: Identification): Promise<void> {
    const { agent_id, name, claim_key } = identification;
    const { identity } = connection;
    const peer = peers.get(connection)!;
    if (isUnknown(identity)) options.rates?.claim(peer);
    // A thousand that come back at once take turns, or those who write wait behind all of them.
    await tail.pace.turn('begin');
    if (connection.ended) return;
    const { registration } = await network.execute(
      'agent.register',
      { requested_id: agent_id, name, via: 'attach', claim_key, loopback: peer.loopback },
      identity,
    );
    const credential = network.topology.agent(agent_id)?.credential_key;
    if (identity.mode !== 'none') connection.credential = credential;
    if (registration.agent_token !== undefined && !connection.ended) {
      // From here on it is the agent, as the next connection with the token will be.
      counts.leave(keyOf(identity, peer));
      connection.identity = options.identityOf?.(registration.agent_token) ?? identity;
      counts.enter(keyOf(connection.identity, peer));
    }
    if (connection.ended) return;
    await claims.claim(agent_id, connection);
    connection.atEnd(() => claims.release(agent_id, connection));
    // Removed while it waited: `agent.removed` went by before the agent was anybody's.
    if (!network.topology.agent(agent_id)) throw removed(agent_id);
    if (identification.bindings) await options.bindings.set(agent_id, identification.bindings);
    await tail.pace.turn('begin');
    const attachment = await open(connection, identification);
    if (connection.ended) return;
    enter(agent_id, attachment, connection);
    connection.attach(attachment, readyFrame(registration));
    active++;
    const gone = presence.connect(agent_id);
    log.info({ agent_id, delivery: connection.delivery }, 'attached');
    connection.atEnd((reason, error) => {
      active--;
      gone(reason, error);
      log.info({ agent_id, reason, error }, 'attachment ended');
    });
    await attachment.start();
    connection.begin();
  }

  const paused = (room_id: string): string | undefined =>
    network.topology.hasPauses ? network.topology.pause(`room:${room_id}`)?.at : undefined;
  const of = (agent_id: string): Attachment[] => [...(byAgent.get(agent_id) ?? [])];

  function holdsChanged(agent_id?: string): void {
    for (const attachment of agent_id === undefined ? [...deliveries, ...streams] : of(agent_id))
      attachment.holdsChanged();
  }

  function enter(agent_id: string, attachment: Attachment, connection: Connection): void {
    const others = byAgent.get(agent_id);
    if (others) others.add(attachment);
    else byAgent.set(agent_id, new Set([attachment]));
    connection.atEnd(() => {
      const left = byAgent.get(agent_id)!;
      left.delete(attachment);
      if (left.size === 0) byAgent.delete(agent_id);
    });
  }

  async function open(
    connection: Connection,
    { agent_id, bindings, cursor, status }: Identification,
  ): Promise<Attachment> {
    const { holds, usage } = options;
    const common = { connection, network, store, tail, wakes, agent_id, cursor, holds };
    if (bindings) {
      const attachment = new DeliveryAttachment({
        ...common,
        bindings,
        usage,
        lease: await leases.request(agent_id),
        tellsStatus: status,
        onStatus: () => presence.changed(agent_id),
        onCap: () => holdsChanged(agent_id),
      });
      deliveries.add(attachment);
      connection.atEnd(() => {
        deliveries.delete(attachment);
        attachment.onEnd();
      });
      await attachment.prepare();
      return attachment;
    }
    const attachment = new StreamAttachment({ ...common, gaps, handed, paused });
    streams.add(attachment);
    connection.atEnd((reason, error) => {
      streams.delete(attachment);
      attachment.onEnd(reason, error);
    });
    return attachment;
  }

  // Before the readers have the event: what follows a removal in the same batch is not sent any more.
  const unlisten = tail.listen((event: LogEvent) => {
    const { type, agent_id, room_id } = event;
    if (type === 'agent.removed' && agent_id !== undefined) {
      for (const connection of [...claims.of(agent_id)]) connection.fail(removed(agent_id), 'agent_removed');
    } else if (type === 'pause.changed') {
      holdsChanged();
    } else if (room_id !== undefined && type.startsWith('room.') && type !== 'room.removed') {
      for (const attachment of streams) attachment.refresh(room_id);
    }
  });

  return {
    get active() {
      return active;
    },
    get connections() {
      return connections.size;
    },
    isOut: (agent_id, cursor) => of(agent_id).some((each) => each.isOut(cursor)),
    holdsChanged,
    retry(row, room_id) {
      for (const attachment of of(row.agent_id)) attachment.retry?.(row, room_id);
    },
    *held() {
      for (const [agent_id, attachments] of byAgent)
        for (const attachment of attachments)
          for (const held of attachment.heldBack?.() ?? []) yield { agent_id, ...held };
    },
    activity: (agent_id) =>
      of(agent_id)
        .map((each) => each.activity?.())
        .find((each) => each),
    async probe(agent_id) {
      const attachments = of(agent_id);
      if (attachments.length === 0) {
        const reason = store.peers?.elsewhere().has(agent_id)
          ? 'its node is attached to another server of this network, which alone can ask it: try again, or ask that one'
          : 'not connected: its node is not attached';
        return { ok: false, reason };
      }
      const holder = attachments.find((each) => each.tellsStatus);
      if (!holder) {
        const alive = (await Promise.all(claims.of(agent_id).map((each) => each.probe()))).some(Boolean);
        return alive
          ? { ok: true, reason: 'its client answers, and cannot tell whether the runtime can be woken' }
          : { ok: false, reason: 'its client does not answer' };
      }
      const status = await holder.ask!(PROBE_ANSWER);
      if (!status) return { ok: false, reason: 'its node did not answer in time' };
      const { cannot_wake, cannot_wake_cause: cause, cannot_wake_until: until, runtime } = status;
      return {
        ok: cannot_wake === undefined,
        ...(cannot_wake !== undefined && { reason: cannot_wake }),
        ...(cause && { cause }),
        ...(until && { until }),
        ...(runtime && { runtime }),
      };
    },
    handleUpgrade(request, socket, head, identity = anyone, peer = HERE) {
      if (closing) throw new MoltnetError('stopping');
      const key = keyOf(identity, peer);
      if (connections.size >= limits.attachments.value) throw new MoltnetError('too_many_attachments');
      if (key !== undefined) counts.require(key, isUnknown(identity) && !peer.loopback);
      sockets.handleUpgrade(request, socket, head, (ws) => {
        const connection = new Connection(host, ws, socket, identity);
        connections.add(connection);
        peers.set(connection, peer);
        counts.enter(key);
        heartbeat.add(connection);
        // The gateway may have been closed while the handshake was answered.
        if (closing) connection.restart();
      });
    },
    lapsed() {
      for (const connection of [...connections])
        if (connection.delivery) connection.fail(lapsed(), 'event_stream_closed');
    },
    revalidate(refusal) {
      for (const connection of [...connections]) {
        const refused = refusal(connection.identity);
        if (refused)
          connection.fail(refused, refused.code === 'agent_removed' ? 'agent_removed' : 'attachment_closed');
      }
      for (const attachment of [...deliveries]) attachment.recheck();
    },
    close() {
      closing ??= (async () => {
        unlisten();
        const { promise, resolve } = Promise.withResolvers<void>();
        allGone = resolve;
        for (const connection of connections) connection.restart();
        if (connections.size > 0) await promise;
        await leases.settled();
        await handed.close();
      })();
      return closing;
    },
  };
}

const removed = (agent_id: string): MoltnetError =>
  new MoltnetError(
    'agent_removed',
    `the agent ${agent_id} was removed: an operator lets it back in (moltnet admin agent invite)`,
  );
