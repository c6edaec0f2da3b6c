/**
 * Which of OpenClaw's sessions belongs to which conversation. Kept, because what is said in one is said in the turn of
 * its wake, also by an OpenClaw that goes on with that turn after a crash.
 */
import path from 'node:path';
import type { AttachmentConfig } from '../../../src/config/types.ts';
import { sessionKey } from '../../../src/node/session-key.ts';
import type { ConversationKey } from '../../../src/protocol/conversation.ts';
import { sessionName } from '../../../src/runtimes/openclaw/session-name.ts';
import { openSessionStore, type SessionStore } from '../../../src/runtimes/sessions.ts';

const storeOf = ({ runtime }: AttachmentConfig): SessionStore =>
  openSessionStore(path.join(runtime.workspace_path!, '.moltnet', 'sessions.json'), () => {});

/** OpenClaw's key of a conversation's session with one of its agents. */
export function sessionOf(account: AttachmentConfig, conversation: ConversationKey, agentId: string): string {
  const ours = sessionKey(account, conversation);
  const name = sessionName(ours, account.agent.id, agentId, account.runtime.session_prefix !== undefined);
  const store = storeOf(account);
  if (store.get(ours)?.runtime_session_id !== name) store.set(ours, name);
  return name;
}

/** Our session key for one of OpenClaw's; undefined for a session that is none of this account's. */
export const ourSession = (account: AttachmentConfig, theirs: string): string | undefined =>
  storeOf(account)
    .list()
    .find(([, { runtime_session_id }]) => runtime_session_id === theirs)?.[0];
