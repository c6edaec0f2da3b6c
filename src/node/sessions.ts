/** The sessions of a runtime, by the conversations that they belong to. */
import type { AttachmentConfig } from '../config/types.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Runtime, SessionInfo } from '../runtimes/runtime.ts';
import { sessionKey } from './session-key.ts';

export type NodeSession = Omit<SessionInfo, 'session_key'> & {
  conversation: string;
  /** A turn runs in it. */
  running: boolean;
};

/** Newest first. Of a runtime that keeps none that could be listed: none. */
export async function listSessions(
  config: AttachmentConfig,
  runtime: Runtime,
  running: ReadonlySet<string>,
): Promise<NodeSession[]> {
  const prefix = sessionKey(config, '' as ConversationKey);
  const list = (await runtime.sessions?.list()) ?? [];
  return list
    .filter(({ session_key }) => session_key.startsWith(prefix))
    .map(({ session_key, ...session }) => ({
      conversation: session_key.slice(prefix.length),
      ...session,
      running: running.has(session_key),
    }))
    .sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
}

/** False when there is none. Throws while a turn runs in it, and for a runtime that keeps no sessions. */
export async function resetSession(
  config: AttachmentConfig,
  runtime: Runtime,
  running: ReadonlySet<string>,
  conversation: string,
): Promise<boolean> {
  const key = sessionKey(config, conversation as ConversationKey);
  if (running.has(key)) throw new Error(`a turn runs in ${conversation}; reset it when that is over`);
  if (!runtime.sessions) throw new Error(`${config.runtime.kind} keeps no sessions that can be reset`);
  return runtime.sessions.reset(key);
}
