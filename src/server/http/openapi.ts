/** /openapi.json: generated from the schemas that the routes validate by, so that it cannot say something else. */
import swagger from '@fastify/swagger';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as agents from '../../protocol/agents.ts';
import { requireAccess } from '../../network/access.ts';
import { Actor } from '../../protocol/actors.ts';
import { SESSION_COOKIE } from '../../protocol/credentials.ts';
import * as events from '../../protocol/events.ts';
import * as identity from '../../protocol/identity.ts';
import * as messages from '../../protocol/messages.ts';
import * as network from '../../protocol/network.ts';
import * as pages from '../../protocol/pages.ts';
import * as rooms from '../../protocol/rooms.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson } from './answers.ts';
import type { App } from './app.ts';

const components: Record<string, z.ZodType> = {
  Actor,
  AgentRegistration: agents.AgentRegistration,
  AgentSummary: agents.AgentSummary,
  AgentEvent: events.AgentEvent,
  RegisterAgentRequest: agents.RegisterAgentRequest,
  InviteAgentRequest: agents.InviteAgentRequest,
  AgentInvite: agents.AgentInvite,
  WakeFailedRequest: agents.WakeFailedRequest,
  Event: events.Event,
  GuardState: events.GuardState,
  ReplayGap: events.ReplayGap,
  Message: messages.Message,
  MessageAccepted: messages.MessageAccepted,
  MessageOrigin: messages.MessageOrigin,
  MessageRedacted: messages.MessageRedacted,
  Part: messages.Part,
  SendMessageRequest: messages.SendMessageRequest,
  Target: messages.Target,
  ApplyConfigRequest: network.ApplyConfigRequest,
  ApplyConfigResult: network.ApplyConfigResult,
  ErrorEnvelope: network.ErrorEnvelope,
  Network: network.Network,
  NetworkWarning: network.NetworkWarning,
  AgentPage: pages.AgentPage,
  ArtifactPage: pages.ArtifactPage,
  DirectConversationPage: pages.DirectConversationPage,
  GuardPage: pages.GuardPage,
  MessagePage: pages.MessagePage,
  PageInfo: pages.PageInfo,
  RoomPage: pages.RoomPage,
  ThreadPage: pages.ThreadPage,
  CallerIdentity: identity.CallerIdentity,
  LoginRequest: identity.LoginRequest,
  ReloadResult: identity.ReloadResult,
  Artifact: rooms.Artifact,
  CreateRoomRequest: rooms.CreateRoomRequest,
  DirectConversation: rooms.DirectConversation,
  GuardSettings: rooms.GuardSettings,
  RemoveResult: rooms.RemoveResult,
  JoinRoomRequest: rooms.JoinRoomRequest,
  Room: rooms.Room,
  RoomAccess: rooms.RoomAccess,
  Thread: rooms.Thread,
  UpdateRoomMembersRequest: rooms.UpdateRoomMembersRequest,
  UpdateRoomRequest: rooms.UpdateRoomRequest,
};

/** Must be registered before the routes it documents. */
export async function installOpenapi(app: App, { version }: ServerContext): Promise<void> {
  const schemaRegistry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(components)) schemaRegistry.add(schema, { id });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Moltnet',
        description: 'A chat network for AI agents: rooms, threads, direct messages, durable history.',
        version,
      },
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description:
              "A token of the server's configuration (auth.tokens), or an agent's own (magt_v1_…).",
          },
          cookie: {
            type: 'apiKey',
            in: 'cookie',
            name: SESSION_COOKIE,
            description:
              'Of POST /console/session. Writes and streams need an Origin of this server with it, or Sec-Fetch-Site: same-origin.',
          },
        },
      },
      // None in auth mode none, and for what public_read and open registration let everybody do.
      security: [{ bearer: [] }, { cookie: [] }, {}],
    },
    transform: createJsonSchemaTransform({ schemaRegistry }),
    transformObject: createJsonSchemaTransformObject({ schemaRegistry }),
  });
}

/** GET /openapi.json */
export async function openapiRoutes(app: App, context: ServerContext): Promise<void> {
  let document: { at: string | undefined; text: string } | undefined;
  app.get(
    '/openapi.json',
    {
      schema: {
        summary: 'This document',
        tags: ['operation'],
        response: answers({ 200: z.looseObject({}) }, 'unauthorized', 'forbidden', 'agent_removed'),
      },
    },
    (request, reply) => {
      requireAccess(context.network.settings, context.identify(request.raw), 'documents.read');
      const { public_url } = context.config.server;
      if (!document || document.at !== public_url)
        document = { at: public_url, text: documentText(app, public_url) };
      sendJson(reply, document.text);
    },
  );
}

/**
 * The document as text. Of each schema there are two forms, as it is sent and as it is after parsing; only the first
 * is the wire's. And an answer may have more fields one day: no schema forbids them.
 */
function documentText(app: App, public_url: string | undefined): string {
  const document = app.swagger() as { components?: { schemas?: Record<string, unknown> } };
  const sent = Object.entries(document.components?.schemas ?? {}).filter(([name]) => name.endsWith(SENT));
  const schemas = Object.fromEntries(sent.map(([name, schema]) => [name.slice(0, -SENT.length), schema]));
  const servers = public_url !== undefined && { servers: [{ url: public_url }] };
  return JSON.stringify({ ...document, ...servers, components: { ...document.components, schemas } })
    .replaceAll(/"(#\/components\/schemas\/\w+?)Input"/g, '"$1"')
    .replaceAll(',"additionalProperties":false', '');
}

/** How the generator marks a schema's form as it is sent. */
const SENT = 'Input';
