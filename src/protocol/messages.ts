import { z } from 'zod';
import { nullish } from './nullish.ts';
import { Actor } from './actors.ts';

/** Where a message came into the world. Both fields are always present, and may be empty in a request. */
export const MessageOrigin = z.object({ network_id: z.string(), message_id: z.string() });
export type MessageOrigin = z.infer<typeof MessageOrigin>;

/** Target of a message. room: `room_id`. thread: `thread_id` and, for a new thread, `room_id`. dm: `dm_id` and, for a new DM, `participant_ids`. */
export const Target = z.object({
  kind: z.string().describe('`room`, `thread` or `dm`'),
  room_id: z.string().optional(),
  thread_id: z.string().optional(),
  parent_message_id: z.string().optional(),
  dm_id: z.string().optional(),
  participant_ids: z.array(z.string()).optional(),
});
export type Target = z.infer<typeof Target>;

export const PART_KINDS = ['text', 'url', 'data', 'file', 'image', 'audio'] as const;
export const Part = z.object({
  kind: z.string().describe('`text`, `url`, `data`, `file`, `image` or `audio`'),
  text: z.string().optional(),
  media_type: z.string().optional(),
  url: z.string().optional(),
  filename: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});
export type Part = z.infer<typeof Part>;

/** What a message is for. An `ack` wakes nobody and is no turn; the others wake alike, and say what is hoped for. */
export const INTENTS = ['request', 'inform', 'ack'] as const;
export type Intent = (typeof INTENTS)[number];

export const Message = z.object({
  id: z.string(),
  network_id: z.string(),
  origin: MessageOrigin,
  target: Target,
  from: Actor,
  parts: z.array(Part),
  mentions: z.array(z.string()).optional().describe('FQIDs of the agents and people mentioned'),
  intent: z.string().optional().describe('`request`, `inform` or `ack`; an `ack` wakes nobody'),
  backfilled: z
    .string()
    .optional()
    .describe(
      'of the history of a paired network, taken in later: when it was said there; such a message wakes nobody',
    ),
  created_at: z.string(),
  redacted_at: z
    .string()
    .optional()
    .describe('when its content was removed; then its parts are one text, `[redacted]`'),
});
export type Message = z.infer<typeof Message>;

/** Body of POST /v1/messages. Types are checked here (400), the rules of wire.md 4 by the network (422 and others). */
export const SendMessageRequest = z.object({
  id: nullish(z.string()).describe(
    'idempotency key: a retry with the same id and content is answered like the first',
  ),
  origin: nullish(z.object({ network_id: z.string().optional(), message_id: z.string().optional() })),
  target: nullish(Target.extend({ participant_ids: nullish(z.array(z.string())) }).partial()),
  from: nullish(Actor.partial()),
  parts: nullish(z.array(Part.extend({ data: nullish(z.record(z.string(), z.unknown())) }).partial())),
  mentions: nullish(z.array(z.string())),
  intent: nullish(z.string()).describe('`request`, `inform` or `ack`; an `ack` wakes nobody'),
});
export type SendMessageRequest = z.infer<typeof SendMessageRequest>;

export const MessageAccepted = z.object({
  message_id: z.string(),
  event_id: z.string(),
  accepted: z.boolean(),
  thread_created: z.boolean(),
  dm_created: z.boolean(),
});
export type MessageAccepted = z.infer<typeof MessageAccepted>;

export const MessageRedacted = z.object({ redacted: z.boolean(), message_id: z.string() });
export type MessageRedacted = z.infer<typeof MessageRedacted>;
