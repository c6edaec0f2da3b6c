import type { ConversationKey } from '../../../src/protocol/conversation.ts';
import type { Target } from '../../../src/protocol/messages.ts';

export type { ConversationKey };

export const roomKey = (id: string): ConversationKey => `room:${id}`;
export const threadKey = (id: string): ConversationKey => `thread:${id}`;

/** The conversation a message belongs to. */
export function conversationOf(target: Target): ConversationKey {
  if (target.kind === 'thread') return threadKey(target.thread_id ?? '');
  if (target.kind === 'dm') return `dm:${target.dm_id ?? ''}`;
  return roomKey(target.room_id ?? '');
}

/** `room:general` → `{kind: 'room', id: 'general'}`. */
export function splitKey(key: string): { kind: string; id: string } {
  const colon = key.indexOf(':');
  return { kind: key.slice(0, colon), id: key.slice(colon + 1) };
}
