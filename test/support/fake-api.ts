/**
 * A FAKE of the server's HTTP API, for pictures of the console: it holds whatever it is given (days ago, agents that
 * fail, ten thousand messages) in memory and checks nothing. Tests of behaviour run against the real server.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentSummary } from '../../src/protocol/agents.ts';
import type { GuardState } from '../../src/protocol/events.ts';
import type { CallerIdentity } from '../../src/protocol/identity.ts';
import type { Message } from '../../src/protocol/messages.ts';
import type { NetworkWarning } from '../../src/protocol/network.ts';
import type { Pairing } from '../../src/protocol/pairings.ts';
import type { Pause } from '../../src/protocol/pauses.ts';
import type { DeliveryItem, Receipt, UsageReport } from '../../src/protocol/receipts.ts';
import type { DirectConversation, Room, Thread } from '../../src/protocol/rooms.ts';
import { PICTURE_FRAME } from '../../src/server/http/picture.ts';

export interface FakeNetwork {
  name: string;
  rooms: Room[];
  agents: AgentSummary[];
  held: GuardState[];
  threads: Thread[];
  messages: Message[];
  warnings: NetworkWarning[];
  pauses?: Pause[];
  failed?: DeliveryItem[];
  receipts?: Receipt[];
  dms?: DirectConversation[];
  pairings?: Pairing[];
  usage?: UsageReport;
  turns?: DeliveryItem[];
  /** Who the page is; everybody of mode none when left out. With no scopes at all nothing else is answered. */
  identity?: CallerIdentity;
}

const today = () => new Date().toISOString().slice(0, 10);

function guardOf(network: FakeNetwork, conversation: string): GuardState {
  const held = network.held.find((guard) => guard.conversation === conversation);
  const turns = held?.turns ?? conversation.length % 9;
  return {
    conversation,
    turns,
    limit: 30,
    held: held !== undefined,
    ...held,
    meters: { turns, turns_limit: 30, hour: turns * 7, hour_limit: 400, pair: turns * 2, pair_limit: 'off' },
  };
}

function artifactsOf({ messages }: FakeNetwork, url: URL): unknown[] {
  return messages
    .filter(({ target }) => target.room_id === url.searchParams.get('room_id'))
    .flatMap((message) =>
      message.parts.flatMap((part, index) =>
        part.kind === 'text'
          ? []
          : [
              {
                ...part,
                id: `art_${message.id}_${index}`,
                message_id: message.id,
                target: message.target,
                part_index: index,
                created_at: message.created_at,
              },
            ],
      ),
    );
}

function resultsOf({ messages }: FakeNetwork, url: URL): unknown[] {
  const word = (url.searchParams.get('q') ?? '').toLowerCase();
  return messages.toReversed().flatMap((message) => {
    const text = message.parts[0]?.text ?? '';
    const at = text.toLowerCase().indexOf(word);
    if (at < 0 || word === '') return [];
    const { kind, room_id, thread_id, dm_id } = message.target;
    const snippet = [
      { text: text.slice(Math.max(0, at - 60), at) },
      { text: text.slice(at, at + word.length), hit: true },
      { text: text.slice(at + word.length, at + 120) },
    ];
    return [{ message, conversation: `${kind}:${thread_id ?? dm_id ?? room_id}`, snippet }];
  });
}

export interface FakeApi {
  url: string;
  /** Sends an event to every open stream. */
  emit(type: string, payload: Record<string, unknown>): void;
  /** Breaks every open stream. */
  dropStreams(): void;
  close(): Promise<void>;
}

const CONSOLE = fileURLToPath(new URL('../../dist/console/', import.meta.url));
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; manifest-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const ANYONE: CallerIdentity = {
  mode: 'none',
  credential: 'anonymous',
  scopes: ['observe', 'write', 'admin', 'attach', 'pair'],
  can_send_human: true,
};

/** Serves the built console and this network on a free port of the loopback interface. */
export async function startFakeApi(network: FakeNetwork): Promise<FakeApi> {
  const streams = new Set<ServerResponse>();
  let events = 0;
  const emit = (type: string, payload: Record<string, unknown>) => {
    const event = {
      id: `evt_${++events}`,
      type,
      network_id: 'local',
      ...payload,
      created_at: new Date().toISOString(),
    };
    for (const stream of streams)
      stream.write(`id: ${event.id}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`);
  };
  const server = createServer((request, response) => void answer(request, response));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (url.pathname === '/console/session') {
      json({ code: 'unauthorized', error: 'the token is not known' }, 401);
      return;
    }
    if (url.pathname === '/console/picture') {
      response.writeHead(200, PICTURE_FRAME.headers).end(PICTURE_FRAME.body);
      return;
    }
    if (url.pathname.startsWith('/console')) return sendFile(url.pathname, response);
    const { identity = ANYONE } = network;
    if (url.pathname === '/v1/identity') {
      json(identity);
      return;
    }
    if (identity.scopes.length === 0) {
      json({ code: 'unauthorized', error: 'a credential is needed' }, 401);
      return;
    }
    if (url.pathname === '/v1/events/stream') {
      response
        .writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
        .write(': stream-open\n\n');
      streams.add(response);
      response.on('close', () => streams.delete(response));
      return;
    }
    const page = { has_more: false };
    const [, , collection, id, rest] = url.pathname.split('/').map(decodeURIComponent);
    if (request.method === 'POST') {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      if (collection === 'guard') {
        const { conversation } = JSON.parse(body) as { conversation: string };
        network.held = network.held.filter((guard) => guard.conversation !== conversation);
        emit('conversation.resumed', { guard: { conversation, turns: 0, limit: 30, held: false } });
        json({ conversation, turns: 0, limit: 30, held: false });
        return;
      }
      const message = {
        ...(JSON.parse(body) as Message),
        network_id: 'local',
        created_at: new Date().toISOString(),
      };
      network.messages.push(message);
      json(
        { message_id: message.id, event_id: 'evt', accepted: true, thread_created: false, dm_created: false },
        202,
      );
      emit('message.created', { message });
      return;
    }
    if (collection === 'network') {
      json({
        id: 'local',
        name: network.name,
        version: '0.1.0',
        protocols: {},
        capabilities: { public_read: false, human_ingress: true, direct_messages: true, pairings: false },
        console: { can_send_human: identity.can_send_human },
        warnings: network.warnings,
      });
    } else if (collection === 'dms' && !id) json({ dms: network.dms ?? [], page });
    else if (collection === 'pairing-invites') json({ invites: [] });
    else if (collection === 'pairings') json({ pairings: network.pairings ?? [], page });
    else if (collection === 'rooms' && rest === 'threads')
      json({ threads: network.threads.filter((thread) => thread.room_id === id), page });
    else if (['rooms', 'threads', 'dms'].includes(collection ?? '') && rest === 'messages') {
      const kind = collection!.slice(0, -1) as 'room' | 'thread' | 'dm';
      const all = network.messages.filter(
        ({ target }) => target.kind === kind && target[`${kind}_id`] === id,
      );
      const before = url.searchParams.get('before');
      const end = before ? all.findIndex((message) => message.id === before) : all.length;
      const start = Math.max(0, end - Number(url.searchParams.get('limit') ?? 100));
      json({
        messages: all.slice(start, end),
        page: { has_more: start > 0, ...(start > 0 ? { next_before: all[start]?.id } : {}) },
      });
    } else if (collection === 'dms') json((network.dms ?? []).find((dm) => dm.id === id) ?? {});
    else if (collection === 'threads') json(network.threads.find((thread) => thread.id === id) ?? {});
    else if (collection === 'rooms') json({ rooms: network.rooms, page });
    else if (collection === 'agents') json({ agents: network.agents, page });
    else if (collection === 'guard' && id !== undefined) json(guardOf(network, id));
    else if (collection === 'guard') json({ conversations: network.held, page });
    else if (collection === 'usage') json(network.usage ?? { since: today(), usage: [], caps: [] });
    else if (collection === 'artifacts') json({ artifacts: artifactsOf(network, url), page });
    else if (collection === 'search') json({ results: resultsOf(network, url), page });
    else if (collection === 'pauses') json({ pauses: network.pauses ?? [] });
    else if (collection === 'deliveries')
      json({
        deliveries:
          url.searchParams.get('state') === 'failed'
            ? (network.failed ?? [])
            : (network.turns ?? []).filter(
                ({ state }) => (state === 'open') === (url.searchParams.get('state') === 'open'),
              ),
      });
    else if (rest === 'relays') json({ message_id: id, relays: [] });
    else if (collection === 'messages' && rest === undefined)
      json(network.messages.find((message) => message.id === id) ?? {});
    else if (rest === 'receipts') json({ message_id: id, receipts: network.receipts ?? [] });
    else json({ code: 'not_found', error: 'no such route' }, 404);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    emit,
    dropStreams: () => {
      for (const stream of streams) stream.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function sendFile(pathname: string, response: ServerResponse): void {
  const name =
    path.extname(pathname) === '' ? 'index.html' : path.normalize(pathname.slice('/console/'.length));
  response.writeHead(200, {
    'content-type': TYPES[path.extname(name)] ?? 'application/octet-stream',
    'content-security-policy': POLICY,
  });
  response.end(readFileSync(path.join(CONSOLE, name)));
}
