/**
 * Writes on their way to the storage thread, as one flat list: a structured clone writes and reads the name of every
 * field of every object, which costs more than the values do. What comes with each message is packed; other rows go as
 * they are.
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { EventWrite, RowWrite, Writes } from './writes.ts';

/** Counts and fields, in the order in which `unpack` takes them. */
export type PackedWrites = unknown[];

export function pack(writes: readonly Writes[]): PackedWrites {
  const to: PackedWrites = [];
  for (const { events, rows } of writes) {
    to.push(events.length, rows.length);
    for (const event of events) {
      to.push(
        event.id,
        event.type,
        event.created_at,
        event.conversation,
        event.room_id,
        event.dm_id,
        event.participants,
        event.agent_id,
        event.held,
        event.payload,
        event.rows.length,
      );
      for (const row of event.rows) packRow(to, row);
    }
    for (const row of rows) packRow(to, row);
  }
  return to;
}

export function unpack(packed: PackedWrites): Writes[] {
  let at = 0;
  // The fields come back as the types that they were packed from.
  const next = <T>(): T => packed[at++] as T;
  const writes: Writes[] = [];
  while (at < packed.length) {
    const events = next<number>();
    const rows = next<number>();
    writes.push({ events: times(events, () => unpackEvent(next)), rows: times(rows, () => unpackRow(next)) });
  }
  return writes;
}

type Next = <T>() => T;
type RowOf<Op extends RowWrite['op']> = Extract<RowWrite, { op: Op }>;

function unpackEvent(next: Next): EventWrite {
  const event = {
    id: next<string>(),
    type: next<string>(),
    created_at: next<string>(),
    conversation: next<ConversationKey | undefined>(),
    room_id: next<string | undefined>(),
    dm_id: next<string | undefined>(),
    participants: next<string[] | undefined>(),
    agent_id: next<string | undefined>(),
    held: next<boolean>(),
    payload: next<string>(),
    rows: times(next<number>(), () => unpackRow(next)),
  };
  // A field that is undefined counts as absent where these are written.
  return event as EventWrite;
}

function packRow(to: PackedWrites, write: RowWrite): void {
  switch (write.op) {
    case 'message': {
      const { id, origin_network, origin_id, content_hash, conversation, room_id, sender } = write;
      to.push('message', id, origin_network, origin_id, content_hash, conversation, room_id, sender);
      return;
    }
    case 'conversation': {
      const { row, messages } = write;
      to.push(
        'conversation',
        messages,
        row.key,
        row.kind,
        row.id,
        row.room_id,
        row.parent_message_id,
        row.last_message_at,
        row.guard_turns,
        row.guard_speaker,
        row.held_at,
        row.held_seq,
        row.held_messages,
        row.guard_window,
        row.held_by,
      );
      return;
    }
    case 'pair': {
      const { pair, speaker, at, turns } = write.row;
      to.push('pair', pair, speaker, at, turns);
      return;
    }
    default:
      to.push(write);
  }
}

function unpackRow(next: Next): RowWrite {
  const first = next<RowWrite | 'message' | 'conversation' | 'pair'>();
  if (first === 'message')
    return {
      op: 'message',
      id: next(),
      origin_network: next(),
      origin_id: next(),
      content_hash: next(),
      conversation: next(),
      room_id: next(),
      sender: next(),
    };
  if (first === 'conversation')
    return {
      op: 'conversation',
      messages: next(),
      row: {
        key: next(),
        kind: next(),
        id: next(),
        room_id: next(),
        parent_message_id: next(),
        last_message_at: next(),
        guard_turns: next(),
        guard_speaker: next(),
        held_at: next(),
        held_seq: next(),
        held_messages: next(),
        guard_window: next(),
        held_by: next(),
      } satisfies RowOf<'conversation'>['row'],
    };
  if (first === 'pair')
    return { op: 'pair', row: { pair: next(), speaker: next(), at: next(), turns: next() } };
  return first;
}

function times<T>(count: number, make: () => T): T[] {
  const all: T[] = [];
  for (let i = 0; i < count; i++) all.push(make());
  return all;
}
