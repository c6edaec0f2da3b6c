import { z } from 'zod';
import { isAnonymous, isBound } from '../../network/access-facts.ts';
import { can, requireAccess } from '../../network/access.ts';
import type { Identity } from '../../network/identity.ts';
import { pageOfIds, parsePage } from '../../network/paging.ts';
import { agentView, mayReadAgent } from '../../network/views.ts';
import {
  AgentInvite,
  AgentRegistration,
  AgentSummary,
  InviteAgentRequest,
  RegisterAgentRequest,
  WakeFailedRequest,
  WakeTest,
} from '../../protocol/agents.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { canonicalMemberId, parseMemberId } from '../../protocol/ids.ts';
import { AgentPage, PageQuery } from '../../protocol/pages.ts';
import { RemoveResult } from '../../protocol/rooms.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';
import { pageText } from './pages.ts';
import { AgentParams } from './params.ts';

export async function agentRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, presence, wakes } = context;
  const { topology, settings } = network;
  const tags = ['agents'];
  const onRequest = asks(context, 'administer');

  const summary = (identity: Identity, id: string): AgentSummary | undefined =>
    agentView(
      topology,
      id,
      {
        ...presence.of(id),
        // The error's text comes from the agent's machine: not for everybody who may see that there is an agent.
        last_wake_failure:
          identity.agents?.has(id) || can(settings, identity, 'observe').allowed
            ? wakes.lastFailure(id)
            : undefined,
      },
      (room) => can(settings, identity, 'room.read', { room }).allowed,
      can(settings, identity, 'observe').allowed,
    );

  /** The canonical id in a path, in any of the three forms. Malformed ones name nobody: `not_found`. */
  const agentId = (value: string): string => {
    if (!parseMemberId(value)) throw new MoltnetError('not_found', `no such agent: ${value.slice(0, 160)}`);
    return canonicalMemberId(value, settings.id);
  };

  /** Whoever is somebody here says only of itself what became of wakes (wire-newer.md 4). Throws `forbidden`. */
  const requireOwnAgent = (identity: Identity, named: string): void => {
    if (identity.pairing)
      throw new MoltnetError('forbidden', 'a paired network says nothing of wakes of this network');
    if (!isBound(identity) || !parseMemberId(named)) return;
    const agent = canonicalMemberId(named, settings.id);
    if (!identity.agents?.has(agent))
      throw new MoltnetError('forbidden', `${agent} is not an agent of this credential`);
  };

  app.get(
    '/v1/agents',
    {
      schema: {
        summary: 'Registered agents and members of rooms, by id',
        tags,
        querystring: PageQuery,
        response: answers({ 200: AgentPage }, 'unauthorized', 'forbidden', 'invalid_cursor'),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(settings, identity, 'roster.read');
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
        response: answers({ 200: AgentSummary }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(settings, identity, 'agent.read');
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
        summary:
          'Register an agent: 201 for a new one and where a token was minted (shown this once), 200 for one that the caller has already',
        tags,
        body: RegisterAgentRequest,
        response: answers(
          { 201: AgentRegistration, 200: AgentRegistration },
          'bad_request',
          'unauthorized',
          'forbidden',
          'agent_removed',
          'claim_reserved',
          'invalid_claim_code',
          'person_reserved',
          'agent_taken',
          'unprocessable_entity',
          'invalid_agent_id',
          'invalid_name',
          'too_many_agents',
        ),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const peer = context.peer(request.raw);
      if (identity.mode !== 'none' && isAnonymous(identity)) context.rates.claim(peer);
      const { requested_agent_id, name, claim_key, claim_code } = request.body;
      const { registration, created } = await network.execute(
        'agent.register',
        {
          requested_id: requested_agent_id,
          name,
          via: 'http',
          claim_key,
          claim_code,
          loopback: peer.loopback,
        },
        identity,
      );
      // 201 also says that an agent_token is in it, which nobody may keep on the way.
      if (registration.agent_token !== undefined) reply.header('cache-control', 'no-store');
      return sendValue(reply, registration, created || registration.agent_token !== undefined ? 201 : 200);
    },
  );

  app.delete(
    '/v1/agents/:agentID',
    {
      onRequest,
      schema: {
        summary: 'Remove an agent: out of all rooms, detached, and not let back in without an operator',
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
    '/v1/agents/:agentID/rotate-token',
    {
      onRequest,
      schema: {
        summary:
          'A new token for an agent, shown this once; whatever it was bound to before is worth nothing',
        tags,
        params: AgentParams,
        response: answers({ 201: AgentRegistration }, 'unauthorized', 'forbidden', 'not_found', 'conflict'),
      },
    },
    async (request, reply) => {
      const agent_id = agentId(request.params.agentID);
      const registration = await network.execute('agent.rotate', { agent_id }, context.identify(request.raw));
      return sendValue(reply.header('cache-control', 'no-store'), registration, 201);
    },
  );

  app.post(
    '/v1/agents/:agentID/wake-test',
    {
      onRequest: asks(context, 'guard.resume'),
      schema: {
        summary: 'Whether a message would wake the agent now; costs no turn',
        tags,
        params: AgentParams,
        response: answers({ 200: WakeTest }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) => {
      const id = agentId(request.params.agentID);
      if (!topology.agentRecord(id) && topology.roomsOf(id).size === 0)
        throw new MoltnetError('not_found', `no such agent: ${id}`);
      const { cannot_wake, cannot_wake_cause: cause, state } = presence.of(id);
      const held = context.holds.of(id, undefined);
      if (held) return sendValue(reply, { ok: false, reason: cannot_wake ?? state, ...(cause && { cause }) });
      return sendValue(reply, await context.gateway.probe(id));
    },
  );

  app.post(
    '/v1/agents/:agentID/invite',
    {
      onRequest,
      schema: {
        summary: 'A code, shown this once, with which somebody may claim this agent id, once',
        tags,
        params: AgentParams,
        body: InviteAgentRequest,
        response: answers(
          { 201: AgentInvite },
          'bad_request',
          'unauthorized',
          'forbidden',
          'person_reserved',
          'agent_taken',
          'invalid_agent_id',
        ),
      },
    },
    async (request, reply) => {
      const { agentID: agent_id } = request.params;
      const { expires_in } = request.body;
      const invite = await network.execute(
        'agent.invite',
        { agent_id, ...(expires_in !== undefined && { expires_in }) },
        context.identify(request.raw),
      );
      return sendValue(reply.header('cache-control', 'no-store'), invite, 201);
    },
  );

  app.post(
    '/v1/agents/wake-failed',
    {
      onRequest: asks(context, 'message.send'),
      schema: {
        summary: 'A node gave a wake up: shown to observers as agent.wake.failed',
        tags,
        body: WakeFailedRequest,
        response: answers({ 202: z.object({}) }, 'bad_request', 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      context.rates.send(identity);
      requireOwnAgent(identity, request.body.agent_id ?? '');
      await wakes.reportWakeFailed(request.body, identity);
      return sendJson(reply, '{}', 202);
    },
  );
}
