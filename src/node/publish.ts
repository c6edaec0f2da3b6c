/**
 * `publish: final`: what an agent says last in a turn is posted for it, for runtimes that cannot run commands
 * (NODE-60). The id is the one that its own first send would have had, so that a repeated turn says nothing twice.
 */
import { RefusedError, type Client } from '../client/http.ts';
import { wakeMessageId } from '../protocol/ids.ts';
import type { AttachmentConfig } from '../config/types.ts';
import { parseConversation } from '../protocol/conversation.ts';
import { limits } from '../protocol/limits.ts';
import { backoffMs, pause } from './backoff.ts';
import type { RunningWake } from './wake.ts';

/** The word by which an agent says that it has nothing to say. */
export const NOTHING = 'NOTHING';
/** Tries to reach the server. The turn is done, so it is not run again for this. */
const TRIES = 8;

export type Published =
  | { state: 'posted'; message_id: string }
  /** It has said something there itself, now or in an earlier attempt. */
  | { state: 'spoken' }
  | { state: 'nothing' }
  | { state: 'failed'; reason: string };

export async function publishFinal(
  client: () => Client,
  { agent, network_id }: Pick<AttachmentConfig, 'agent' | 'network_id'>,
  wake: RunningWake,
  finalText: string,
  signal: AbortSignal,
): Promise<Published> {
  const text = postable(finalText);
  if (text === '' || text.replace(/[.!]$/, '').toUpperCase() === NOTHING) return { state: 'nothing' };
  const message_id = wakeMessageId(wake.wake_id, wake.conversation, 0);
  for (let attempt = 1; ; attempt++) {
    try {
      if (await hasSpoken(client(), agent.id, network_id, wake)) return { state: 'spoken' };
      await client().send({
        id: message_id,
        target: targetOf(wake),
        from: { type: 'agent', ...agent },
        parts: [{ kind: 'text', text }],
      });
      return { state: 'posted', message_id };
    } catch (error) {
      const refused = error instanceof RefusedError ? error : undefined;
      // An earlier attempt has said something else.
      if (refused && (refused.wire_code || refused.code) === 'message_id_conflict')
        return { state: 'spoken' };
      const passing = !refused || refused.status >= 500 || refused.status === 429;
      if (!passing || attempt === TRIES || signal.aborted)
        return { state: 'failed', reason: error instanceof Error ? error.message : String(error) };
      const asked = Math.min(refused?.retry_after ?? 0, 60) * 1_000;
      await pause(Math.max(asked, backoffMs(attempt, { first: 500, max: 15_000 })), signal);
    }
  }
}

/** Whether the conversation has a message of the agent behind those that woke it. */
async function hasSpoken(
  client: Client,
  agentId: string,
  networkId: string,
  wake: RunningWake,
): Promise<boolean> {
  const page = await client.messages(wake.conversation, { limit: 100 }).catch((error: unknown) => {
    // The existing server shows DMs to observers only. The id still keeps it from being said twice.
    if (error instanceof RefusedError && error.status < 500 && error.status !== 429) return undefined;
    throw error;
  });
  if (!page) return false;
  const woke = new Set(wake.entries.map(({ message }) => message.id));
  const behind = page.messages.slice(page.messages.findLastIndex(({ id }) => woke.has(id)) + 1);
  const mine = ({ id, network_id }: { id: string; network_id?: string | undefined }): boolean =>
    id === agentId && (!network_id || network_id === networkId);
  return !wake.bootstrap && behind.some(({ from }) => from.type === 'agent' && mine(from));
}

function targetOf(wake: RunningWake): Parameters<Client['send']>[0]['target'] {
  const target = wake.entries.at(-1)?.message.target;
  if (!target) return { kind: 'room', room_id: parseConversation(wake.conversation).id };
  const { kind, room_id, thread_id, dm_id, participant_ids } = target;
  return {
    kind,
    ...(room_id ? { room_id } : {}),
    ...(thread_id ? { thread_id } : {}),
    ...(dm_id ? { dm_id } : {}),
    ...(kind === 'dm' && participant_ids ? { participant_ids } : {}),
  };
}

/** As a message may hold it; what is too long is cut, and says so. */
function postable(text: string): string {
  const clean = text.replaceAll('\0', '').toWellFormed().trim();
  const max: number = limits.text.value;
  const bytes = Buffer.byteLength(clean);
  if (bytes <= max) return clean;
  const note = `\n\n(cut: the whole text has ${bytes} bytes)`;
  const start = Buffer.from(clean).subarray(0, max - Buffer.byteLength(note));
  return `${new TextDecoder().decode(start, { stream: true })}${note}`;
}
