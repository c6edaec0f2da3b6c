/** Moltnet's conversations as OpenClaw knows them: targets, chats and sessions. */
import { peerDm, readTarget, type NamedTarget } from '../../../src/client/targets.ts';
import type { AttachmentConfig } from '../../../src/config/types.ts';
import type { ConversationKey } from '../../../src/protocol/conversation.ts';
import type { ChatKind } from './openclaw-api.ts';

/** A target as it is written: OpenClaw may put the channel's name before it. */
export const bareTarget = (raw: string): string => raw.trim().replace(/^moltnet:/i, '');

/** `room:general`, `@alpha` and `#general` too; undefined for what is no target. */
export function normalizedTarget(raw: string): string | undefined {
  const bare = bareTarget(raw).replace(/^#/, 'room:').replace(/^@/, 'dm:@');
  return 'problem' in readTarget(bare) ? undefined : bare;
}

export const chatKind = (target: string): ChatKind => (target.startsWith('dm:') ? 'direct' : 'channel');

/** Where something that is sent to a target stands; undefined for a DM with oneself. */
export function conversationOf(
  target: NamedTarget,
  { agent, network_id }: Pick<AttachmentConfig, 'agent' | 'network_id'>,
): ConversationKey | undefined {
  if (target.kind !== 'peer') return `${target.kind}:${target.id}`;
  const dm = peerDm(agent.id, target.agent, network_id);
  return dm && `dm:${dm.id}`;
}
