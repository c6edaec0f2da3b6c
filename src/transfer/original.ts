/**
 * A database of the original (wire.md 15.1), read as the items of an export: rooms, agents with their credentials,
 * threads, DMs and messages. Nothing of it is changed.
 */
import { randomUUID } from 'node:crypto';
import { FIRST_ROOM } from '../network/declaration.ts';
import { conversationKey, type ConversationKey } from '../protocol/conversation.ts';
import { MoltnetError } from '../protocol/errors.ts';
import {
  canonicalMemberId,
  fqid,
  isLocalAgentId,
  isNetworkId,
  memberFqid,
  messageEventId,
  newEventId,
  uuidV5,
} from '../protocol/ids.ts';
import { EXPORT_KIND, EXPORT_VERSION, type EventItem, type Item } from './items.ts';

/** A value as a driver gives it: JSON as text or parsed, a time as RFC 3339 text. */
export type OriginalRow = Record<string, unknown>;
export interface OriginalDatabase {
  /** Rows of one of QUERIES, in its order. */
  rows(query: OriginalQuery): AsyncIterable<OriginalRow>;
}
/** What is read; the engines order times in their own way. Messages: by time, then by id. */
export type OriginalQuery = 'rooms' | 'members' | 'agents' | 'threads' | 'dms' | 'messages';

export interface OriginalOptions {
  now: string;
  /** Told what is not taken, and why. */
  note: (text: string) => void;
}

interface Dm {
  participants: string[];
}
interface Thread {
  room_id: string;
  parent_message_id: string;
}

/** Throws MoltnetError `bad_request` when it is no such database, or one of several networks. */
export async function* originalItems(
  source: OriginalDatabase,
  { now, note }: OriginalOptions,
): AsyncGenerator<Item> {
  const rooms = await all(source, 'rooms');
  const agents = await all(source, 'agents');
  const threads = new Map<string, Thread>();
  for await (const row of source.rows('threads'))
    threads.set(text(row, 'id'), {
      room_id: text(row, 'room_id'),
      parent_message_id: text(row, 'parent_message_id'),
    });
  let count = 0;
  let last: OriginalRow | undefined;
  let network: string | undefined;
  for await (const row of source.rows('messages')) {
    count++;
    last = row;
    network ??= text(row, 'network_id');
  }
  const networks = new Set([...rooms, ...agents].map((row) => text(row, 'network_id')));
  if (network !== undefined) networks.add(network);
  const [id, ...others] = networks;
  if (id === undefined || others.length > 0 || !isNetworkId(id))
    throw new MoltnetError(
      'bad_request',
      id === undefined
        ? 'this database of the original is empty'
        : `this database is not of one network: ${[...networks].join(', ')}`,
    );

  yield {
    kind: EXPORT_KIND,
    version: EXPORT_VERSION,
    // The same database is the same export, also when it is read again to go on.
    id: `original:${uuidV5(JSON.stringify([id, count, last?.['id'], rooms.length, agents.length]))}`,
    network_id: id,
    exported_at: now,
    head: count,
  };
  for (const row of rooms) yield roomItem(row);
  for (const row of agents) {
    const agent = text(row, 'agent_id');
    if (isLocalAgentId(agent)) yield agentItem(row);
    else
      note(
        `agent ${agent} is not taken: its id looks like one of another network, and could be used to speak as that`,
      );
  }

  const dms = new Map<string, Dm>();
  for await (const row of source.rows('dms')) {
    const dm = text(row, 'dm_id');
    const participant = canonical(text(row, 'participant_id'), id);
    const known = dms.get(dm) ?? { participants: [] };
    if (!known.participants.includes(participant)) known.participants.push(participant);
    dms.set(dm, known);
  }
  for (const { participants } of dms.values()) participants.sort();

  const begun = new Set<ConversationKey>();
  let events = 0;
  for await (const row of source.rows('messages')) {
    for (const item of messageItems(row, { id, threads, dms, begun, note })) {
      events++;
      yield item;
    }
  }

  const members = new Map<string, Set<string>>();
  for await (const row of source.rows('members')) {
    const room = text(row, 'room_id');
    members.set(room, (members.get(room) ?? new Set()).add(canonical(text(row, 'member_id'), id)));
  }
  const live = new Set(rooms.filter((row) => row['deleted_at'] == null).map((row) => text(row, 'id')));
  for (const [room_id, ids] of members)
    if (live.has(room_id)) yield { kind: 'members', room_id, members: [...ids].sort() };
  yield { kind: 'meta', key: FIRST_ROOM, value: now };
  yield { kind: 'end', events };
}

const roomItem = (row: OriginalRow): Item => ({
  kind: 'room',
  row: {
    id: text(row, 'id'),
    name: text(row, 'name'),
    visibility: text(row, 'visibility'),
    write_policy: text(row, 'write_policy'),
    guard: '{}',
    created_at: text(row, 'created_at'),
    removed_at: row['deleted_at'] == null ? null : text(row, 'deleted_at'),
    credential_hash: null,
  },
});

const agentItem = (row: OriginalRow): Item => ({
  kind: 'agent',
  row: {
    id: text(row, 'agent_id'),
    actor_uid: text(row, 'actor_uid'),
    display_name:
      row['display_name'] == null || row['display_name'] === '' ? null : text(row, 'display_name'),
    credential_key: text(row, 'credential_key'),
    created_at: text(row, 'created_at'),
    updated_at: text(row, 'updated_at'),
    removed_at: null,
    claim_key_hash: null,
  },
});

interface Known {
  id: string;
  threads: ReadonlyMap<string, Thread>;
  dms: ReadonlyMap<string, Dm>;
  begun: Set<ConversationKey>;
  note: (text: string) => void;
}

/** A message, and before the first of a thread or DM its beginning. */
function* messageItems(
  row: OriginalRow,
  { id: network, threads, dms, begun, note }: Known,
): Generator<EventItem> {
  const id = text(row, 'id');
  const kind = text(row, 'target_kind');
  const created_at = text(row, 'created_at');
  const thread = kind === 'thread' ? threads.get(text(row, 'thread_id')) : undefined;
  const dm = kind === 'dm' ? dms.get(text(row, 'dm_id')) : undefined;
  if ((kind === 'thread' && !thread) || (kind === 'dm' && !dm) || !['room', 'thread', 'dm'].includes(kind)) {
    note(`message ${id} is not taken: its ${kind} is not in the database`);
    return;
  }
  const within = text(row, kind === 'thread' ? 'thread_id' : kind === 'dm' ? 'dm_id' : 'room_id');
  const conversation = conversationKey(kind as 'room' | 'thread' | 'dm', within);
  // The thread's own room, whatever the message says (W17).
  const room_id = kind === 'room' ? within : thread?.room_id;
  const place = {
    conversation,
    created_at,
    ...(room_id !== undefined && { room_id }),
    ...(dm && { dm_id: within, participants: dm.participants }),
  };
  if (kind !== 'room' && !begun.has(conversation)) {
    begun.add(conversation);
    const common = { network_id: network, message_count: 1, last_message_at: created_at };
    const payload = thread
      ? {
          id: within,
          fqid: fqid(network, 'threads', within),
          room_id: thread.room_id,
          ...(thread.parent_message_id !== '' && { parent_message_id: thread.parent_message_id }),
          ...common,
        }
      : { id: within, fqid: fqid(network, 'dms', within), participant_ids: dm!.participants, ...common };
    yield {
      kind: 'event',
      id: newEventId(),
      type: thread ? 'thread.created' : 'dm.created',
      ...place,
      payload,
    };
  }
  const from = json<Record<string, string>>(row['from_json']) ?? {};
  const origin = json<{ network_id?: string; message_id?: string }>(row['origin_json']) ?? {};
  const mentions = json<string[]>(row['mentions_json']) ?? [];
  const origin_network = origin.network_id || network;
  const origin_id = origin.message_id || id;
  yield {
    kind: 'event',
    id: messageEventId(id),
    type: 'message.created',
    ...place,
    payload: {
      id,
      network_id: text(row, 'network_id'),
      origin: { network_id: origin_network, message_id: origin_id },
      target: json(row['target_json']) ?? { kind, [`${kind}_id`]: within },
      from,
      parts: json(row['parts_json']) ?? [],
      ...(mentions.length > 0 && { mentions }),
      created_at,
    },
    message: {
      origin_network,
      origin_id,
      // What was asked for at first is not known: the id is taken, for whatever content.
      content_hash: null,
      sender: from['fqid'] || memberFqid(canonical(from['id'] ?? randomUUID(), network), network),
    },
  };
}

async function all(source: OriginalDatabase, query: OriginalQuery): Promise<OriginalRow[]> {
  const rows: OriginalRow[] = [];
  for await (const row of source.rows(query)) rows.push(row);
  return rows;
}

const text = (row: OriginalRow, column: string): string => String(row[column] ?? '');

function json<T>(value: unknown): T | undefined {
  if (typeof value !== 'string') return (value ?? undefined) as T | undefined;
  return value === '' ? undefined : ((JSON.parse(value) ?? undefined) as T | undefined);
}

/** The form in which ids of members are kept here; what is no id stays as it is. */
function canonical(member: string, network: string): string {
  try {
    return canonicalMemberId(member, network);
  } catch {
    return member;
  }
}
