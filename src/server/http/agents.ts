import { z } from 'zod';
import { can, requireAccess } from '../../network/access.ts';
import type { Identity } from '../../network/identity.ts';
import { pageOfIds, parsePage } from '../../network/paging.ts';
import { agentView, mayReadAgent } from '../../network/views.ts';
import {
  AgentRegistration,
  AgentSummary,
  RegisterAgentRequest,
  WakeFailedRequest,
} from '../../protocol/agents.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { canonicalMemberId, parseMemberId } from '../../protocol/ids.ts';
import { AgentPage, PageQuery } from '../../protocol/pages.ts';
import { RemoveResult } from '../../protocol/rooms.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { pageText } from './pages.ts';
import { AgentParams } from './params.ts';

export async function agentRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, presence, wakes } = context;
  const { topology, settings } = network;
  const tags = ['agents'];

  const summary = (identity: Identity, id: string): AgentSummary | undefined =>
    agentView(
      topology,
      id,
      { ...presence.of(id), last_wake_failure: wakes.lastFailure(id) },
      (room) => can(settings, identity, 'room.read', { room }).allowed,
    );

  /** The canonical id in a path, in any of the three forms. Malformed ones name nobody: `not_found`. */
  const agentId = (value: string): string => {
    if (!parseMemberId(value)) throw new MoltnetError('not_found', `no such agent: ${value.slice(0, 160)}`);
    return canonicalMemberId(value, settings.id);
  };

  app.get(
    '/v1/agents',
    {
      schema: {
        summary: 'Registered agents and members of rooms, by id',
        tags,
        querystring: PageQuery,
        response: answers({ 200: AgentPage }, 'unauthorized', 'invalid_cursor'),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(settings, identity, 'network.read');
      const page = parsePage(request.query);
      const { ids, info } = pageOfIds(topology.agentIds(), page, (id) =>
        mayReadAgent(topology, identity, id),
      );
      const item = (id: string) => ({ id, json: JSON.stringify(summary(identity, id)) });
      return sendJson(reply, pageText('agents', ids, item, info, page, 'oldest'));
    },
  );

  app.get(
    '/v1/agents/:agentID',
    {
      schema: {
        summary: 'One agent',
        tags,
        params: AgentParams,
        response: answers({ 200: AgentSummary }, 'unauthorized', 'not_found'),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(settings, identity, 'network.read');
      const id = agentId(request.params.agentID);
      const agent = mayReadAgent(topology, identity, id) ? summary(identity, id) : undefined;
      if (!agent) throw new MoltnetError('not_found', `no such agent: ${id}`);
      return sendValue(reply, agent);
    },
  );

  app.post(
    '/v1/agents/register',
    {
      schema: {
        summary: 'Register an agent: 201 for a new one, 200 for one that the caller has already',
        tags,
        body: RegisterAgentRequest,
        response: answers(
          { 201: AgentRegistration, 200: AgentRegistration },
          'bad_request',
          'unauthorized',
          'forbidden',
          'agent_taken',
          'invalid_agent_id',
          'invalid_name',
          'too_many_agents',
        ),
      },
    },
    async (request, reply) => {
      const { requested_agent_id, name } = request.body;
      const { registration, created } = await network.execute(
        'agent.register',
        { requested_id: requested_agent_id, name, via: 'http' },
        context.identify(request.raw),
      );
      return sendValue(reply, registration, created ? 201 : 200);
    },
  );

  app.delete(
    '/v1/agents/:agentID',
    {
      schema: {
        summary: 'Remove an agent: out of all rooms, detached, and not let back in until it registers again',
        tags,
        params: AgentParams,
        response: answers({ 200: RemoveResult }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) => {
      const agent_id = agentId(request.params.agentID);
      return sendValue(
        reply,
        await network.execute('agent.remove', { agent_id }, context.identify(request.raw)),
      );
    },
  );

  app.post(
    '/v1/agents/wake-failed',
    {
      schema: {
        summary: 'A node gave a wake up: shown to observers as agent.wake.failed',
        tags,
        body: WakeFailedRequest,
        response: answers({ 202: z.object({}) }, 'bad_request', 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) => {
      requireAccess(settings, context.identify(request.raw), 'message.send');
      await wakes.reportWakeFailed(request.body);
      return sendJson(reply, '{}', 202);
    },
  );
}
