/** GET /v1/attach: a WebSocket. The upgrade comes past fastify, and is held to the same rules here. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { requireAccess } from '../../network/access.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import type { ServerContext } from '../context.ts';
import { answers, rawRefusal } from './answers.ts';
import type { App } from './app.ts';
import { refusalOf } from './errors.ts';
import { limitRequests } from './rates.ts';
import { requestId } from './request-id.ts';

const PATH = '/v1/attach';

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
}

/** Whether a request that asks for an upgrade is a WebSocket for us; any other is answered as if it had not asked. */
export function isAttachUpgrade(request: IncomingMessage): boolean {
  const { method, headers } = request;
  return (
    pathOf(request) === PATH &&
    method === 'GET' &&
    /^websocket$/i.test((headers.upgrade ?? '').trim()) &&
    /^(?:13|8)$/.test(headers['sec-websocket-version'] ?? '') &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')
  );
}

/** Takes the upgrades of an HTTP server. */
export function serveUpgrades(server: Server, context: ServerContext): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const began = performance.now();
    socket.on('error', () => socket.destroy());
    try {
      if (context.stopping) throw new MoltnetError('stopping');
      limitRequests(context, request);
      context.origins.requireHost(request.headers);
      context.origins.requireOrigin(request.headers);
      if (context.credentials.sessionOf(request)) context.origins.requireOwnPage(request.headers);
      // Node before 24.9 sends every request here that asks for any upgrade.
      if (pathOf(request) !== PATH) throw new MoltnetError('not_found');
      if (!isAttachUpgrade(request))
        throw new MoltnetError(
          'bad_request',
          'the only upgrade here is websocket, by GET with Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key',
        );
      const identity = context.identify(request);
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
        pathOf(request) === PATH ? `GET ${PATH}` : undefined,
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
  });
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?', 1)[0]!;
