/**
 * What an attachment missed on a server that does not keep it (wire.md 6.7): fetched as history, for each room from the
 * last message that was handled on, and for each thread and DM that has moved since. The first time, it only notes
 * where things stand: nobody is woken for a history before their time.
 */
import { ConnectionError, everyItem, RefusedError, type Client } from '../client/http.ts';
import { conversationKey, type ConversationKey } from '../protocol/conversation.ts';
import type { Message } from '../protocol/messages.ts';
import { parseMemberId } from '../protocol/ids.ts';
import type { Bindings, WakeAgent } from '../protocol/wake.ts';
import type { LegacyState } from './legacy-state.ts';

export interface CatchUpOptions {
  client: Client;
  agent: WakeAgent;
  bindings: Bindings;
  state: LegacyState;
  /** Takes a missed message, oldest first within a conversation. It may have been seen before. */
  take: (message: Message) => void;
  /** Whether a message came over the connection that is open now: it is not one of before. */
  isLive: (messageId: string) => boolean;
  /** What cannot be read is passed over. */
  warn: (message: string) => void;
  signal: AbortSignal;
}

/** Messages looked through of one conversation; a longer absence begins anew with the newest. */
const MOST = 10_000;

export async function catchUp(options: CatchUpOptions): Promise<void> {
  const { bindings, state, client } = options;
  const first = state.since === undefined;
  const since = state.since ?? '';
  let newest = since;
  const noteTime = (at: string): void => void (newest = later(newest, at));

  for (const { id, wake } of bindings.rooms) {
    if (wake === 'never') continue;
    await readable(options, `room ${id}`, async () => {
      const known = first ? undefined : state.recent(`room:${id}`);
      if (known) await takeAfter(options, `room:${id}`, known, since);
      else noteTime(await baseline(options, `room:${id}`));
      for (const thread of await everyItem(
        (page) => client.roomThreads(id, page),
        ({ threads }) => threads,
      )) {
        if (first) noteTime(thread.last_message_at);
        else if (!before(thread.last_message_at, since))
          await takeMoved(options, conversationKey('thread', thread.id), since);
      }
    });
  }
  if (bindings.dms.enabled && bindings.dms.wake !== 'never') {
    await readable(options, 'DMs', async () => {
      for (const dm of await everyItem(
        (page) => client.dms(page),
        ({ dms }) => dms,
      )) {
        if (!dm.participant_ids?.some((id) => isAgent(options.agent, id))) continue;
        if (first) noteTime(dm.last_message_at);
        else if (!before(dm.last_message_at, since))
          await takeMoved(options, conversationKey('dm', dm.id), since);
      }
    });
  }
  if (first) {
    state.since = newest;
    state.flush();
  }
}

/** The newest message of before counts as handled. Returns its time. */
async function baseline(options: CatchUpOptions, conversation: ConversationKey): Promise<string> {
  const { state, isLive } = options;
  const { messages } = await messagePage(options, conversation, {});
  const last = messages.findLast(({ id }) => !isLive(id));
  state.handled(conversation, last ? [last.id] : []);
  return last?.created_at ?? '';
}

const takeMoved = async (
  options: CatchUpOptions,
  conversation: ConversationKey,
  since: string,
): Promise<void> => {
  const known = options.state.recent(conversation);
  await (known ? takeAfter(options, conversation, known, since) : takeSince(options, conversation, since));
};

/** Everything after the oldest of the handled messages; those that were handled are told apart by the taker. */
async function takeAfter(
  options: CatchUpOptions,
  conversation: ConversationKey,
  handled: readonly string[],
  since: string,
): Promise<void> {
  let after = handled[0];
  if (after === undefined) return takeSince(options, conversation, since);
  try {
    for (let taken = 0; after !== undefined && taken < MOST && !options.signal.aborted;) {
      const { messages, page } = await messagePage(options, conversation, { after });
      for (const message of messages) options.take(message);
      taken += messages.length;
      after = page.has_more && messages.length > 0 ? (page.next_after ?? messages.at(-1)!.id) : undefined;
    }
  } catch (error) {
    // The server does not know that message any more.
    if (!(error instanceof RefusedError && error.status === 422)) throw error;
    return takeSince(options, conversation, since);
  }
  if (after !== undefined) await takeSince(options, conversation, since);
}

/** The newest page, and older ones as far back as the time goes. */
async function takeSince(
  options: CatchUpOptions,
  conversation: ConversationKey,
  since: string,
): Promise<void> {
  const found: Message[] = [];
  let cursor: string | undefined;
  do {
    const { messages, page } = await messagePage(
      options,
      conversation,
      cursor === undefined ? {} : { before: cursor },
    );
    found.unshift(...messages.filter(({ created_at }) => !before(created_at, since)));
    const oldest = messages[0];
    cursor = oldest && page.has_more && !before(oldest.created_at, since) ? oldest.id : undefined;
  } while (cursor !== undefined && found.length < MOST && !options.signal.aborted);
  for (const message of found) options.take(message);
}

/** A page of 100, or of fewer when their bytes are too many for one answer. */
async function messagePage(
  { client }: CatchUpOptions,
  conversation: ConversationKey,
  cursor: { after?: string; before?: string },
): ReturnType<Client['messages']> {
  for (const limit of [100, 10, 1]) {
    try {
      return await client.messages(conversation, { limit, ...cursor });
    } catch (error) {
      if (limit === 1 || !(error instanceof ConnectionError && error.problem === 'answer_too_large'))
        throw error;
    }
  }
  throw new Error('unreachable');
}

/** A refusal of one collection (an agent's token reads no DMs on the original) leaves the others. */
async function readable({ warn }: CatchUpOptions, what: string, read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof RefusedError) || error.retry) throw error;
    warn(`${what}: what was missed cannot be read (${error.message})`);
  }
}

function isAgent(agent: WakeAgent, memberId: string): boolean {
  const ref = parseMemberId(memberId);
  return (
    ref !== undefined &&
    ref.id === agent.id &&
    (ref.network === undefined || ref.network === agent.network_id)
  );
}

/** Whether a time is certainly earlier. Fractions of RFC 3339 have no fixed width, so times are compared as numbers. */
const before = (at: string, than: string): boolean => Date.parse(at) < Date.parse(than);
const later = (a: string, b: string): string => (a === '' || before(a, b) ? b : a);
