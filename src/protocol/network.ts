import { z } from 'zod';
import { nullish } from './nullish.ts';
import { AgentRegistration } from './agents.ts';
import { CreateRoomRequest, Room } from './rooms.ts';

export const HTTP_PROTOCOL = 'moltnet.http.v1';
export const ATTACH_PROTOCOL = 'moltnet.attach.v1';
export const PAIR_PROTOCOL = 'moltnet.pair.v1';

export const NetworkWarning = z.object({
  severity: z.enum(['info', 'warning', 'error']),
  code: z.string(),
  message: z.string(),
  action: z.string().optional(),
  docs_url: z.string().optional(),
});
export type NetworkWarning = z.infer<typeof NetworkWarning>;

/** GET /v1/network */
export const Network = z.object({
  id: z.string(),
  name: z.string(),
  version: z.string(),
  protocols: z.object({
    http: z.array(z.string()).optional(),
    attach: z.array(z.string()).optional(),
    pair: z.array(z.string()).optional(),
  }),
  capabilities: z.object({
    event_stream: z.string().optional(),
    attachment_protocol: z.string().optional(),
    public_read: z.boolean(),
    agent_registration: z.string().optional(),
    debug_events: z.boolean().optional(),
    human_ingress: z.boolean(),
    direct_messages: z.boolean(),
    message_pagination: z.string().optional(),
    pairings: z.boolean(),
    /** Additive: version of the delivery protocol. */
    delivery: z.number().int().optional(),
    /** Additive: version of relay between servers of ours (protocol/pairings.ts). */
    relay: z.number().int().optional(),
  }),
  console: z.object({ can_send_human: z.boolean() }).optional(),
  warnings: z.array(NetworkWarning).optional(),
});
export type Network = z.infer<typeof Network>;

const CredentialedAgent = z.object({
  id: z.string(),
  name: z.string().optional(),
  credential_key: z.string().optional(),
});
export const ApplyConfigRequest = z.object({
  network_id: nullish(z.string()),
  rooms: nullish(z.array(CreateRoomRequest)),
  agents: nullish(z.array(CredentialedAgent)),
});
export type ApplyConfigRequest = z.infer<typeof ApplyConfigRequest>;

export const ApplyConfigResult = z.object({
  applied: z.boolean(),
  rooms: z.array(Room).optional(),
  agents: z.array(AgentRegistration).optional(),
});
export type ApplyConfigResult = z.infer<typeof ApplyConfigResult>;

/** Every refusal over HTTP. Keys in alphabetical order, as on the wire. */
export const ErrorEnvelope = z.object({
  code: z.string(),
  error: z.string(),
  request_id: z.string().optional(),
});
export type ErrorEnvelope = z.infer<typeof ErrorEnvelope>;
