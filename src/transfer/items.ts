/**
 * A network on its way from one storage to another: items, one JSON object a line. First the head, last the end; rooms
 * and agents come before the events, in order of `seq`, and who is a member where after them, so that nobody is woken
 * for what was before.
 */
import { z } from 'zod';
import { parseConversation } from '../protocol/conversation.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { isId } from '../protocol/ids.ts';
import { GuardSettings, VISIBILITIES, WRITE_POLICIES } from '../protocol/rooms.ts';

export const EXPORT_KIND = 'moltnet.export';
export const EXPORT_VERSION = 1;

const id = z.string().min(1);
/** Of rooms and agents, which stand in paths and in text. */
const Name = z.string().refine(isId, 'is no id');
const Time = z.string().refine((time) => !Number.isNaN(Date.parse(time)), 'is no time');
const oneOf = (values: readonly string[]) =>
  z.string().refine((value) => values.includes(value), `is none of ${values.join(', ')}`);
/** JSON in a text, as a room's row has it. */
const Guard = z.string().refine((text) => {
  try {
    return GuardSettings.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}, 'is no setting of the storm guard');
const Conversation = z.templateLiteral([z.enum(['room', 'thread', 'dm']), ':', z.string()]);
const Scope = z.union([z.literal('*'), z.templateLiteral([z.enum(['agent', 'room']), ':', z.string()])]);
const Head = z.object({
  kind: z.literal(EXPORT_KIND),
  version: z.number().int(),
  /** Of this very export: an import that was broken off knows it again. */
  id,
  network_id: id,
  exported_at: z.string(),
  /** seq of the newest event that is in it: as many event items follow at most. */
  head: z.number().int().nonnegative(),
});
const RoomItem = z.object({
  kind: z.literal('room'),
  row: z.object({
    id: Name,
    name: z.string(),
    visibility: oneOf(VISIBILITIES),
    write_policy: oneOf(WRITE_POLICIES),
    guard: Guard,
    created_at: z.string(),
    removed_at: z.string().nullable(),
    credential_hash: z.string().nullable(),
  }),
});
const MembersItem = z.object({ kind: z.literal('members'), room_id: id, members: z.array(id) });
const AgentItem = z.object({
  kind: z.literal('agent'),
  row: z.object({
    id: Name,
    actor_uid: z.string(),
    display_name: z.string().nullable(),
    credential_key: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
    removed_at: z.string().nullable(),
    claim_key_hash: z.string().nullable(),
  }),
});
const InviteItem = z.object({
  kind: z.literal('invite'),
  row: z.object({ code_hash: id, agent_id: id, created_at: Time, expires_at: Time }),
});
const PauseItem = z.object({
  kind: z.literal('pause'),
  row: z.object({ scope: Scope, paused_by: z.string(), at: Time, until: Time.nullable() }),
});
const MetaItem = z.object({ kind: z.literal('meta'), key: id, value: z.string() });
const EventItem = z.object({
  kind: z.literal('event'),
  id,
  type: id,
  created_at: Time,
  conversation: Conversation.optional(),
  room_id: id.optional(),
  dm_id: id.optional(),
  participants: z.array(id).optional(),
  agent_id: id.optional(),
  payload: z.record(z.string(), z.unknown()),
  /** Of a message: what stands beside its payload. */
  message: z
    .object({ origin_network: id, origin_id: id, content_hash: z.string().nullable(), sender: id })
    .optional(),
});
/** What everything that reads a message relies on; the rest of it stays as it is. */
const Said = z.looseObject({
  id,
  from: z.looseObject({ id: z.string() }),
  target: z.looseObject({ kind: z.string() }),
  parts: z.array(
    z.looseObject({
      kind: z.string(),
      text: z.string().optional(),
      filename: z.string().optional(),
      url: z.string().optional(),
    }),
  ),
  created_at: Time,
});
/** What the storm guard remembers of a conversation that it holds. */
const HeldItem = z.object({
  kind: z.literal('held'),
  conversation: Conversation,
  guard_turns: z.number(),
  guard_speaker: z.string().nullable(),
  guard_window: z.string(),
  held_at: Time,
  held_messages: z.number(),
  held_by: z.string().regex(/^(?:turns|hour|pair) \d+~?(?: .+)?$/, 'is no hold of the storm guard'),
});
/**
 * A pairing without what we send: two copies must not speak with one token. Paired again it goes on where it stood. Numbers
 * are of events in this export: what is done with up to the third event of the export is done with up to 3.
 */
const PairingItem = z.object({
  kind: z.literal('pairing'),
  row: z.object({
    id,
    remote_network_id: id,
    remote_network_name: z.string().nullable(),
    remote_base_url: z.string().nullable(),
    token_hash: id,
    link: z.boolean(),
    created_at: z.string(),
  }),
});
const Ordinal = z.number().int().nonnegative();
/** Before the events: relay to it has begun. After them: how far it has come. */
const RelayBeginItem = z.object({ kind: z.literal('relay'), pairing_id: id });
const RelayedItem = z.object({
  kind: z.literal('relayed'),
  pairing_id: id,
  settled: Ordinal,
  positions: z.array(z.object({ conversation: Conversation, acked: Ordinal })),
});
const ShareItem = z.object({ kind: z.literal('share'), room_id: id, pairing_id: id, since: Ordinal });
const End = z.object({ kind: z.literal('end'), events: z.number().int() });

const Item = z.discriminatedUnion('kind', [
  Head,
  RoomItem,
  AgentItem,
  EventItem,
  MembersItem,
  HeldItem,
  InviteItem,
  PauseItem,
  MetaItem,
  PairingItem,
  RelayBeginItem,
  RelayedItem,
  ShareItem,
  End,
]);
export type Item = z.infer<typeof Item>;
export type HeadItem = z.infer<typeof Head>;
export type EventItem = z.infer<typeof EventItem>;

/** One line of an export. Throws MoltnetError `bad_request` that names the line. */
export function parseItem(line: string, number: number): Item {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new MoltnetError(
      'bad_request',
      `line ${number} is not JSON: ${JSON.stringify(line.slice(0, 60))}. Is the file whole?`,
    );
  }
  const parsed = Item.safeParse(value);
  const issue = parsed.success ? eventIssue(parsed.data) : parsed.error.issues[0]!;
  if (parsed.success && !issue) return parsed.data;
  const { path, message } = issue!;
  const what = number === 1 ? 'this is no export of moltnet' : `line ${number} is not as an export has it`;
  throw new MoltnetError('bad_request', `${what}: ${path.join('.') || 'the line'}: ${message}`);
}

/** What is wrong with an event as a whole; undefined for nothing. */
function eventIssue(item: Item): { path: PropertyKey[]; message: string } | undefined {
  if (item.kind !== 'event') return undefined;
  const { type, message, conversation, payload } = item;
  if ((type === 'message.created') !== (message !== undefined))
    return { path: ['message'], message: 'stands beside each message.created and nothing else' };
  const misplaced = placeIssue(item);
  if (misplaced) return misplaced;
  if (!message) return undefined;
  if (conversation === undefined) return { path: ['conversation'], message: 'a message is in one' };
  const said = Said.safeParse(payload);
  const issue = said.error?.issues[0];
  if (issue) return { path: ['payload', ...issue.path], message: issue.message };
  const { kind, id: of } = parseConversation(conversation);
  const { target } = said.data!;
  if (target.kind !== kind || target[`${kind}_id`] !== of)
    return { path: ['payload', 'target'], message: `is not ${conversation}` };
  return undefined;
}

/** Who may read it follows from the room or the DM, and where it is shown from the conversation: they say the same. */
function placeIssue({ conversation, room_id, dm_id, participants }: EventItem) {
  if (room_id !== undefined && dm_id !== undefined)
    return { path: ['dm_id'], message: 'an event is of a room or of a DM' };
  if (dm_id !== undefined && !participants?.length)
    return { path: ['participants'], message: 'a DM has some' };
  if (conversation === undefined) return undefined;
  const { kind, id: of } = parseConversation(conversation);
  const [key, own] = kind === 'dm' ? (['dm_id', dm_id] as const) : (['room_id', room_id] as const);
  const agrees = kind === 'thread' ? own !== undefined : own === of;
  return agrees ? undefined : { path: [key], message: `does not agree with ${conversation}` };
}
