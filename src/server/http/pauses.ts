import { can, requireAccess } from '../../network/access.ts';
import type { Identity } from '../../network/identity.ts';
import { pauseWire } from '../../network/set-pause.ts';
import { mayReadAgent } from '../../network/views.ts';
import {
  parsePauseScope,
  PauseChange,
  PauseList,
  PauseRequest,
  type PauseScope,
} from '../../protocol/pauses.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';
import { ScopeParams } from './params.ts';

/** Stop and go: what is paused wakes nobody, and everything is stored all the same. */
export async function pauseRoutes(app: App, context: ServerContext): Promise<void> {
  const { network } = context;
  const tags = ['pauses'];

  app.get(
    '/v1/pauses',
    {
      schema: {
        summary: 'What is paused, of what the caller may read',
        tags,
        response: answers({ 200: PauseList }, 'unauthorized', 'forbidden'),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(network.settings, identity, 'roster.read');
      const pauses = network.topology
        .pauses()
        .filter(({ scope }) => mayKnow(context, identity, scope))
        .map(pauseWire);
      return sendValue(reply, { pauses });
    },
  );

  app.post(
    '/v1/pauses',
    {
      onRequest: asks(context, 'guard.resume'),
      schema: {
        summary: 'Wake nobody any more: everywhere, one agent, or in one room',
        tags,
        body: PauseRequest,
        response: answers(
          { 200: PauseChange },
          'bad_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'unprocessable_entity',
        ),
      },
    },
    async (request, reply) => {
      const { scope, until } = request.body;
      return sendValue(
        reply,
        await network.execute(
          'pause.set',
          { scope: parsePauseScope(scope), paused: true, ...(until != null && { until }) },
          context.identify(request.raw),
        ),
      );
    },
  );

  app.delete(
    '/v1/pauses/:scope',
    {
      onRequest: asks(context, 'guard.resume'),
      schema: {
        summary: 'Go on; what was kept meanwhile is delivered',
        tags,
        params: ScopeParams,
        response: answers({ 200: PauseChange }, 'unauthorized', 'forbidden', 'unprocessable_entity'),
      },
    },
    async (request, reply) =>
      sendValue(
        reply,
        await network.execute(
          'pause.set',
          { scope: parsePauseScope(request.params.scope), paused: false },
          context.identify(request.raw),
        ),
      ),
  );
}

function mayKnow({ network }: ServerContext, identity: Identity, scope: PauseScope): boolean {
  const { topology, settings } = network;
  if (scope === '*' || can(settings, identity, 'observe').allowed) return true;
  const id = scope.slice(scope.indexOf(':') + 1);
  if (scope.startsWith('agent:')) return mayReadAgent(topology, identity, id);
  const room = topology.room(id);
  return room !== undefined && can(settings, identity, 'room.read', { room }).allowed;
}
