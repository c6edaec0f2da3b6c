/**
 * The live side of a server for tests: a real store, network and tail, with the attach gateway and the event streams
 * on a real HTTP server. No routes: messages go in through the network.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { BudgetSettings } from '../../src/config/types.ts';
import { Tail } from '../../src/log/tail.ts';
import type { CommandKind, CommandTypes, Answer } from '../../src/network/commands.ts';
import { anyone, type Identity } from '../../src/network/identity.ts';
import { Network, type NetworkSettings } from '../../src/network/network.ts';
import { MoltnetError } from '../../src/protocol/errors.ts';
import type { MessageAccepted } from '../../src/protocol/messages.ts';
import type { Receipt } from '../../src/protocol/receipts.ts';
import { CreateRoomRequest } from '../../src/protocol/rooms.ts';
import {
  createAttachGateway,
  type AttachGateway,
  type AttachGatewayOptions,
  type AttachPeer,
} from '../../src/server/attach/gateway.ts';
import type { AttachTimes } from '../../src/server/attach/connection.ts';
import { createWakeReports, type WakeReports } from '../../src/server/attach/wake-report.ts';
import { createHolds } from '../../src/server/holds.ts';
import { NO_BUDGETS, openUsage, type Usage } from '../../src/server/usage.ts';
import { openBindings } from '../../src/server/bindings.ts';
import { createReceipts } from '../../src/server/receipts.ts';
import { createPresence, type Presence } from '../../src/server/presence.ts';
import { createEventStreams, type EventStreams } from '../../src/server/sse.ts';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';
import { sendRequest, settingsOf } from './network-lab.ts';

export interface AttachLabOptions {
  /** Of the database file; memory when left out. */
  path?: string;
  settings?: Partial<NetworkSettings>;
  times?: Partial<AttachTimes>;
  ringCount?: number;
  keepAlive?: number;
  /** Listens there again, as a server that was restarted does. */
  port?: number;
  /** Wraps the store, to fail or to delay it. */
  wrap?: (store: Store) => Store;
  /** Who an upgrade or a stream is; `anyone` when left out. */
  identity?: (token: string | undefined) => Identity;
  /** From where upgrades come; this machine when left out. */
  peer?: AttachPeer;
  rates?: AttachGatewayOptions['rates'];
  budgets?: BudgetSettings;
  /** Of the log and of what is written to it. */
  clock?: () => number;
  /** Of tokens that are minted for a claim. */
  identityOf?: (token: string) => Identity;
}

export interface AttachLab {
  port: number;
  /** Of the attach endpoint. */
  url: string;
  /** The server's ends of all connections. */
  sockets: Set<Socket>;
  store: Store;
  network: Network;
  tail: Tail;
  presence: Presence;
  wakes: WakeReports;
  gateway: AttachGateway;
  streams: EventStreams;
  usage: Usage;
  /** Receipts of a message, by agent. */
  receipts(message_id: string): Promise<Record<string, Receipt>>;
  /** What the gateway logged as errors. */
  faults: unknown[];
  execute<K extends CommandKind>(kind: K, args: CommandTypes[K][0]): Promise<Answer<K>>;
  /** `as` is `agent:ID` or `human:ID`; targets as in network-lab. */
  send(as: string, target: string, body: Parameters<typeof sendRequest>[2]): Promise<MessageAccepted>;
  createRoom(
    id: string,
    more?: Partial<Parameters<typeof CreateRoomRequest.parse>[0] & object>,
  ): Promise<unknown>;
  /** As a clean stop does. Idempotent. */
  stop(): Promise<void>;
  /** As `kill -9` looks to the clients and to the database: sockets break, nothing more is written. */
  crash(): Promise<void>;
}

export async function startAttachLab(options: AttachLabOptions = {}): Promise<AttachLab> {
  const settings = settingsOf(options.settings);
  const opened = await openStore({
    kind: options.path ? 'sqlite' : 'memory',
    path: options.path,
    networkId: settings.id,
  });
  const store = options.wrap?.(opened) ?? opened;
  const faults: unknown[] = [];
  const { clock, ringCount } = options;
  const tail = new Tail({ store, ringCount, clock, onFault: (error) => faults.push(error) });
  const network = await Network.open({
    store,
    settings,
    clock,
    onCommitted: (events) => tail.publish(events),
  });
  const made: { gateway?: AttachGateway } = {};
  const usage = await openUsage({
    network,
    store,
    budgets: () => options.budgets ?? NO_BUDGETS,
    onChanged: () => made.gateway?.holdsChanged(),
  });
  const holds = createHolds(network, usage);
  const presence = createPresence({
    tail,
    network,
    holds,
    activity: (agent_id) => made.gateway?.activity(agent_id),
  });
  const wakes = createWakeReports({ tail, network, store });
  const log = {
    info() {},
    warn() {},
    error: (fields: object) => void faults.push((fields as { err?: unknown }).err),
  };
  let crashed = false;
  // After a crash nothing reaches the database any more, though this process lives on.
  const execute: Network['execute'] = (kind, args, identity) =>
    crashed ? Promise.reject(new MoltnetError('stopping')) : network.execute(kind, args, identity);
  const attachNetwork = { settings, topology: network.topology, execute } as unknown as Network;
  const bindings = await openBindings(attachNetwork, store);
  const gateway = (made.gateway = createAttachGateway({
    bindings,
    holds,
    usage,
    network: attachNetwork,
    store,
    tail,
    presence,
    wakes,
    log,
    times: options.times,
    rates: options.rates,
    identityOf: options.identityOf,
  }));
  const receiptsOf = createReceipts({
    network,
    tail,
    store,
    bindings,
    isOut: (agent_id, cursor) => gateway.isOut(agent_id, cursor),
    holdOf: holds.of,
  });
  const streams = createEventStreams({ network, store, tail, keepAlive: options.keepAlive });
  const identityOf = (header: string | undefined) =>
    options.identity?.(header?.replace(/^Bearer /, '')) ?? anyone;
  const http = createServer((request, response) => {
    try {
      streams.serve(request, response, {
        key: request.headers['x-identity']?.toString() ?? 'addr:127.0.0.1',
        identity: identityOf(request.headers.authorization),
        anonymous: request.headers['x-anonymous'] !== undefined,
      });
    } catch (error) {
      response
        .writeHead(error instanceof MoltnetError ? error.status : 500)
        .end((error as MoltnetError).code);
    }
  });
  http.on('upgrade', (request, socket, head) => {
    try {
      gateway.handleUpgrade(request, socket, head, identityOf(request.headers.authorization), options.peer);
    } catch (error) {
      socket.end(`HTTP/1.1 ${(error as MoltnetError).status} No\r\nContent-Length: 0\r\n\r\n`);
    }
  });
  const sockets = new Set<Socket>();
  http.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await listen(http, options.port ?? 0);
  const { port } = http.address() as AddressInfo;

  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      streams.close();
      await gateway.close();
      await usage.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await network.close();
      await store.close();
    })());
  onTestFinished(stop);
  return {
    port,
    sockets,
    url: `ws://127.0.0.1:${port}/v1/attach`,
    store,
    network,
    tail,
    presence,
    wakes,
    gateway,
    streams,
    usage,
    async receipts(message_id) {
      const stored = (await store.messages([message_id])).get(message_id)!;
      const { receipts } = await receiptsOf.of(stored);
      return Object.fromEntries(receipts.map((receipt) => [receipt.agent_id, receipt]));
    },
    faults,
    execute: (kind, args) => network.execute(kind, args, anyone),
    send: (as, target, body) =>
      network.execute('message.send', { request: sendRequest(as, target, body) }, anyone),
    createRoom: (id, more = {}) =>
      network.execute(
        'room.create',
        {
          request: CreateRoomRequest.parse({
            id,
            visibility: 'public',
            write_policy: 'registered_agents',
            ...more,
          }),
        },
        anyone,
      ),
    stop,
    async crash() {
      crashed = true;
      for (const socket of sockets) socket.destroy();
      await stop();
    },
  };
}

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
