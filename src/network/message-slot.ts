/**
 * Under which id a message stands (W37): its own, unless a message of another network has that; then one that is made of
 * its origin. So a message is taken once for (origin network, message id), and no network can take another's ids away.
 */
import { derivedMessageId } from '../protocol/ids.ts';
import type { Message } from '../protocol/messages.ts';
import type { StoredMessage } from '../store/log-rows.ts';
import type { State } from './state.ts';

export interface MessageSlot {
  id: string;
  /** The message itself, when it was taken before. */
  stored: StoredMessage | undefined;
}

export function slotOf(state: State, network: string, message_id: string): MessageSlot {
  const first = state.message(message_id);
  if (first && originNetwork(first) === network) return { id: message_id, stored: first };
  const derived = derivedMessageId(network, message_id);
  const second = state.message(derived);
  if (second) return { id: derived, stored: second };
  return { id: first ? derived : message_id, stored: undefined };
}

const originNetwork = ({ payload }: StoredMessage): string =>
  (JSON.parse(payload) as Pick<Message, 'origin'>).origin.network_id;
