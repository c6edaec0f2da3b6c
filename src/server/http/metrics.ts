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
    async (_request, reply) => {
      const text = await context.metrics.registry.metrics();
      return reply
        .header('content-type', context.metrics.registry.contentType)
        .header('cache-control', 'no-store')
        .send(text);
    },
  );
}
