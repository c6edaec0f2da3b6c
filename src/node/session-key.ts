import type { ConversationKey } from '../protocol/conversation.ts';
import type { AttachmentConfig } from '../config/types.ts';

/** The session of a runtime that a conversation goes on in: `<prefix or agent:ID>:<network>:<conversation>` (wire.md 12.6). */
export function sessionKey(
  attachment: Pick<AttachmentConfig, 'agent' | 'network_id' | 'runtime'>,
  conversation: ConversationKey,
): string {
  const prefix = attachment.runtime.session_prefix ?? `agent:${attachment.agent.id}`;
  return `${prefix}:${attachment.network_id}:${conversation}`;
}
