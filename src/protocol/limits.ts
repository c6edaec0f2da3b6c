/**
 * Every number that bounds what a client may send or hold. One table: the code refuses by it, `docs/limits.md`
 * is generated from it, and each entry names the error code that a client sees when it goes over.
 */
import type { ErrorCode } from './errors.ts';

export interface Limit {
  readonly value: number;
  readonly unit: 'bytes' | 'characters' | 'count' | 'levels' | 'milliseconds' | 'seconds' | 'turns';
  /** What a client sees beyond it; absent where the limit clamps or bounds only ourselves. */
  readonly code?: ErrorCode;
  readonly what: string;
}

const MiB = 1_048_576;

export const limits = {
  // requests and frames
  body: { value: MiB, unit: 'bytes', code: 'body_too_large', what: 'JSON request body' },
  frame: { value: MiB, unit: 'bytes', code: 'frame_too_large', what: 'attachment frame, either way' },
  page_bytes: { value: 900_000, unit: 'bytes', what: 'a page ends early before its body grows over this' },
  page_default: { value: 100, unit: 'count', what: 'items of a page when no limit is given' },
  page_max: { value: 500, unit: 'count', what: 'items of a page at most; more is clamped' },
  search_default: { value: 20, unit: 'count', what: 'results of a search when no limit is given' },
  search_max: { value: 100, unit: 'count', what: 'results of a search at most; more is clamped' },
  // messages
  message: {
    value: 256 * 1024,
    unit: 'bytes',
    code: 'message_too_large',
    what: 'one message as JSON, UTF-8',
  },
  text: { value: 128 * 1024, unit: 'bytes', code: 'text_too_large', what: 'text of one part, UTF-8' },
  parts: { value: 64, unit: 'count', code: 'too_many_parts', what: 'parts of a message' },
  mentions: {
    value: 256,
    unit: 'count',
    code: 'too_many_mentions',
    what: 'entries of `mentions`, and mentions that one message resolves to',
  },
  data_depth: { value: 32, unit: 'levels', code: 'data_too_deep', what: "nesting of a part's `data`" },
  url: { value: 8_192, unit: 'bytes', code: 'invalid_part', what: 'url of a part' },
  filename: { value: 255, unit: 'bytes', code: 'invalid_part', what: 'filename of a part' },
  media_type: { value: 255, unit: 'bytes', code: 'invalid_part', what: 'media type of a part' },
  // names and ids
  id: { value: 128, unit: 'bytes', code: 'invalid_id', what: 'an id (message, room, thread, DM, cursor)' },
  agent_id: { value: 128, unit: 'bytes', code: 'invalid_id', what: 'an agent id' },
  name: {
    value: 128,
    unit: 'characters',
    code: 'invalid_name',
    what: 'display name of a room, an agent or a sender',
  },
  // rooms and DMs
  room_members: { value: 4_096, unit: 'count', code: 'too_many_members', what: 'members of a room' },
  room: {
    value: 768 * 1024,
    unit: 'bytes',
    code: 'too_many_members',
    what: 'one room with its members as JSON, UTF-8',
  },
  members_per_request: {
    value: 256,
    unit: 'count',
    code: 'too_many_members',
    what: 'members in one create, add or remove list',
  },
  dm_strangers: {
    value: 16,
    unit: 'count',
    code: 'too_many_participants',
    what: 'ids that nobody here has, in a new DM: each is kept from whoever would claim it first',
  },
  dm_participants: { value: 256, unit: 'count', code: 'too_many_participants', what: 'participants of a DM' },
  room_credential: {
    value: 512,
    unit: 'characters',
    code: 'unprocessable_entity',
    what: 'credential of a room, all visible',
  },
  rooms: { value: 10_000, unit: 'count', code: 'too_many_rooms', what: 'rooms of a network' },
  agents: { value: 10_000, unit: 'count', code: 'too_many_agents', what: 'registered agents of a network' },
  apply_items: {
    value: 1_000,
    unit: 'count',
    code: 'unprocessable_entity',
    what: 'rooms, or agents, in one apply',
  },
  // paired networks
  pairings: { value: 256, unit: 'count', code: 'too_many_pairings', what: 'pairings of a network' },
  pairing_invites: {
    value: 256,
    unit: 'count',
    code: 'too_many_pairings',
    what: 'codes of `pair invite` that are neither used, revoked nor expired',
  },
  pairing_messages: {
    value: 12_000,
    unit: 'count',
    code: 'pairing_quota',
    what: 'messages of one pairing in a minute',
  },
  pairing_members: {
    value: 512,
    unit: 'count',
    what: 'members of one paired network in a room that come by themselves; more are named by an operator',
  },
  pairing_dm_participants: {
    value: 32,
    unit: 'count',
    code: 'too_many_participants',
    what: 'participants of a DM in which a paired network speaks',
  },
  backfill: { value: 1_000, unit: 'count', what: "messages of one pull of a paired network's history" },
  pairing_bytes: {
    value: 256 * MiB,
    unit: 'bytes',
    code: 'pairing_quota',
    what: 'what storing the messages of one pairing in a day (UTC) takes, about',
  },
  relay_items: { value: 64, unit: 'count', what: 'messages and redactions in one request of relay' },
  relay_refusals: {
    value: 10_000,
    unit: 'count',
    what: 'refusals of one paired network that are remembered, the newest; of older messages it is not known any more whether they were taken',
  },
  relay_taken: {
    value: 200_000,
    unit: 'count',
    what: 'messages of one paired network that retention has removed and that are not taken again, the newest',
  },
  // live connections
  attachments: {
    value: 10_000,
    unit: 'count',
    code: 'too_many_attachments',
    what: 'attachments of one server process',
  },
  attachments_per_identity: {
    value: 1_024,
    unit: 'count',
    code: 'too_many_attachments',
    what: 'attachments of one token of the configuration (not in auth mode none)',
  },
  attachments_per_agent: {
    value: 16,
    unit: 'count',
    code: 'too_many_attachments',
    what: "attachments with one agent's own token",
  },
  attachments_per_address: {
    value: 64,
    unit: 'count',
    code: 'too_many_attachments',
    what: 'attachments of one address without a credential that have not claimed an agent yet (not in auth mode none)',
  },
  rate_buckets: {
    value: 10_000,
    unit: 'count',
    what: 'callers whose rates are remembered, of each kind; the least recently seen is forgotten',
  },
  sessions: { value: 10_000, unit: 'count', what: 'browser sessions; beyond it the oldest ends' },
  sessions_per_token: {
    value: 100,
    unit: 'count',
    what: 'browser sessions of one token; beyond it its oldest ends',
  },
  session: { value: 30 * 86_400_000, unit: 'milliseconds', what: 'how long a login in a browser lasts' },
  console_ticket: {
    value: 60_000,
    unit: 'milliseconds',
    what: 'how long a ticket of `moltnet console` is good',
  },
  console_tickets: {
    value: 1_000,
    unit: 'count',
    what: 'tickets that are not used yet; beyond it the oldest is worth nothing',
  },
  read_positions: {
    value: 200,
    unit: 'count',
    what: 'conversations of one person whose read position is kept; beyond it the one read longest ago is forgotten',
  },
  unread_counted: { value: 100, unit: 'count', what: 'unread messages of one conversation that are counted' },
  sse_streams: {
    value: 128,
    unit: 'count',
    code: 'too_many_streams',
    what: 'event streams of one server process',
  },
  sse_streams_per_identity: {
    value: 16,
    unit: 'count',
    code: 'too_many_streams',
    what: 'event streams of one identity, or of one address without one',
  },
  sse_replay: {
    value: 1_000,
    unit: 'count',
    what: 'events replayed to an event stream before it is told of a gap',
  },
  sse_replay_anonymous: { value: 200, unit: 'count', what: 'the same without a credential' },
  outstanding_per_conversation: {
    value: 64,
    unit: 'count',
    what: 'unacknowledged events of one conversation (delivery protocol)',
  },
  outstanding: { value: 1_024, unit: 'count', what: 'unacknowledged events of one attachment' },
  socket_buffer: {
    value: 4 * MiB,
    unit: 'bytes',
    what: 'bytes waiting in one socket before its reader falls back to the log',
  },
  writer_queue: { value: 8_192, unit: 'count', code: 'overloaded', what: 'commands waiting for the writer' },
  batch: { value: 512, unit: 'count', what: 'commands committed in one transaction' },
  // times
  heartbeat: {
    value: 5_000,
    unit: 'milliseconds',
    what: 'announced heartbeat of an attachment; the server PINGs twice as often',
  },
  identify: { value: 10_000, unit: 'milliseconds', what: 'time to IDENTIFY after the upgrade' },
  silence: { value: 10_000, unit: 'milliseconds', what: 'silence after which an attachment is dropped' },
  behind: {
    value: 2_000,
    unit: 'milliseconds',
    what: 'for which a server may not know what others on its database did, before reads and attachments are refused',
  },
  stop: { value: 5_000, unit: 'milliseconds', what: 'time for a graceful stop' },
  // wakes
  catch_up_age: { value: 31_536_000, unit: 'seconds', what: 'an age that `catch_up` names' },
  catch_up_wakes: { value: 1_000, unit: 'count', what: '`max_wakes` of `catch_up`' },
  catch_up_live: {
    value: 600_000,
    unit: 'milliseconds',
    what: 'what is younger when an agent comes back is delivered as if it had been there: a restart is no absence',
  },
  wake_messages: { value: 30, unit: 'count', what: 'messages in one wake; older ones are counted' },
  wake_bytes: { value: 24 * 1024, unit: 'bytes', what: 'message text in one wake' },
  callback_body: {
    value: 256 * 1024,
    unit: 'bytes',
    code: 'body_too_large',
    what: "a callback of a webhook's service to the node",
  },
  callback_age: {
    value: 300,
    unit: 'seconds',
    code: 'callback_stale',
    what: 'that the timestamp of a callback may be off, either way',
  },
  callback_connections: { value: 64, unit: 'count', what: 'connections at once on which callbacks come' },
  callbacks_kept: {
    value: 1_000,
    unit: 'count',
    what: 'attempts of a webhook whose callbacks are known again; the newest, for two days',
  },
  wake_attempts: { value: 4, unit: 'count', what: 'tries of one wake before it is reported as failed' },
  guard_turns: {
    value: 30,
    unit: 'turns',
    what: 'agent turns in a conversation without a person before its wakes are held',
  },
  guard_hour_turns: {
    value: 120,
    unit: 'turns',
    what: 'agent turns in a conversation in any hour before its wakes are held',
  },
  guard_pair_turns: {
    value: 60,
    unit: 'turns',
    what: 'turns of two agents that answer each other, anywhere, in any ten minutes (and four times as many without a person) before the wakes of where they are at it are held',
  },
  guard_pairs: {
    value: 100_000,
    unit: 'count',
    what: 'pairs of agents whose turns are remembered; the pair that was still for the longest time is forgotten',
  },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof limits;
