/**
 * Receipts: what became of a message for each agent that it is for. A receipt is not stored, it is computed from what
 * delivery keeps anyway, so that it cannot disagree with it.
 */
import { z } from 'zod';

/**
 * `stored`: on disk, not sent yet. `held`: kept back (reason `guard`, `pause` or `budget`). `handed`: the agent's node
 * has it, and no turn was begun. `started`: a turn runs, or will be run again. Final: `answered` (the agent posted in
 * that conversation during the turn), `silent` (it ended without), `failed` (with error; reason `dropped` when an
 * operator gave it up), `expired` (it came while the agent was away: reason `age` or `catch_up`), `ignored`
 * (reason `policy`: the agent's bindings; `intent`: an ack wakes nobody; `membership`: before the agent's time).
 */
export const RECEIPT_STATES = [
  'stored',
  'held',
  'handed',
  'started',
  'answered',
  'silent',
  'failed',
  'expired',
  'ignored',
] as const;
export type ReceiptState = (typeof RECEIPT_STATES)[number];

/** What a turn cost, as far as the runtime tells it. */
export const WakeUsage = z.object({
  input_tokens: z.number().int().min(0).max(1e12).optional(),
  output_tokens: z.number().int().min(0).max(1e12).optional(),
  cost_usd: z.number().min(0).max(1e9).optional(),
});
export type WakeUsage = z.infer<typeof WakeUsage>;

/** What is told of a state beside it. */
const facts = {
  reason: z.string().optional(),
  wake_id: z.string().optional(),
  attempts: z.number().int().optional(),
  answer_id: z
    .string()
    .optional()
    .describe('the last message that the agent posted there during the turn, also of one that failed'),
  error: z.string().optional(),
  classification: z.string().optional(),
};

export const Receipt = z.object({
  agent_id: z.string(),
  fqid: z.string(),
  state: z.enum(RECEIPT_STATES),
  ...facts,
  at: z.string().optional().describe('since when, where that is known'),
});
export type Receipt = z.infer<typeof Receipt>;

/** GET /v1/messages/{id}/receipts: of at most 500 agents, by id. */
export const MessageReceipts = z.object({
  message_id: z.string(),
  receipts: z.array(Receipt),
  has_more: z.boolean().optional().describe('there are more agents than are shown'),
});
export type MessageReceipts = z.infer<typeof MessageReceipts>;

/** `message.receipt`: a volatile event, to observers and to the sender. */
export const ReceiptEvent = z.object({
  agent_id: z.string(),
  message_ids: z.array(z.string()),
  conversation: z.string(),
  state: z.enum(RECEIPT_STATES),
  ...facts,
  at: z.string(),
});
export type ReceiptEvent = z.infer<typeof ReceiptEvent>;

export const DELIVERY_STATES = ['open', 'failed', 'held'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];
/** What GET /v1/deliveries takes for `state`: also `ended`, the turns of one agent, whatever became of them. */
export const DELIVERY_LISTS = [...DELIVERY_STATES, 'ended'] as const;
/** One wake, or one conversation that is held back from an agent. */
export const DeliveryItem = z.object({
  wake_id: z.string().optional(),
  agent_id: z.string(),
  conversation: z.string(),
  state: z.enum([...DELIVERY_STATES, 'dropped', 'answered', 'silent']),
  reason: z.string().optional(),
  attempts: z.number().int().optional(),
  error: z.string().optional(),
  classification: z.string().optional(),
  message_id: z.string().optional().describe('the last message of the wake'),
  answer_id: z
    .string()
    .optional()
    .describe('the last message that the agent posted there during the turn, also of one that failed'),
  opened_at: z.string().optional(),
  closed_at: z.string().optional(),
});
export type DeliveryItem = z.infer<typeof DeliveryItem>;
/** GET /v1/deliveries: the newest failed ones first. */
export const DeliveryList = z.object({ deliveries: z.array(DeliveryItem) });
export type DeliveryList = z.infer<typeof DeliveryList>;

/** Of one agent in one room (none: DMs) on one day (UTC). */
export const UsageItem = WakeUsage.extend({
  day: z.string(),
  agent_id: z.string(),
  room_id: z.string().optional(),
  wakes: z.number().int(),
});
export type UsageItem = z.infer<typeof UsageItem>;
/** GET /v1/usage. `caps`: wakes a day, of agents that have one, with those of today. */
export const UsageReport = z.object({
  since: z.string(),
  usage: z.array(UsageItem),
  caps: z.array(z.object({ agent_id: z.string(), daily_wakes: z.number().int(), today: z.number().int() })),
});
export type UsageReport = z.infer<typeof UsageReport>;
