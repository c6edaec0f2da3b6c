/**
 * Frames of the attachment WebSocket (wire.md 6), and what the delivery protocol adds to them.
 *
 * Delivery protocol, version 1. Both sides announce it before either uses it: HELLO.capabilities.delivery = 1 and
 * IDENTIFY.capabilities.delivery = 1 together with IDENTIFY.bindings. Then:
 * - server → EVENT: only messages that wake this agent by its bindings, plus `stream.replay_gap`, plus
 *   `message.redacted` of a message that is outstanding here (not acknowledged by the node). In `seq` order within
 *   a conversation, from the durable position of (agent, conversation) on, at most 64 unacknowledged each.
 * - node → WAKE {wake_id, conversation, cursor, attempt}: "I am about to run one turn over everything outstanding
 *   of this conversation up to and including cursor". The server stores it, then answers WAKE with the same
 *   wake_id. The node starts the turn only after that answer. `attempt` counts from 1; a retry of the same wake
 *   is announced with the next number.
 * - node → ACK {cursor, wake_id?, outcome?, error?, attempts?, classification?, usage?}: cumulative within cursor's
 *   conversation. With wake_id it ends that wake, whose last cursor it names: outcome `ok`, or `failed` when its retries
 *   are used up or could not help (then the server shows agent.wake.failed). `usage` {input_tokens, output_tokens,
 *   cost_usd} is that of the wake's turns together, each field where the runtime tells it. Without wake_id it says "seen,
 *   nothing to run"; while a wake of the conversation is open, only its own ACK is taken. Gap and redaction events are
 *   acknowledged to no effect.
 * - A message that is sent wakes, whatever the node's own wake decision says of it: the server also knows in which
 *   threads the agent has posted.
 * - After a (re)connect the server first sends, for every wake that is still open, WAKE {wake_id, conversation,
 *   cursor, attempt} followed by the EVENTs of its range; the node runs exactly that range under that id, with that
 *   attempt number. What came meanwhile follows as ordinary EVENTs and is a later wake.
 * - WAKE of the server carries `earlier` where catch_up passed over messages of the conversation that were missed before
 *   those of the wake: how many, for its text.
 * - node → BOOTSTRAP {rooms}: asks which of these rooms still need their first wake; the server answers BOOTSTRAP
 *   {rooms} with those never bootstrapped for this agent. node → BOOTSTRAP {rooms, done: true}, which is not answered: the
 *   first wake of these has ended. Until then they are answered again, so that a node that dies in between loses none.
 * - While the agent, a room or everything is paused, or the agent's daily cap is reached, nothing is sent there. A WAKE
 *   of something that was sent before is answered with ERROR {code: 'paused'}, not permanent: the node comes back, and
 *   is sent it (an open wake under its id) when it goes on.
 * - Where both also announce `status: 1` (HELLO.capabilities.status, IDENTIFY.capabilities.status):
 *   node → STATUS {cannot_wake?, cannot_wake_cause?, cannot_wake_until?, runtime?, probe?}: after READY, whenever it changes, and as the answer to a PROBE.
 *   `cannot_wake` is one line on why no turn can be run now (the CLI is missing, nobody has logged in, …), left out when
 *   turns can be run; its cause is one of agents.ts (others are passed over), and until when, RFC 3339, where it ends by itself; `runtime` {kind, version?} where it is known; `probe` is the id of the PROBE that is answered.
 *   server → PROBE {probe}: asks the node to look now whether the runtime can be woken, without a turn.
 * - server → ERROR {code, error, permanent: true}: do not reconnect (agent removed, taken, network mismatch).
 * Of several attachments of one agent exactly one holds the delivery lease and receives; when it ends the next gets it.
 */
import { z } from 'zod';
import { Actor } from './actors.ts';
import { StatusRuntime, WAKE_FAILURES } from './agents.ts';
import { Event } from './events.ts';
import { limits } from './limits.ts';
import { WakeUsage } from './receipts.ts';
import { CATCH_UP_POLICIES, DEFAULT_CATCH_UP, WAKE_POLICIES } from './wake.ts';

export const DELIVERY_VERSION = 1;
export const STATUS_VERSION = 1;

export const FrameCapabilities = z.object({
  rooms: z.boolean().optional(),
  threads: z.boolean().optional(),
  dms: z.boolean().optional(),
  artifacts: z.boolean().optional(),
  delivery: z.number().int().optional(),
  status: z.number().int().optional(),
});
export type FrameCapabilities = z.infer<typeof FrameCapabilities>;

const Age = z.number().int().min(1).max(limits.catch_up_age.value);
/** Ages in seconds (protocol/wake.ts). */
export const CatchUpSchema = z.object({
  policy: z.enum(CATCH_UP_POLICIES),
  max_age: Age.optional(),
  max_age_mentions: Age.optional(),
  max_messages: z.number().int().min(1).max(limits.outstanding_per_conversation.value).optional(),
  max_wakes: z.number().int().min(1).max(limits.catch_up_wakes.value).optional(),
});

export const BindingsSchema = z.object({
  rooms: z.array(z.object({ id: z.string(), wake: z.enum(WAKE_POLICIES) })).max(4_096),
  dms: z.object({
    enabled: z.boolean(),
    wake: z.enum(['all', 'mentions', 'never']),
    allowed_wake_senders: z.array(z.string().max(300)).max(1_024).optional(),
  }),
  catch_up: z.union([z.enum(CATCH_UP_POLICIES), CatchUpSchema]).default(DEFAULT_CATCH_UP),
});

export const FRAME_OPS = [
  'HELLO',
  'IDENTIFY',
  'READY',
  'EVENT',
  'ACK',
  'PING',
  'PONG',
  'ERROR',
  'WAKE',
  'BOOTSTRAP',
  'STATUS',
  'PROBE',
] as const;
export type FrameOp = (typeof FRAME_OPS)[number];

export const AttachmentFrame = z.object({
  op: z.string(),
  version: z.string().optional(),
  heartbeat_interval_ms: z.number().int().optional(),
  network_id: z.string().optional(),
  agent: Actor.partial().optional(),
  agent_id: z.string().optional(),
  actor_uid: z.string().optional(),
  actor_uri: z.string().optional(),
  agent_token: z.string().optional(),
  capabilities: FrameCapabilities.nullish().transform((v) => v ?? {}),
  cursor: z.string().optional(),
  event: Event.optional(),
  error: z.string().optional(),
  // additive, IDENTIFY: see RegisterAgentRequest
  claim_key: z.string().optional(),
  // delivery protocol
  bindings: BindingsSchema.optional(),
  wake_id: z.string().optional(),
  conversation: z.string().optional(),
  attempt: z.number().int().min(1).optional(),
  earlier: z.number().int().min(0).optional(),
  attempts: z.number().int().min(0).optional(),
  outcome: z.enum(['ok', 'failed']).optional(),
  classification: z.enum(WAKE_FAILURES).optional(),
  rooms: z.array(z.string()).optional(),
  done: z.boolean().optional(),
  usage: WakeUsage.optional(),
  cannot_wake: z.string().optional(),
  cannot_wake_cause: z.string().optional(),
  cannot_wake_until: z.string().optional(),
  runtime: StatusRuntime.optional(),
  probe: z.string().optional(),
  code: z.string().optional(),
  permanent: z.boolean().optional(),
});
export type AttachmentFrame = z.infer<typeof AttachmentFrame>;
/** A frame as sent. */
export type AttachmentFrameInput = z.input<typeof AttachmentFrame>;
