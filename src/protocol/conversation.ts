/**
 * A conversation is a room, a thread or a DM: the unit of order, of delivery positions, of the storm guard and of
 * runtime sessions. Written as one key: `room:<id>`, `thread:<id>`, `dm:<id>`. No dependencies, no I/O.
 */
import { MoltnetError } from './errors.ts';
import { isId } from './ids.ts';

export type ConversationKind = 'room' | 'thread' | 'dm';
export type ConversationKey = `${ConversationKind}:${string}`;

export function conversationKey(kind: ConversationKind, id: string): ConversationKey {
  return `${kind}:${id}`;
}

/** Splits a key; throws `invalid_target` when it is none. */
export function parseConversation(key: string): { kind: ConversationKind; id: string } {
  const colon = key.indexOf(':');
  const kind = key.slice(0, colon);
  const id = key.slice(colon + 1);
  if ((kind === 'room' || kind === 'thread' || kind === 'dm') && isId(id)) return { kind, id };
  throw new MoltnetError(
    'invalid_target',
    `not a conversation: ${JSON.stringify(key.slice(0, 160))} (use room:ID, thread:ID or dm:ID)`,
  );
}

/** The conversation a message belongs to. */
export function conversationOf(target: {
  kind: string;
  room_id?: string;
  thread_id?: string;
  dm_id?: string;
}): ConversationKey {
  if (target.kind === 'thread') return conversationKey('thread', target.thread_id ?? '');
  if (target.kind === 'dm') return conversationKey('dm', target.dm_id ?? '');
  return conversationKey('room', target.room_id ?? '');
}
