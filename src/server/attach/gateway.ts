/**
 * The attach endpoint (wire.md 6): takes sockets over, lets their agents identify themselves, and hands each to the
 * kind of attachment that its client speaks.
 */
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { ServerConfig } from '../../config/types.ts';
import type { Tail } from '../../log/tail.ts';
import { errors, MoltnetError, type ErrorCode } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { anyone, type Identity } from '../../network/identity.ts';
import type { Network } from '../../network/network.ts';
import type { LogEvent, Store } from '../../store/store.ts';
import type { Presence } from '../presence.ts';
import { Claims } from './claims.ts';
import { Connection, type AttachTimes, type ConnectionHost, type FrameHandler } from './connection.ts';
import { DeliveryAttachment } from './delivery-attachment.ts';
import { readyFrame } from './frames.ts';
import { GapPositions } from './gap-positions.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Identification } from './identify.ts';
import { Leases } from './leases.ts';
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
  config: Pick<ServerConfig, 'server'>;
  log: AttachLog;
  /** For tests that do not want to wait ten seconds. */
  times?: Partial<AttachTimes>;
}

export interface AttachGateway {
  /**
   * Takes over `GET /v1/attach`. The caller has checked Origin and Host, and resolved the credential (the identity;
   * mode none's `anyone` when left out). Answers refusals itself; never throws.
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, identity?: Identity): void;
  /** Attachments that are READY. */
  readonly active: number;
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

interface Attachment extends FrameHandler {
  /** After READY. */
  start(): Promise<void>;
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
  const leases = new Leases();
  const gaps = new GapPositions();
  const streams = new Set<StreamAttachment>();
  let active = 0;
  let closing: Promise<void> | undefined;
  let allGone: (() => void) | undefined;

  const host: ConnectionHost = {
    networkId: network.settings.id,
    times,
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
      heartbeat.delete(connection);
      if (connections.size === 0) allGone?.();
    },
    fault: (error) => log.error({ err: error }, 'an attachment met a fault'),
  };

  async function attach(connection: Connection, identification: Identification): Promise<void> {
    const { agent_id, name } = identification;
    const { identity } = connection;
    if (identity.agents && !identity.agents.has(agent_id))
      throw new MoltnetError('forbidden', `this credential may not attach as ${agent_id}`);
    const { registration } = await network.execute(
      'agent.register',
      { requested_id: agent_id, name, via: 'attach' },
      identity,
    );
    if (connection.ended) return;
    await claims.claim(agent_id, connection);
    connection.atEnd(() => claims.release(agent_id, connection));
    // Removed while it waited: `agent.removed` went by before the agent was anybody's.
    if (!network.topology.agent(agent_id)) throw removed(agent_id);
    const attachment = await open(connection, identification);
    if (connection.ended) return;
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

  async function open(
    connection: Connection,
    { agent_id, bindings, cursor }: Identification,
  ): Promise<Attachment> {
    const common = { connection, network, store, tail, wakes, agent_id, cursor };
    if (bindings) {
      const attachment = new DeliveryAttachment({ ...common, bindings, lease: leases.request(agent_id) });
      connection.atEnd(() => attachment.onEnd());
      await attachment.prepare();
      return attachment;
    }
    const attachment = new StreamAttachment({ ...common, gaps });
    streams.add(attachment);
    connection.atEnd((reason, error) => {
      streams.delete(attachment);
      attachment.onEnd(reason, error);
    });
    return attachment;
  }

  const unlisten = tail.listen((event: LogEvent) => {
    if (event.type === 'agent.removed' && event.agent_id !== undefined) {
      for (const connection of [...claims.of(event.agent_id)])
        connection.fail(removed(event.agent_id), 'agent_removed');
    } else if (event.room_id !== undefined && event.type.startsWith('room.')) {
      for (const attachment of streams) attachment.refresh(event.room_id);
    }
  });

  return {
    get active() {
      return active;
    },
    get connections() {
      return connections.size;
    },
    handleUpgrade(request, socket, head, identity = anyone) {
      if (closing) return refuse(socket, 'stopping');
      if (connections.size >= limits.attachments.value) return refuse(socket, 'too_many_attachments');
      sockets.handleUpgrade(request, socket, head, (ws) => {
        const connection = new Connection(host, ws, socket, identity);
        connections.add(connection);
        heartbeat.add(connection);
        // The gateway may have been closed while the handshake was answered.
        if (closing) connection.restart();
      });
    },
    close() {
      closing ??= (async () => {
        unlisten();
        const { promise, resolve } = Promise.withResolvers<void>();
        allGone = resolve;
        for (const connection of connections) connection.restart();
        if (connections.size > 0) await promise;
        await leases.settled();
      })();
      return closing;
    },
  };
}

const removed = (agent_id: string): MoltnetError =>
  new MoltnetError('agent_removed', `the agent ${agent_id} was removed: register it again to let it back in`);

/** Answers an upgrade that is not taken, in the envelope of every refusal. */
function refuse(socket: Duplex, code: ErrorCode): void {
  const { status, what } = errors[code];
  const body = `${JSON.stringify({ code, error: what })}\n`;
  socket.on('error', () => {});
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n${body}`,
  );
}
