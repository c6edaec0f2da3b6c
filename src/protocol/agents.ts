import { z } from 'zod';
import { nullish } from './nullish.ts';

export const AgentSummary = z.object({
  id: z.string(),
  name: z.string().optional(),
  actor_uid: z.string().optional(),
  fqid: z.string().optional(),
  network_id: z.string(),
  rooms: z.array(z.string()).optional(),
  connected: z.boolean(),
  /** Additive: how many attachments are open and since when the agent has been connected. */
  attachments: z.number().int().optional(),
  connected_since: z.string().optional(),
  /** Additive: `working` on the wakes that are open (conversations that the caller may read); `cannot_wake` with its reason. */
  state: z.enum(['offline', 'connected', 'working', 'cannot_wake']).optional(),
  working: z
    .array(z.object({ wake_id: z.string(), conversation: z.string().optional(), since: z.string() }))
    .optional(),
  cannot_wake: z.string().optional(),
  /** Additive: one of CANNOT_WAKE_CAUSES, where it is known. */
  cannot_wake_cause: z.string().optional(),
  /** Additive: RFC 3339, where it ends by itself. */
  cannot_wake_until: z.string().optional(),
  last_wake_failure: z
    .object({
      message_id: z.string().optional(),
      error: z.string().optional(),
      classification: z.string().optional(),
      at: z.string(),
    })
    .optional(),
});
export type AgentSummary = z.infer<typeof AgentSummary>;

export const AgentRegistration = z.object({
  network_id: z.string(),
  agent_id: z.string(),
  actor_uid: z.string(),
  actor_uri: z.string(),
  display_name: z.string().optional(),
  agent_token: z.string().optional(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type AgentRegistration = z.infer<typeof AgentRegistration>;

export const RegisterAgentRequest = z.object({
  requested_agent_id: nullish(z.string()),
  name: nullish(z.string()),
  /** Additive (credentials.ts): makes a claim repeatable until the minted token's first use. */
  claim_key: nullish(z.string()),
  /** Additive: of `moltnet admin agent invite`; admits to an id that is not free for everybody. */
  claim_code: nullish(z.string()),
});
export type RegisterAgentRequest = z.infer<typeof RegisterAgentRequest>;

/** Body of POST /v1/agents/{id}/invite (additive). `expires_in` in seconds; 7 days when left out. */
export const InviteAgentRequest = z.object({ expires_in: nullish(z.number().int().min(60).max(31_536_000)) });
export type InviteAgentRequest = z.infer<typeof InviteAgentRequest>;
/** Its answer: the code is shown once. */
export const AgentInvite = z.object({ agent_id: z.string(), code: z.string(), expires_at: z.string() });
export type AgentInvite = z.infer<typeof AgentInvite>;

/** Body of POST /v1/agents/wake-failed (wire-newer.md 4): a node gave a wake up. `event` is the EVENT's event. */
export const WakeFailedRequest = z.object({
  agent_id: z.string().optional(),
  event: z.looseObject({ message: z.looseObject({ id: z.string() }).optional() }).optional(),
  error: z.string().optional(),
  attempts: z.number().int().optional(),
  classification: z.string().optional(),
});
export type WakeFailedRequest = z.infer<typeof WakeFailedRequest>;
/** Why an agent cannot be woken: an operator (`paused`, `budget`), or its runtime (runtimes/runtime.ts). */
export const CANNOT_WAKE_CAUSES = [
  'paused',
  'budget',
  'missing',
  'not_logged_in',
  'rate_limited',
  'model',
  'timeout',
  'config',
  'crashed',
] as const;
export type CannotWakeCause = (typeof CANNOT_WAKE_CAUSES)[number];
/** In STATUS: what the agent's turns run in. */
export const StatusRuntime = z.object({ kind: z.string().max(64), version: z.string().max(128).optional() });
export type StatusRuntime = z.infer<typeof StatusRuntime>;
/** POST /v1/agents/{id}/wake-test: whether a message would wake the agent now, without a turn. */
export const WakeTest = z.object({
  ok: z.boolean(),
  reason: z.string().optional(),
  cause: z.string().optional().describe('such as rate_limited, missing, not_logged_in, paused'),
  until: z.string().optional().describe('when that ends by itself, where it is known'),
  runtime: StatusRuntime.optional(),
});
export type WakeTest = z.infer<typeof WakeTest>;
export const WAKE_FAILURES = ['permanent', 'retry_exhausted', 'runtime_failed', 'runtime_stopped'] as const;
export type WakeFailure = (typeof WAKE_FAILURES)[number];
