/** One server process: storage, network, log and the ways in, opened in that order and closed in the reverse one. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isWildcardHost, parseListenAddress } from '../config/listen.ts';
import type { ServerConfig } from '../config/types.ts';
import { Tail } from '../log/tail.ts';
import { anyone } from '../network/identity.ts';
import { Network } from '../network/network.ts';
import type { NetworkSettings } from '../network/settings.ts';
import { limits } from '../protocol/limits.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { createAttachGateway, type AttachGateway } from './attach/gateway.ts';
import { createWakeReports } from './attach/wake-report.ts';
import type { ServerContext } from './context.ts';
import { buildApp } from './http/app.ts';
import { isAttachUpgrade, serveUpgrades } from './http/attach.ts';
import { originRules, type OriginRules } from './http/origin.ts';
import { createLog, type Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { createPresence } from './presence.ts';
import { createEventStreams, type EventStreams } from './sse.ts';

export interface RunningServer {
  /** Base URL on this machine, without a trailing slash. */
  url: string;
  /** Where it listens, as configured; empty for every interface. */
  host: string;
  port: number;
  config: ServerConfig;
  /**
   * Ends within limits.stop: refuses new work, answers what was accepted, closes attachments with 1012, ends event
   * streams, closes the store. Idempotent.
   */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Where it logs; stderr at level info when left out. */
  log?: Logger;
  /** Shown in /v1/network. */
  version?: string;
}

/** HTTP timeouts in milliseconds (wire.md 3.1). */
const TIMEOUTS = { headers: 5_000, request: 15_000, idle: 60_000 };
/** How much of limits.stop the attachments may take, and all together before they are cut. */
const STOP_ATTACHMENTS = 0.4 * limits.stop.value;
const STOP_CONNECTIONS = 0.8 * limits.stop.value;

/**
 * Resolves when it takes requests. Rejects with an Error whose message says what is wrong and what to do: the storage
 * cannot be opened, a declared room is refused, the port is taken.
 */
export async function startServer(config: ServerConfig, options: ServerOptions = {}): Promise<RunningServer> {
  const log = options.log ?? createLog();
  const address = parseListenAddress(config.server.listen_addr);
  if (!address) throw new Error(`server.listen_addr: ${JSON.stringify(config.server.listen_addr)} is no address; write host:port, for example 127.0.0.1:8787`);
  if (config.auth.mode !== 'none') throw new Error(`auth.mode: ${config.auth.mode} is not available in this version; write none`);

  const closing: (() => unknown)[] = [];
  /** Ends what is open so far, newest first. */
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).toReversed()) await end();
  };
  try {
    const store = await open(config, log);
    closing.push(() => store.close());
    const context = await assemble(config, options.version ?? 'dev', log, store);
    closing.push(() => context.network.close());

    const server = createHttpServer();
    const app = await buildApp(context, server);
    closing.push(() => app.close());
    serveUpgrades(server, context);
    const port = await listen(server, address.host, address.port);
    const url = `http://${authority(address.host)}:${port}`;
    context.listening(originRules(config, { host: address.host, port }), url);
    log.info({ component: 'app', url, network: config.network.id, storage: store.kind }, 'listening');

    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      const deadline = delay(STOP_CONNECTIONS, undefined, { ref: false });
      context.stop();
      const connections = new Promise<void>((resolve) => server.close(() => resolve()));
      context.streams.close();
      // Attachments first: their last acknowledgements go through the writer.
      await Promise.race([context.gateway.close(), delay(STOP_ATTACHMENTS, undefined, { ref: false })]);
      await Promise.race([context.network.close(), deadline]);
      await emptied(server, connections, deadline);
      await close();
      log.info({ component: 'app' }, 'stopped');
    };
    return { url, host: address.host, port, config, stop: () => (stopped ??= stop()) };
  } catch (error) {
    await close();
    throw error;
  }
}

function open(config: ServerConfig, log: Logger): Promise<Store> {
  const { kind, sqlite } = config.storage;
  if (kind === 'postgres') throw new Error('storage.kind: postgres is not available in this version; write sqlite or memory');
  return openStore({ kind, path: sqlite.path, networkId: config.network.id, log: log.child({ component: 'store.sql' }) });
}

/** The context, with what only startServer may say to it. */
interface StartingContext extends ServerContext {
  listening(origins: OriginRules, url: string): void;
  stop(): void;
}

async function assemble(config: ServerConfig, version: string, log: Logger, store: Store): Promise<StartingContext> {
  const tail = new Tail({ store, onFault: (error) => log.error({ component: 'events.broker', err: error }, 'a reader of the log failed') });
  // Made before what they count, which is made of them.
  const counted: { network?: Network; gateway?: AttachGateway; streams?: EventStreams } = {};
  const metrics = createMetrics({
    attachments: () => counted.gateway?.active ?? 0,
    streams: () => counted.streams?.active ?? 0,
    writerQueue: () => counted.network?.waiting ?? 0,
    head: () => tail.head,
  });
  const network = (counted.network = await Network.open({
    store,
    settings: settingsOf(config),
    onCommitted: (events) => tail.publish(events),
    onBatch: (commands) => metrics.batchSize.observe(commands),
  }));
  await network.start(config.rooms);
  const presence = createPresence({ tail, network });
  const wakes = createWakeReports({ tail, network, store });
  await wakes.load();
  const gateway = (counted.gateway = createAttachGateway({ network, store, tail, presence, wakes, config, log: log.child({ component: 'transport.attach' }) }));
  const streams = (counted.streams = createEventStreams({ network, store, tail }));

  let origins: OriginRules | undefined;
  let url = '';
  let stopping = false;
  return {
    config,
    version,
    log,
    store,
    tail,
    network,
    presence,
    wakes,
    gateway,
    streams,
    metrics,
    get origins() {
      return origins!;
    },
    get url() {
      return url;
    },
    get stopping() {
      return stopping;
    },
    identify: () => anyone,
    listening(rules, at) {
      origins = rules;
      url = at;
    },
    stop() {
      stopping = true;
    },
  };
}

const settingsOf = ({ network, auth, server, guard }: ServerConfig): NetworkSettings => ({
  id: network.id,
  name: network.name,
  auth_mode: auth.mode,
  public_read: auth.public_read,
  agent_registration: auth.agent_registration,
  human_ingress: server.human_ingress,
  direct_messages: server.direct_messages,
  debug_events: server.debug_events,
  guard,
});

function createHttpServer(): Server {
  const options = {
    headersTimeout: TIMEOUTS.headers,
    requestTimeout: TIMEOUTS.request,
    keepAliveTimeout: TIMEOUTS.idle,
    connectionsCheckingInterval: 1_000,
    // An upgrade to anything but our WebSocket (h2c, say) is an offer that HTTP lets us ignore.
    shouldUpgradeCallback: isAttachUpgrade,
  };
  const server = createServer(options);
  // A peer that takes nothing of its answer for so long is cut.
  server.timeout = TIMEOUTS.idle;
  return server;
}

/** Resolves with the port. */
function listen(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const failed = (error: NodeJS.ErrnoException): void => reject(listenError(error, host, port));
  server.once('error', failed);
  // localhost may mean ::1 alone, and most clients try 127.0.0.1.
  const at = host === 'localhost' ? '127.0.0.1' : host === '*' ? '' : host;
  server.listen({ port, ...(at === '' ? {} : { host: at }) }, () => {
    server.off('error', failed);
    server.on('error', () => {});
    resolve((server.address() as AddressInfo).port);
  });
  return promise;
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const at = `${authority(host)}:${port}`;
  const reasons: Record<string, string> = {
    EADDRINUSE: `port ${port} is taken (${at}): another server runs there. Stop it, or choose another port in server.listen_addr or MOLTNET_LISTEN_ADDR`,
    EACCES: `this user may not listen on port ${port}: choose one above 1023 in server.listen_addr or MOLTNET_LISTEN_ADDR`,
    EADDRNOTAVAIL: `${host} is no address of this machine: write 127.0.0.1:${port} in server.listen_addr, or :${port} for every interface`,
    ENOTFOUND: `${host} is no host name that is known here: write 127.0.0.1:${port} in server.listen_addr, or :${port} for every interface`,
  };
  return new Error(reasons[error.code ?? ''] ?? `cannot listen on ${at}: ${error.message}`, { cause: error });
}

/** The host under which this machine reaches a server that listens there. */
function authority(host: string): string {
  if (isWildcardHost(host) || host === 'localhost') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

/** Resolves when the last connection is gone; at the deadline the rest is cut. */
async function emptied(server: Server, connections: Promise<void>, deadline: Promise<void>): Promise<void> {
  // A connection that was busy when close() was called becomes idle when its answer is out.
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  try {
    server.closeIdleConnections();
    await Promise.race([connections, deadline]);
    server.closeAllConnections();
    await connections;
  } finally {
    clearInterval(sweep);
  }
}
