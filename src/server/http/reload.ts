import { requireAccess } from '../../network/access.ts';
import { ReloadResult } from '../../protocol/identity.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';

/** POST /v1/reload: the configuration file, read again. */
export async function reloadRoutes(app: App, context: ServerContext): Promise<void> {
  app.post(
    '/v1/reload',
    {
      schema: {
        summary: 'Read the configuration again: all of it counts, or nothing of it',
        tags: ['operation'],
        response: answers({ 200: ReloadResult }, 'unauthorized', 'forbidden', 'invalid_config'),
      },
    },
    async (request, reply) => {
      requireAccess(context.network.settings, context.identify(request.raw), 'administer');
      return sendValue(reply, await context.reload());
    },
  );
}
