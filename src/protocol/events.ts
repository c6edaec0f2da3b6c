import { z } from 'zod';
import { Message, Target } from './messages.ts';
import { ReceiptEvent } from './receipts.ts';
import { PauseChange } from './pauses.ts';
import { ReadPosition } from './reads.ts';
import { DirectConversation, Room, Thread } from './rooms.ts';

/** The event types of wire.md 1.3, and below them those we add. Readers tolerate unknown ones. */
export const EVENT_TYPES = [
  'message.created',
  'thread.created',
  'dm.created',
  'room.created',
  'room.members.updated',
  'room.removed',
  'agent.connected',
  'agent.disconnected',
  'agent.removed',
  'agent.wake.delivered',
  'agent.wake.failed',
  'pairing.updated',
  'stream.replay_gap',
  // ours
  'room.updated',
  'agent.registered',
  'message.redacted',
  'conversation.held',
  'conversation.resumed',
  'pause.changed',
  'message.receipt',
  'agent.status',
  'read.moved',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const AgentEvent = z.object({
  agent_id: z.string(),
  network_id: z.string().optional(),
  fqid: z.string().optional(),
  name: z.string().optional(),
  message_id: z.string().optional(),
  reason: z.string().optional(),
  target: Target.optional(),
  error: z.string().optional(),
  attempts: z.number().int().optional(),
  classification: z.string().optional(),
  // additive, agent.status: as in AgentSummary
  state: z.string().optional(),
  working: z
    .array(z.object({ wake_id: z.string(), conversation: z.string().optional(), since: z.string() }))
    .optional(),
  cannot_wake: z.string().optional(),
  cannot_wake_cause: z.string().optional(),
  cannot_wake_until: z.string().optional(),
});
export type AgentEvent = z.infer<typeof AgentEvent>;

export const ReplayGap = z.object({
  requested_event_id: z.string().optional(),
  oldest_event_id: z.string().optional(),
  newest_event_id: z.string().optional(),
});
export type ReplayGap = z.infer<typeof ReplayGap>;

const TurnLimit = z.union([z.number().int(), z.literal('off')]);

/** How near a conversation is to being held. */
export const GuardMeters = z.object({
  turns: z.number().int().describe('agent turns since a person last wrote or the guard was resumed'),
  turns_limit: TurnLimit,
  hour: z.number().int().describe('agent turns in the last hour'),
  hour_limit: TurnLimit,
  pair: z
    .number()
    .int()
    .optional()
    .describe(
      'turns, anywhere, of the pair that holds it, else of the pair of whoever spoke last that is nearest to a limit',
    ),
  pair_limit: TurnLimit,
  pair_without_person: z
    .literal(true)
    .optional()
    .describe(
      'they are those since a person spoke where the pair is at it, however slow; else those of ten minutes',
    ),
  pair_agents: z.array(z.string()).optional().describe('FQIDs of that pair'),
});
export type GuardMeters = z.infer<typeof GuardMeters>;

export const GUARD_REASONS = ['turns', 'hour', 'pair'] as const;
export type GuardReason = (typeof GUARD_REASONS)[number];

/** A conversation under the storm guard: in `conversation.held` / `.resumed`, GET /v1/guard and GET /v1/guard/{conversation}. */
export const GuardState = z.object({
  conversation: z.string().describe('`room:ID`, `thread:ID` or `dm:ID`'),
  room_id: z.string().optional(),
  turns: z.number().int().describe('agent turns since a person last wrote or the guard was resumed'),
  limit: TurnLimit.describe('of these turns'),
  held: z.boolean(),
  held_at: z.string().optional(),
  held_messages: z.number().int().optional().describe('messages stored while held'),
  reason: z
    .string()
    .optional()
    .describe(
      'which limit holds it: `turns` (a person lets it go on too), `hour` or `pair` (only a resume does)',
    ),
  detail: z.string().optional().describe('the same in words'),
  meters: GuardMeters.optional(),
  resumed_by: z.string().optional().describe('`person`, `operator` or `settings`, in conversation.resumed'),
});
export type GuardState = z.infer<typeof GuardState>;

export const Event = z.object({
  id: z.string(),
  type: z.string(),
  network_id: z.string(),
  agent: AgentEvent.optional(),
  message: Message.optional(),
  room: Room.optional(),
  thread: Thread.optional(),
  dm: DirectConversation.optional(),
  pairing: z.looseObject({ id: z.string() }).optional(),
  replay_gap: ReplayGap.optional(),
  guard: GuardState.optional(),
  pause: PauseChange.optional(),
  redaction: z.object({ message_id: z.string(), target: Target }).optional(),
  receipt: ReceiptEvent.optional(),
  read: ReadPosition.optional(),
  created_at: z.string(),
});
export type Event = z.infer<typeof Event>;
/** The key of an event under which its payload stands. */
export type PayloadKey =
  | 'agent'
  | 'message'
  | 'room'
  | 'thread'
  | 'dm'
  | 'pairing'
  | 'replay_gap'
  | 'guard'
  | 'pause'
  | 'redaction'
  | 'receipt'
  | 'read';

export function payloadKey(type: string): PayloadKey {
  switch (type) {
    case 'message.created':
      return 'message';
    case 'message.redacted':
      return 'redaction';
    case 'message.receipt':
      return 'receipt';
    case 'thread.created':
      return 'thread';
    case 'dm.created':
      return 'dm';
    case 'pairing.updated':
      return 'pairing';
    case 'stream.replay_gap':
      return 'replay_gap';
    case 'conversation.held':
    case 'conversation.resumed':
      return 'guard';
    case 'read.moved':
      return 'read';
    case 'pause.changed':
      return 'pause';
    default:
      return type.startsWith('room.') ? 'room' : 'agent';
  }
}

/** The event as JSON text, from a payload that is JSON text already: a stored event is never parsed to be sent. */
export function encodeEvent(e: {
  id: string;
  type: string;
  network_id: string;
  created_at: string;
  payload: string;
}): string {
  return `{"id":${JSON.stringify(e.id)},"type":${JSON.stringify(e.type)},"network_id":${JSON.stringify(e.network_id)},"${payloadKey(e.type)}":${e.payload},"created_at":"${e.created_at}"}`;
}
