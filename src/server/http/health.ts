import { z } from 'zod';
import { MoltnetError } from '../../protocol/errors.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson } from './answers.ts';
import type { App } from './app.ts';

const Health = z.object({ status: z.string() });

/** GET /healthz: the process and its store answer. GET /readyz: and it takes requests. */
export async function healthRoutes(app: App, context: ServerContext): Promise<void> {
  const response = answers({ 200: Health }, 'unauthorized', 'service_unavailable');
  for (const [path, status] of [
    ['/healthz', 'ok'],
    ['/readyz', 'ready'],
  ] as const)
    app.get(
      path,
      { schema: { summary: `Answers \`${status}\` while the store does`, tags: ['operation'], response } },
      async (request, reply) => {
        // Whoever watches over the server needs no credential; where all may read, a wrong one is told (wire.md 3.2).
        if (context.config.auth.public_read) context.identify(request.raw);
        try {
          await context.store.ping();
          context.metrics.storeHealth.set(1);
        } catch (error) {
          context.metrics.storeHealth.set(0);
          throw new MoltnetError('service_unavailable', 'the storage does not answer', { cause: error });
        }
        return sendJson(reply, `{"status":"${status}"}`);
      },
    );
}
