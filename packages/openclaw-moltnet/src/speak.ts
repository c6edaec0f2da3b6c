/** What an agent of OpenClaw's says and reads in the network, by HTTP. */
import {
  ConnectionError,
  createClient,
  RefusedError,
  type Client,
  type SendRequest,
} from '../../../src/client/http.ts';
import { readTarget, TARGET_FORMS, type NamedTarget } from '../../../src/client/targets.ts';
import { resolveToken } from '../../../src/config/tokens.ts';
import type { AttachmentConfig } from '../../../src/config/types.ts';
import { takeSend, wakeEnded, wakeFolder, wakeOfTurn } from '../../../src/config/wake-folder.ts';
import { backoffMs, pause } from '../../../src/node/backoff.ts';
import { historyText } from '../../../src/node/wake-text.ts';
import { newMessageId, uuidV5 } from '../../../src/protocol/ids.ts';
import { bareTarget, conversationOf } from './conversations.ts';

/** Tries to send: about ten seconds. */
const TRIES = 6;
const TIMEOUT_MS = 10_000;
const READ_LIMIT = 20;

export interface Said {
  message_id: string;
  conversation: string;
}

/** Throws an Error whose message says what to write instead. */
function targetOf(raw: string): NamedTarget {
  const target = readTarget(bareTarget(raw));
  if ('problem' in target) throw new Error(`${target.problem}: ${TARGET_FORMS}`);
  return target;
}

async function withClient<T>(account: AttachmentConfig, use: (client: Client) => Promise<T>): Promise<T> {
  const token = resolveToken(account.auth);
  const client = createClient({
    baseUrl: account.base_url,
    otherUrls: account.other_urls ?? [],
    networkId: account.network_id,
    timeoutMs: TIMEOUT_MS,
    ...(token === undefined ? {} : { token }),
  });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** A thread's room and a DM's participants, which servers of the original want; what cannot be asked is left to the server. */
async function placed(
  client: Client,
  target: NamedTarget,
  account: AttachmentConfig,
): Promise<SendRequest['target']> {
  switch (target.kind) {
    case 'room':
      return { kind: 'room', room_id: target.id };
    case 'thread': {
      const thread = await client.thread(target.id).catch(() => undefined);
      return { kind: 'thread', thread_id: target.id, ...(thread && { room_id: thread.room_id }) };
    }
    case 'dm': {
      const dm = await client.dm(target.id).catch(() => undefined);
      return { kind: 'dm', dm_id: target.id, ...(dm && { participant_ids: dm.participant_ids }) };
    }
    default: {
      const conversation = conversationOf(target, account);
      if (conversation === undefined) throw new Error('a DM needs another participant than yourself');
      return {
        kind: 'dm',
        dm_id: conversation.slice('dm:'.length),
        participant_ids: [account.agent.id, target.agent],
      };
    }
  }
}

/**
 * Posts a text, once, whatever breaks off in between: `key` is the same for every try of it. Within a turn of ours
 * (`session`: our key of its session) the id is made of the wake, so that a turn which is run again says nothing twice.
 * Throws an Error with one sentence for the agent.
 */
export async function say(
  account: AttachmentConfig,
  to: string,
  text: string,
  { key, session }: { key?: string | undefined; session?: string | undefined },
): Promise<Said> {
  const target = targetOf(to);
  const conversation = conversationOf(target, account);
  if (conversation === undefined) throw new Error('a DM needs another participant than yourself');
  if (text.trim() === '') throw new Error('the text is empty: nothing was sent');
  return withClient(account, async (client) => {
    const derived = session === undefined ? undefined : idOfWake(account, session, conversation, text);
    const request: SendRequest & { id: string } = {
      id: derived ?? (key === undefined ? newMessageId() : idOfKey(account, conversation, key)),
      target: await placed(client, target, account),
      from: { type: 'agent', ...account.agent },
      parts: [{ kind: 'text', text }],
    };
    for (let tries = 1; ; tries++)
      try {
        const { message_id } = await client.send(request);
        return { message_id, conversation };
      } catch (error) {
        const refused = error instanceof RefusedError ? error : undefined;
        const passing = refused ? refused.retry : error instanceof ConnectionError;
        const asked = (refused?.retry_after ?? 0) * 1_000;
        if (passing && tries < TRIES && asked < TIMEOUT_MS) {
          await pause(
            Math.max(asked, backoffMs(tries, { first: 250, max: 4_000 })),
            new AbortController().signal,
          );
          continue;
        }
        if (refused && (refused.wire_code || refused.code) === 'message_id_conflict')
          throw new Error(
            `${derived === undefined ? 'an earlier send with this key' : 'an earlier attempt of this turn'} has said something else there already; this was not sent: read what it said`,
            { cause: error },
          );
        throw new Error(`not sent: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
  });
}

/** Keys are OpenClaw's, or its agent's: another agent of the network may choose the same. */
const idOfKey = ({ network_id, agent }: AttachmentConfig, conversation: string, key: string): string =>
  `msg_${uuidV5(['openclaw', network_id, agent.id, conversation, key].join('\n'))}`;

/** The id of what is said in a turn that is not over; undefined outside of one. */
function idOfWake(
  { runtime }: AttachmentConfig,
  session: string,
  conversation: string,
  text: string,
): string | undefined {
  const folder = wakeFolder(runtime.workspace_path!, session);
  const wake = wakeOfTurn(folder);
  return wake && !wakeEnded(folder) ? takeSend(folder, wake, conversation, text) : undefined;
}

/** The newest messages of a conversation, as the text of a wake shows them. Throws an Error with one sentence. */
export async function read(account: AttachmentConfig, from: string, limit = READ_LIMIT): Promise<string> {
  const conversation = conversationOf(targetOf(from), account);
  if (conversation === undefined) throw new Error('a DM needs another participant than yourself');
  const { messages } = await withClient(account, (client) => client.messages(conversation, { limit }));
  return messages.length === 0 ? '(nothing was said there yet)' : historyText(messages, account.network_id);
}
