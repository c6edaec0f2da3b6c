import { ApplyConfigRequest, ApplyConfigResult } from '../../protocol/network.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';

/** POST /v1/apply: rooms and agents as a configuration declares them, all or nothing. */
export async function applyRoutes(app: App, context: ServerContext): Promise<void> {
  app.post(
    '/v1/apply',
    {
      onRequest: asks(context, 'administer'),
      schema: {
        summary: 'Bring rooms and agents to what is declared, all or nothing',
        tags: ['operation'],
        body: ApplyConfigRequest,
        response: answers(
          { 200: ApplyConfigResult },
          'bad_request',
          'body_too_large',
          'unauthorized',
          'forbidden',
          'not_found',
          'conflict',
          'person_reserved',
          'network_mismatch',
          'invalid_id',
          'invalid_agent_id',
          'invalid_name',
          'unprocessable_entity',
          'too_many_members',
          'too_many_rooms',
          'too_many_agents',
        ),
      },
    },
    async (request, reply) =>
      sendValue(
        reply,
        await context.network.execute(
          'config.apply',
          { request: request.body, source: 'api' },
          context.identify(request.raw),
        ),
      ),
  );
}
