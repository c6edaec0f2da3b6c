/** GET /v1/attach: a WebSocket. The upgrade comes past fastify, and is held to the same rules here. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { LINK_FRAME } from '../../pairing/link.ts';
import type { Identity } from '../../network/identity.ts';
import { LINK_PATH } from '../../protocol/pairings.ts';
import { requireAccess } from '../../network/access.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import type { ServerContext } from '../context.ts';
import { answers, rawRefusal } from './answers.ts';
import type { App } from './app.ts';
import { refusalOf } from './errors.ts';
import { caughtUp, requireCurrent } from '../several.ts';
import { limitRequests } from './rates.ts';
import { requestId } from './request-id.ts';

const PATH = '/v1/attach';
const PATHS: ReadonlySet<string> = new Set([PATH, LINK_PATH]);

export async function attachRoutes(app: App): Promise<void> {
  app.get(
    PATH,
    {
      config: { live: true },
      schema: {
        summary: 'Attach an agent: a WebSocket (moltnet.attach.v1)',
        tags: ['events'],
        response: answers(
          {},
          'bad_request',
          'unauthorized',
          'forbidden',
          'agent_removed',
          'too_many_attachments',
        ),
      },
    },
    () => {
      throw new MoltnetError(
        'bad_request',
        'this is a WebSocket: send Connection: Upgrade, Upgrade: websocket, Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key',
      );
    },
  );

  app.get(
    LINK_PATH,
    {
      config: { live: true },
      schema: {
        summary: 'Between two servers: the link of a paired network, a WebSocket',
        tags: ['pairings'],
        response: answers({}, 'bad_request', 'unauthorized', 'forbidden'),
      },
    },
    () => {
      throw new MoltnetError('bad_request', 'this is a WebSocket');
    },
  );
}

/** Whether a request that asks for an upgrade is a WebSocket for us; any other is answered as if it had not asked. */
export function isAttachUpgrade(request: IncomingMessage): boolean {
  const { method, headers } = request;
  return (
    PATHS.has(pathOf(request)) &&
    method === 'GET' &&
    /^websocket$/i.test((headers.upgrade ?? '').trim()) &&
    /^(?:13|8)$/.test(headers['sec-websocket-version'] ?? '') &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')
  );
}

/** On its own: a closure beside others would keep alive what they see, the whole request, as long as the socket. */
function destroyOnError(socket: Duplex): void {
  socket.on('error', () => socket.destroy());
}

/** Takes the upgrades of an HTTP server. */
export function serveUpgrades(server: Server, context: ServerContext): void {
  const links = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: LINK_FRAME });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    destroyOnError(socket);
    const several = (context.store.peers?.others ?? 0) > 0;
    if (several) caughtUp(context, () => come(request, socket, head));
    else come(request, socket, head);
  });

  /** One after the other, when many come at once. */
  function come(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { pace } = context.tail;
    if (pace.free()) take(request, socket, head);
    else void pace.turn('upgrade').then(() => take(request, socket, head));
  }

  function take(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const began = performance.now();
    try {
      if (context.stopping) throw new MoltnetError('stopping');
      requireCurrent(context.store);
      limitRequests(context, request);
      context.origins.requireHost(request.headers);
      context.origins.requireOrigin(request.headers);
      if (context.credentials.sessionOf(request)) context.origins.requireOwnPage(request.headers);
      // Node before 24.9 sends every request here that asks for any upgrade.
      if (!PATHS.has(pathOf(request))) throw new MoltnetError('not_found');
      if (!isAttachUpgrade(request))
        throw new MoltnetError(
          'bad_request',
          'the only upgrade here is websocket, by GET with Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key',
        );
      const identity = context.identify(request);
      if (pathOf(request) === LINK_PATH) return takeLink(context, links, request, socket, head, identity);
      requireAccess(context.network.settings, identity, 'attach');
      context.gateway.handleUpgrade(request, socket, head, identity, context.peer(request));
      socket.once('close', () =>
        context.metrics.request('GET', `GET ${PATH}`, 200, (performance.now() - began) / 1_000),
      );
    } catch (error) {
      const refusal = refusalOf(error);
      const id = requestId(request.headers['x-request-id']);
      context.metrics.request(
        'GET',
        PATHS.has(pathOf(request)) ? `GET ${pathOf(request)}` : undefined,
        refusal.status,
        (performance.now() - began) / 1_000,
      );
      const fields = {
        component: 'transport.attach',
        request_id: id,
        path: pathOf(request).slice(0, 300),
        status: refusal.status,
        code: refusal.code,
      };
      // A limit that is met is no fault of ours.
      if (refusal.fault !== undefined) context.log.error({ ...fields, err: refusal.fault }, refusal.message);
      else context.log.warn(fields, 'attach refused');
      socket.end(rawRefusal(refusal, id));
    }
  }
}

/** A paired network keeps its link here. Throws `forbidden` for everybody else. */
function takeLink(
  { pairings }: ServerContext,
  links: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { pairing }: Identity,
): void {
  if (!pairing || !pairings.links.awaits(pairing.id))
    throw new MoltnetError('forbidden', 'a link is kept by a paired network that has no address of its own');
  links.handleUpgrade(request, socket, head, (open) => pairings.links.take(pairing.id, open));
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?', 1)[0]!;
