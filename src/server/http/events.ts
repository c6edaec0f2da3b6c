import { requireAccess } from '../../network/access.ts';
import { ANONYMOUS } from '../../protocol/credentials.ts';
import { addressKey } from '../auth/rates.ts';
import type { ServerContext } from '../context.ts';
import { GUARDS, textAnswer } from './answers.ts';
import type { App } from './app.ts';

const PATH = '/v1/events/stream';

/** GET /v1/events/stream: what happens, as server-sent events. */
export async function eventRoutes(app: App, context: ServerContext): Promise<void> {
  app.get(
    PATH,
    {
      config: { live: true },
      schema: {
        summary:
          'Events as they happen (text/event-stream), as far as the caller may read them; Last-Event-ID continues',
        tags: ['events'],
        response: textAnswer(
          'text/event-stream',
          'One event each: `id`, `event` (its type), `data` (the Event as JSON)',
        ),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(context.network.settings, identity, 'stream');
      if (request.method === 'HEAD')
        return reply.header('content-type', 'text/event-stream').header('cache-control', 'no-cache').send();
      const began = performance.now();
      const { address, loopback } = context.peer(request.raw);
      const unknown = identity.credential_key === ANONYMOUS;
      context.streams.serve(request.raw, reply.raw, {
        key: unknown ? `addr:${addressKey(address)}` : identity.credential_key,
        identity,
        anonymous: unknown && !(identity.mode === 'none' && loopback),
        headers: {
          'x-request-id': request.id,
          ...GUARDS,
        },
      });
      reply.raw.once('close', () =>
        context.metrics.request('GET', `GET ${PATH}`, 200, (performance.now() - began) / 1_000),
      );
      return reply.hijack();
    },
  );
}
