/** Paired networks as the API shows them (wire.md 1.2, 8; wire-newer.md 4), and what two servers tell each other. */
import { z } from 'zod';
import { limits } from './limits.ts';
import { SendMessageRequest } from './messages.ts';
import { PageInfo } from './pages.ts';
import { nullish } from './nullish.ts';

/**
 * Sent with every relayed message by a server that can tell a refusal from a peer that is away: it is answered with the
 * status of the refusal. To one that cannot, a message that is not taken is answered 202 with `accepted: false`,
 * because anything but 2xx would keep it from sending others for 30 s (wire.md 0.3).
 */
export const RELAY_HEADER = 'x-moltnet-relay';
/** Additive, in capabilities of the network document. 1: it takes RELAY_HEADER, and keeps links. 2: POST /v1/relay too. */
export const RELAY_VERSION = 2;

/**
 * Where a server is, as anybody may say it: what is asked there stands after it, and goes nowhere else. Undefined for what
 * is no such address.
 */
export function serverAddress(given: string): string | undefined {
  const url = given.length <= 2_048 && URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return undefined;
  // Without a path `/v1/…` would be a part of what comes last.
  if (url.username + url.password !== '' || /[?#]/.test(given)) return undefined;
  return url.href.replace(/\/+$/, '');
}

/** A WebSocket between two servers of ours (pairing/link.ts). */
export const LINK_PATH = '/v1/pair-link';

export const PAIRING_STATUSES = [
  'connected',
  'pending',
  'degraded',
  'incompatible',
  'error',
  'unknown',
] as const;
export type PairingStatus = (typeof PAIRING_STATUSES)[number];

export const PairingDiagnostics = z.object({
  checked_at: z.string(),
  remote_version: z.string().optional(),
  remote_network_id: z.string().optional(),
  remote_protocols: z.object({
    http: z.array(z.string()).optional(),
    attach: z.array(z.string()).optional(),
    pair: z.array(z.string()).optional(),
  }),
  reason: z.string().optional(),
  message: z.string().optional(),
});
export type PairingDiagnostics = z.infer<typeof PairingDiagnostics>;

/** How relay stands: `waiting` is of conversations with messages that are not out yet. */
export const RelayCounts = z.object({
  waiting: z.number().int().describe('conversations with messages that wait'),
  waiting_since: z.string().optional(),
  relayed: z.number().int().describe('messages since the server started'),
  refused: z.number().int().describe('messages that the other side would not take, since the server started'),
  received: z.number().int().describe('messages taken from it since the server started'),
  not_taken: z.number().int().describe('messages of it that were refused here, since the server started'),
  last_refusal: z.object({ code: z.string(), reason: z.string(), at: z.string() }).optional(),
});
export type RelayCounts = z.infer<typeof RelayCounts>;

export const Pairing = z.object({
  id: z.string(),
  remote_network_id: z.string().optional(),
  remote_network_name: z.string().optional(),
  remote_base_url: z.string().optional(),
  status: z.string(),
  diagnostics: PairingDiagnostics.optional(),
  link: z.string().optional().describe('`open` or `closed`, of a pairing that goes over a link'),
  source: z.string().optional().describe('`file` or `store`'),
  rooms: z.array(z.string()).optional().describe('rooms that are shared with it'),
  relay: RelayCounts.optional(),
});
export type Pairing = z.infer<typeof Pairing>;
export const PairingPage = z.object({ pairings: z.array(Pairing), page: PageInfo });
export type PairingPage = z.infer<typeof PairingPage>;

export const RelayRefusal = z.object({
  message_id: z.string(),
  conversation: z.string(),
  code: z.string(),
  reason: z.string(),
  at: z.string(),
});
export type RelayRefusal = z.infer<typeof RelayRefusal>;
export const RelayWaiting = z.object({
  conversation: z.string(),
  message_id: z.string().optional(),
  attempts: z.number().int(),
  since: z.string().optional(),
  error: z.string().optional(),
});
export type RelayWaiting = z.infer<typeof RelayWaiting>;
/** GET /v1/pairings/{id}: the newest refusals, and at most 100 conversations that wait. */
export const PairingDetail = Pairing.extend({
  refusals: z.array(RelayRefusal),
  waiting: z.array(RelayWaiting),
});
export type PairingDetail = z.infer<typeof PairingDetail>;

/** GET /v1/messages/{id}/relays: where a message of this network stands with each pairing that it is shared with. */
export const MessageRelay = z.object({
  pairing_id: z.string(),
  remote_network_id: z.string().optional(),
  state: z
    .enum(['relayed', 'waiting', 'refused', 'unknown'])
    .describe(
      '`unknown`: it is long done with, and whether it was refused is forgotten (limits.relay_refusals)',
    ),
  code: z.string().optional(),
  reason: z.string().optional(),
  attempts: z.number().int().optional(),
  since: z.string().optional(),
  at: z.string().optional(),
  redaction: z
    .enum(['waiting', 'told', 'not_told'])
    .optional()
    .describe('of a message that was removed: whether the paired network knows that'),
});
export type MessageRelay = z.infer<typeof MessageRelay>;
export const MessageRelays = z.object({ message_id: z.string(), relays: z.array(MessageRelay) });
export type MessageRelays = z.infer<typeof MessageRelays>;

/**
 * POST /v1/relay, between two servers of ours: what was said and what was removed, in order, all of it stored in one
 * commit. An answer other than 200 says that nothing was.
 */
export const RelayItem = z.union([
  z.object({ message: SendMessageRequest }),
  z.object({ redaction: z.object({ network_id: z.string(), message_id: z.string() }) }),
]);
export type RelayItem = z.infer<typeof RelayItem>;
export const RelayRequest = z.object({ items: z.array(RelayItem).min(1).max(limits.relay_items.value) });
export type RelayRequest = z.infer<typeof RelayRequest>;
/** One for each item. `code` and `error` of one that is not taken, ever. */
export const RelayResult = z.object({
  accepted: z.boolean(),
  code: z.string().optional(),
  error: z.string().optional(),
});
export type RelayResult = z.infer<typeof RelayResult>;
export const RelayAnswer = z.object({ results: z.array(RelayResult) });
export type RelayAnswer = z.infer<typeof RelayAnswer>;

/** POST /v1/pairings/invites */
export const PairingInviteRequest = z.object({
  rooms: z.array(z.string()),
  expires_in: nullish(z.number().int()),
  url: nullish(z.string()).describe('where the other server reaches this one'),
});
export type PairingInviteRequest = z.infer<typeof PairingInviteRequest>;
export const PairingInvite = z.object({
  id: z.string(),
  code: z.string(),
  rooms: z.array(z.string()),
  expires_at: z.string(),
});
export type PairingInvite = z.infer<typeof PairingInvite>;
export const PairingInviteList = z.object({
  invites: z.array(PairingInvite.omit({ code: true }).extend({ created_at: z.string() })),
});
export type PairingInviteList = z.infer<typeof PairingInviteList>;

/** POST /v1/pairings/accept, of the operator to its own server. */
export const PairingAcceptRequest = z.object({
  code: z.string(),
  url: nullish(z.string()).describe(
    'where the other server reaches this one; without it this one keeps a link',
  ),
  rooms: nullish(z.array(z.string())).describe('private rooms of this network that may be shared'),
  again: nullish(z.boolean()).describe(
    'the network is paired already, has lost that, and is the same: its pairing gets new credentials',
  ),
});
export type PairingAcceptRequest = z.infer<typeof PairingAcceptRequest>;
export const PairingAccepted = z.object({ pairing: Pairing, rooms: z.array(z.string()) });
export type PairingAccepted = z.infer<typeof PairingAccepted>;

/** POST /v1/pairings/exchange, of one server to the other. */
export const PairingExchangeRequest = z.object({
  secret: z.string(),
  network_id: z.string(),
  network_name: nullish(z.string()),
  token: z.string(),
  base_url: nullish(z.string()),
  /** Of a network that is paired already: pairingProof of what it sends to the other now. */
  proof: nullish(z.string()),
});
export type PairingExchangeRequest = z.infer<typeof PairingExchangeRequest>;
export const PairingExchanged = z.object({
  pairing_id: z.string(),
  network_id: z.string(),
  network_name: z.string(),
  token: z.string(),
  rooms: z.array(z.object({ id: z.string(), name: z.string() })),
  /** Of who answers, as it stands in the code. */
  fingerprint: z.string().optional(),
  /** The same of what it sends. */
  proof: z.string().optional(),
});
export type PairingExchanged = z.infer<typeof PairingExchanged>;

/** POST /v1/pairings/{id}/backfill */
export const BackfillRequest = z.object({
  room_id: z.string(),
  count: nullish(z.number().int().min(1)),
});
export type BackfillRequest = z.infer<typeof BackfillRequest>;
/** `known`: those that were here already. `refused`: those that the rules of this network do not take. */
export const BackfillResult = z.object({
  room_id: z.string(),
  taken: z.number().int(),
  known: z.number().int(),
  refused: z.number().int(),
});
export type BackfillResult = z.infer<typeof BackfillResult>;
