/** Networks that are paired by their files, each with a wire of its own to every other, which can be cut. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as nextTurn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { RoomConfig, ServerConfig } from '../../src/config/types.ts';
import type { Message } from '../../src/protocol/messages.ts';
import type { MessageRelays, PairingDetail } from '../../src/protocol/pairings.ts';
import { createLog } from '../../src/server/log.ts';
import { startServer, type RunningServer } from '../../src/server/server.ts';
import { temporaryFolder, testConfig, type ConfigChanges } from './server.ts';

/** A TCP proxy: what it leads to may change, go away and come back. */
export interface Wire {
  url: string;
  /** Where it leads; undefined for nowhere. */
  port: number | undefined;
  /** Where the next connection leads, in the place of `port`. */
  next?: () => number | undefined;
  /** Connections end, and no new one is taken. */
  cut(): void;
  mend(): void;
  /** Milliseconds that each piece takes. */
  delay: number;
  close(): Promise<void>;
}

export async function openWire(): Promise<Wire> {
  const open = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((near) => {
    near.on('error', () => near.destroy());
    const port = wire.next ? wire.next() : wire.port;
    if (isCut || port === undefined) return void near.destroy();
    const far = connect(port, '127.0.0.1');
    far.on('error', () => far.destroy());
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.on('data', (piece) => {
        if (wire.delay === 0) to.write(piece);
        else setTimeout(() => to.writable && to.write(piece), wire.delay);
      });
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const wire: Wire = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    port: undefined,
    delay: 0,
    cut() {
      isCut = true;
      for (const socket of open) socket.destroy();
    },
    mend() {
      isCut = false;
    },
    async close() {
      wire.cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  onTestFinished(() => wire.close());
  return wire;
}

export interface Net {
  id: string;
  /** As it runs now; of several servers the first that does. */
  server: RunningServer;
  /** Of several, those that run. */
  servers: RunningServer[];
  /** Wires of others to it, by their id. */
  from: Map<string, Wire>;
  config: ServerConfig;
  restart(): Promise<void>;
  /** One of its servers, which was asked least lately. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** As the operator; throws unless it is answered with 2xx. */
  api<T>(method: string, path: string, body?: unknown): Promise<T>;
  say(room: string, agent: string, text: string, more?: Record<string, unknown>): Promise<string>;
  /** Everything in a room, oldest first. */
  history(id: string, kind?: 'rooms' | 'threads'): Promise<Message[]>;
  texts(room: string): Promise<string[]>;
  pairing(id: string): Promise<PairingDetail>;
  relays(message_id: string): Promise<MessageRelays['relays']>;
}

export interface NetsOptions {
  /** Pairs of ids that are paired; every two of them when left out. */
  edges?: [string, string][];
  rooms?: (id: string) => RoomConfig[];
  config?: (id: string) => ConfigChanges;
  storage?: 'memory' | 'sqlite';
  /** Addresses of Postgres databases, and how many servers each network has on its own. */
  postgres?: { fresh(): Promise<string>; servers: number };
  /** Milliseconds since 1970, as a network takes the time. */
  clock?: (id: string) => () => number;
  membersEvery?: number;
  pairingQuota?: { messages: number; bytes: number };
}

export const OPERATOR = 'operator-secret-0123456789';
export const pairSecret = (from: string, to: string): string => `pair-${from}-to-${to}-0123456789`;

export const SHARED: RoomConfig = {
  id: 'general',
  members: [],
  visibility: 'public',
  write_policy: 'registered_agents',
  federation: 'all',
};

/** Starts them all; they are stopped when the test ends. */
export async function startNets(ids: string[], options: NetsOptions = {}): Promise<Record<string, Net>> {
  const edges = options.edges ?? ids.flatMap((a, i) => ids.slice(i + 1).map((b): [string, string] => [a, b]));
  const peersOf = (id: string): string[] => edges.flatMap(([a, b]) => (a === id ? [b] : b === id ? [a] : []));
  const wires = new Map<string, Wire>();
  for (const id of ids) for (const peer of peersOf(id)) wires.set(`${peer}>${id}`, await openWire());
  const nets: Record<string, Net> = {};
  for (const id of ids) {
    const peers = peersOf(id);
    const changes = options.config?.(id) ?? {};
    const config = testConfig({
      ...changes,
      network: { id, name: `Network ${id}` },
      auth: {
        mode: 'bearer',
        ...changes.auth,
        tokens: [
          { id: 'operator', value: OPERATOR, scopes: ['observe', 'write', 'admin', 'attach'] },
          ...peers.map((peer) => ({ id: peer, value: pairSecret(peer, id), scopes: ['pair'] })),
          ...(changes.auth?.tokens ?? []),
        ],
      },
      pairings: peers.map((peer) => ({
        id: peer,
        remote_network_id: peer,
        remote_base_url: wires.get(`${id}>${peer}`)!.url,
        token: pairSecret(id, peer),
      })),
      rooms: options.rooms?.(id) ?? [SHARED, { id: 'private', members: [] }],
      storage: options.postgres
        ? { kind: 'postgres', postgres: { dsn: await options.postgres.fresh() } }
        : {
            kind: options.storage ?? 'memory',
            sqlite: {
              path: options.storage === 'sqlite' ? path.join(await temporaryFolder(), 'moltnet.db') : '',
            },
          },
    });
    const from = new Map(peers.map((peer) => [peer, wires.get(`${peer}>${id}`)!]));
    nets[id] = await startNet(config, from, {
      servers: options.postgres?.servers ?? 1,
      ...(options.clock && { clock: options.clock(id) }),
      ...(options.membersEvery !== undefined && { membersEvery: options.membersEvery }),
      ...(options.pairingQuota && { pairingQuota: options.pairingQuota }),
    });
  }
  return nets;
}

export async function startNet(
  config: ServerConfig,
  from: Map<string, Wire>,
  {
    servers = 1,
    ...more
  }: {
    servers?: number;
    clock?: () => number;
    membersEvery?: number;
    pairingQuota?: { messages: number; bytes: number };
  } = {},
): Promise<Net> {
  const log = createLog(process.env['MOLTNET_TEST_LOG'] ?? 'silent');
  const start = async (): Promise<RunningServer> => {
    const server = await startServer(config, {
      log,
      version: '0.0.0-test',
      reload: () => config,
      ...more,
    });
    for (const wire of from.values()) wire.port = server.port;
    return server;
  };
  const first = await start();
  const net: Net = {
    id: config.network.id,
    server: first,
    servers: [first],
    from,
    config,
    async stop() {
      const going = net.servers.shift() ?? net.server;
      net.server = net.servers[0] ?? going;
      await going.stop();
    },
    async start() {
      const server = await start();
      net.servers.push(server);
      net.server = net.servers[0]!;
    },
    async restart() {
      await net.stop();
      await net.start();
    },
    async api<T>(method: string, at: string, body?: unknown): Promise<T> {
      const answer = await ask(next().url, method, at, OPERATOR, body);
      if (answer.status >= 300)
        throw new Error(`${method} ${at}: ${answer.status} ${JSON.stringify(answer.json)}`);
      return answer.json as T;
    },
    ...wordsOver((method, at, body) => net.api(method, at, body)),
  };
  let turn = 0;
  const next = (): RunningServer => net.servers[turn++ % net.servers.length] ?? net.server;
  for (let more = 1; more < servers; more++) await net.start();
  if (servers > 1)
    for (const wire of from.values()) wire.next = () => (net.servers.length > 0 ? next().port : undefined);
  onTestFinished(async () => {
    for (const server of net.servers.splice(0)) await server.stop();
  });
  return net;
}

/** What is said and read by the API of whichever server answers. */
export function wordsOver(api: Net['api']): Pick<Net, 'say' | 'history' | 'texts' | 'pairing' | 'relays'> {
  const history: Net['history'] = async (id, kind = 'rooms') => {
    const all: Message[] = [];
    let before: string | undefined;
    do {
      const page = await api<{ messages: Message[]; page: { next_before?: string } }>(
        'GET',
        `/v1/${kind}/${id}/messages?limit=500${before === undefined ? '' : `&before=${before}`}`,
      );
      all.unshift(...page.messages);
      before = page.page.next_before;
    } while (before !== undefined);
    return all;
  };
  return {
    async say(room, agent, text, more = {}) {
      const { message_id } = await api<{ message_id: string }>('POST', '/v1/messages', {
        from: { type: 'agent', id: agent },
        target: { kind: 'room', room_id: room },
        parts: [{ kind: 'text', text }],
        ...more,
      });
      return message_id;
    },
    history,
    texts: async (room) => (await history(room)).map(({ parts }) => parts[0]?.text ?? ''),
    pairing: (id) => api('GET', `/v1/pairings/${id}`),
    relays: async (id) => (await api<MessageRelays>('GET', `/v1/messages/${id}/relays`)).relays,
  };
}

export interface Asked {
  status: number;
  json: Record<string, unknown>;
  headers: Headers;
}

/** One request with a token, or with none. */
export async function ask(
  url: string,
  method: string,
  at: string,
  token?: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Asked> {
  const response = await fetch(`${url}${at}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    json: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
    headers: response.headers,
  };
}

/** Waits until what it expects holds: asked again and again, because it is true on another server. */
export async function becomes(expected: () => Promise<unknown>, milliseconds = 20_000): Promise<void> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    try {
      await expected();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await nextTurn(10);
    }
  }
}
