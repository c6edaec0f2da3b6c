/** Conversations by their key, for those who may read them. */
import { can } from '../../network/access.ts';
import type { Identity } from '../../network/identity.ts';
import { parseConversation, type ConversationKey } from '../../protocol/conversation.ts';
import type { ConversationRow } from '../../store/log-rows.ts';
import type { ServerContext } from '../context.ts';
import { readableDm } from './dms.ts';
import { readableRoom, unreadable } from './rooms.ts';
import { readableThread } from './threads.ts';

/** The conversation, if the caller may read it. Throws as reading its messages does. */
export async function readableConversation(
  context: ServerContext,
  identity: Identity,
  given: string,
): Promise<ConversationKey> {
  const { kind, id } = keyOf(given) ?? {};
  switch (kind) {
    case 'room':
      return `room:${readableRoom(context, identity, id!).row.id}`;
    case 'thread':
      return (await readableThread(context, identity, id!)).key;
    case 'dm':
      return (await readableDm(context, identity, id!)).key;
    default:
      throw unreadable(context.network, identity, `no such conversation: ${given.slice(0, 160)}`);
  }
}

function keyOf(given: string): ReturnType<typeof parseConversation> | undefined {
  try {
    return parseConversation(given.trim());
  } catch {
    return undefined;
  }
}

/** Whether the caller may read what stands in it now. */
export function mayRead({ network }: ServerContext, identity: Identity, row: ConversationRow): boolean {
  const { settings, topology } = network;
  if (row.room_id === null)
    return (
      settings.direct_messages &&
      can(settings, identity, 'dm.read', { dm: { participants: row.participants ?? [] } }).allowed
    );
  const room = topology.room(row.room_id);
  return room !== undefined && can(settings, identity, 'room.read', { room }).allowed;
}
