import { requireAccess } from '../../network/access.ts';
import type { ServerContext } from '../context.ts';
import { textAnswer } from './answers.ts';
import type { App } from './app.ts';

/** GET /metrics: Prometheus text. */
export async function metricsRoutes(app: App, context: ServerContext): Promise<void> {
  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Metrics, as Prometheus text',
        tags: ['operation'],
        response: textAnswer('text/plain', 'Prometheus text format 0.0.4'),
      },
    },
    async (request, reply) => {
      requireAccess(context.network.settings, context.identify(request.raw), 'metrics.read');
      const text = await context.metrics.registry.metrics();
      return reply
        .header('content-type', context.metrics.registry.contentType)
        .header('cache-control', 'no-store')
        .send(text);
    },
  );
}
