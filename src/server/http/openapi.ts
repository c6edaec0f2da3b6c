/** /openapi.json: generated from the schemas that the routes validate by, so that it cannot say something else. */
import swagger from '@fastify/swagger';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as agents from '../../protocol/agents.ts';
import { Actor } from '../../protocol/actors.ts';
import * as events from '../../protocol/events.ts';
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
  Artifact: rooms.Artifact,
  CreateRoomRequest: rooms.CreateRoomRequest,
  DirectConversation: rooms.DirectConversation,
  GuardSettings: rooms.GuardSettings,
  RemoveResult: rooms.RemoveResult,
  Room: rooms.Room,
  RoomAccess: rooms.RoomAccess,
  Thread: rooms.Thread,
  UpdateRoomMembersRequest: rooms.UpdateRoomMembersRequest,
  UpdateRoomRequest: rooms.UpdateRoomRequest,
};

/** Must be registered before the routes it documents. */
export async function installOpenapi(app: App, { config, version }: ServerContext): Promise<void> {
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
      ...(config.server.public_url === undefined ? {} : { servers: [{ url: config.server.public_url }] }),
    },
    transform: createJsonSchemaTransform({ schemaRegistry }),
    transformObject: createJsonSchemaTransformObject({ schemaRegistry }),
  });
}

/** GET /openapi.json */
export async function openapiRoutes(app: App): Promise<void> {
  let document: string | undefined;
  app.get(
    '/openapi.json',
    {
      schema: {
        summary: 'This document',
        tags: ['operation'],
        response: answers({ 200: z.looseObject({}) }),
      },
    },
    (_request, reply) => {
      sendJson(reply, (document ??= documentText(app)));
    },
  );
}

/**
 * The document as text. Of each schema there are two forms, as it is sent and as it is after parsing; only the first
 * is the wire's. And an answer may have more fields one day: no schema forbids them.
 */
function documentText(app: App): string {
  const document = app.swagger() as { components?: { schemas?: Record<string, unknown> } };
  const sent = Object.entries(document.components?.schemas ?? {}).filter(([name]) => name.endsWith(SENT));
  const schemas = Object.fromEntries(sent.map(([name, schema]) => [name.slice(0, -SENT.length), schema]));
  return JSON.stringify({ ...document, components: { ...document.components, schemas } })
    .replaceAll(/"(#\/components\/schemas\/\w+?)Input"/g, '"$1"')
    .replaceAll(',"additionalProperties":false', '');
}

/** How the generator marks a schema's form as it is sent. */
const SENT = 'Input';
