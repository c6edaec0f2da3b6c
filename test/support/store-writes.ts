/** Short ways to write the plain data that a store takes, for tests of stores. Times are fixed: order is `seq`. */
import type { ConversationKey } from '../../src/protocol/conversation.ts';
import { parseConversation } from '../../src/protocol/conversation.ts';
import type { WakeRow } from '../../src/store/delivery-rows.ts';
import type { ConversationRow } from '../../src/store/log-rows.ts';
import type { AgentRow } from '../../src/store/topology-rows.ts';
import type { EventWrite, RowWrite, Writes } from '../../src/store/writes.ts';

export const AT = '2026-11-21T10:00:00.000Z';

/** One Writes of events, or of rows alone. */
export const writesOf = (...events: EventWrite[]): Writes => ({ events, rows: [] });
export const rowsOf = (...rows: RowWrite[]): Writes => ({ events: [], rows });

export function eventOf(id: string, rest: Partial<EventWrite> = {}): EventWrite {
  return {
    id,
    type: 'room.updated',
    created_at: AT,
    payload: `{"about":"${id}"}`,
    held: false,
    rows: [],
    ...rest,
  };
}

export const roomRow = (id: string): RowWrite & { op: 'room' } => ({
  op: 'room',
  row: {
    id,
    name: id,
    visibility: 'public',
    write_policy: 'members',
    guard: '{}',
    created_at: AT,
    removed_at: null,
    credential_hash: null,
  },
});
/** room.created with its row. */
export const roomOf = (id: string, ...rows: RowWrite[]): EventWrite =>
  eventOf(`evt_room_${id}`, { type: 'room.created', room_id: id, rows: [roomRow(id), ...rows] });

export const agentRow = (id: string, rest: Partial<AgentRow> = {}): AgentRow => ({
  id,
  actor_uid: `actor_${id}`,
  display_name: null,
  credential_key: 'anonymous',
  created_at: AT,
  updated_at: AT,
  removed_at: null,
  claim_key_hash: null,
  ...rest,
});

export type ConversationWrite = RowWrite & { op: 'conversation' };

export function conversationOf(
  key: ConversationKey,
  rest: Partial<ConversationRow> & { messages?: number } = {},
): ConversationWrite {
  const { kind, id } = parseConversation(key);
  const { messages = 1, first_seq: _f, last_seq: _l, participants: _p, message_count: _c, ...given } = rest;
  return {
    op: 'conversation',
    messages,
    row: {
      key,
      kind,
      id,
      room_id: kind === 'room' ? id : null,
      parent_message_id: null,
      last_message_at: AT,
      guard_turns: 0,
      guard_speaker: null,
      held_at: null,
      held_seq: null,
      held_messages: 0,
      guard_window: '',
      held_by: null,
      ...given,
    },
  };
}

export interface MessageOptions {
  /** The network it came into the world on, and its id there. */
  origin?: { network: string; id: string };
  /** Of a thread: its room. */
  room?: string;
  participants?: string[];
  text?: string;
  /** Of the agent that wrote it; default `alpha`. */
  sender?: string;
  at?: string;
  mentions?: string[];
  /** Number of artifacts. */
  artifacts?: number;
  held?: boolean;
  row?: Partial<ConversationRow>;
  content_hash?: string | null;
}

/** message.created in a conversation, with all rows that belong to it. */
export function messageOf(
  id: string,
  conversation: ConversationKey,
  options: MessageOptions = {},
): EventWrite {
  const { kind, id: conversationId } = parseConversation(conversation);
  const room = kind === 'room' ? conversationId : kind === 'thread' ? (options.room ?? 'general') : null;
  const rows: RowWrite[] = [
    {
      op: 'message',
      id,
      origin_network: options.origin?.network ?? 'local',
      origin_id: options.origin?.id ?? id,
      content_hash: options.content_hash === undefined ? `hash of ${id}` : options.content_hash,
      conversation,
      room_id: room,
      sender: `molt://local/agents/${options.sender ?? 'alpha'}`,
    },
    conversationOf(conversation, { room_id: room, ...options.row }),
  ];
  for (const participant of options.participants ?? [])
    rows.push({ op: 'participant', dm_id: conversationId, participant });
  for (const agent_id of options.mentions ?? []) rows.push({ op: 'mention', agent_id, conversation });
  for (let part_index = 0; part_index < (options.artifacts ?? 0); part_index++) {
    const payload = JSON.stringify({
      message_id: id,
      part_index,
      url: options.text ?? 'https://example.org',
    });
    rows.push({
      op: 'artifact',
      id: `art_${id}_${part_index}`,
      message_id: id,
      part_index,
      conversation,
      room_id: room,
      payload,
    });
  }
  return {
    id: `evt_${id}`,
    type: 'message.created',
    created_at: options.at ?? AT,
    payload: JSON.stringify({
      id,
      parts: [
        { kind: 'text', text: options.text ?? `text of ${id}` },
        ...rows.flatMap(({ op }) =>
          op === 'artifact' ? [{ kind: 'file', filename: `report-of-${id}.pdf` }] : [],
        ),
      ],
    }),
    conversation,
    ...(room !== null && { room_id: room }),
    ...(kind === 'dm' && { dm_id: conversationId, participants: options.participants ?? ['alpha', 'beta'] }),
    held: options.held ?? false,
    rows,
  };
}

export const wakeOf = (wake_id: string, rest: Partial<WakeRow> = {}): WakeRow => ({
  wake_id,
  agent_id: 'alpha',
  conversation: 'room:general',
  after_seq: 0,
  last_seq: 1,
  attempt: 1,
  state: 'open',
  error: null,
  opened_at: AT,
  closed_at: null,
  opened_seq: 0,
  outcome: null,
  answer_id: null,
  classification: null,
  passed: null,
  ...rest,
});

/** 0, 1, … n - 1. */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
