/** Reads over HTTP what a chaos run has left at the server: every conversation, and what became of every message. */
import type { Client } from '../../../src/client/http.ts';
import { everyItem } from '../../../src/client/http.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import { FINAL, messagesFor } from './check.ts';
import type { ChaosAgent, StoredConversation, StoredMessage, StoredReceipt } from './record.ts';
import type { Look } from './spent.ts';
import { ROOMS } from './world.ts';

export interface Left {
  conversations: Map<string, StoredConversation>;
  receipts: Map<string, readonly StoredReceipt[]>;
}

/** What was read before and cannot change any more: a long run does not read it again and again. */
export interface Known {
  history: Map<string, StoredMessage[]>;
  /** Of messages with which every agent has come to an end. */
  receipts: Map<string, readonly StoredReceipt[]>;
}
export const nothingKnown = (): Known => ({ history: new Map(), receipts: new Map() });

async function conversationsOf(client: Client, known: Known): Promise<Map<string, StoredConversation>> {
  const all = new Map<string, StoredConversation>();
  const add = async (key: string, about: Omit<StoredConversation, 'messages'>): Promise<void> => {
    all.set(key, { ...about, messages: await history(client, key, known) });
  };
  for (const room of ROOMS) {
    await add(`room:${room}`, { room });
    const threads = await everyItem(
      (page) => client.roomThreads(room, page),
      (page) => page.threads,
    );
    for (const { id } of threads) await add(`thread:${id}`, { room });
  }
  const dms = await everyItem(
    (page) => client.dms(page),
    (page) => page.dms,
  );
  for (const { id, participant_ids = [] } of dms) await add(`dm:${id}`, { participants: participant_ids });
  return all;
}

/** From the first message on; pages of what is there already are not read again. */
async function history(client: Client, key: string, known: Known): Promise<StoredMessage[]> {
  const messages = known.history.get(key) ?? [];
  known.history.set(key, messages);
  for (let more = true; more && messages.length > 0;) {
    const page = await client.messages(key, { limit: 500, after: messages.at(-1)!.id });
    messages.push(...page.messages.map(stored));
    more = page.page.has_more;
  }
  for (let before: string | undefined, more = messages.length === 0; more;) {
    const page = await client.messages(key, { limit: 500, ...(before === undefined ? {} : { before }) });
    messages.unshift(...page.messages.map(stored));
    before = page.messages[0]?.id;
    more = page.page.has_more;
  }
  return [...messages];
}

const AGENT = /^molt:\/\/local\/agents\/(.+)$/;
const stored = ({ id, from, mentions = [], intent, parts }: Message): StoredMessage => ({
  id,
  from: { type: from.type, id: from.id },
  mentions: mentions.flatMap((fqid) => AGENT.exec(fqid)?.[1] ?? []),
  ...(intent === undefined ? {} : { intent }),
  text: parts[0]?.text ?? '',
});

/**
 * Everything, with what is not settled yet. `pending`: what agents are still to come to an end with, as text.
 */
export async function collect(
  client: Client,
  agents: readonly ChaosAgent[],
  known: Known,
): Promise<Left & { pending: string[]; look: Look }> {
  const look = { at: Date.now(), open: new Map<string, Set<string>>() };
  const conversations = await conversationsOf(client, known);
  const pending: string[] = [];
  const missing: { id: string; key: string; wanted: string[] }[] = [];
  for (const [key, conversation] of conversations) {
    const wanted = new Map<string, string[]>();
    for (const agent of agents)
      for (const id of messagesFor(agent, key, conversation))
        wanted.set(id, [...(wanted.get(id) ?? []), agent.id]);
    for (const { id } of conversation.messages)
      if (!known.receipts.has(id)) missing.push({ id, key, wanted: wanted.get(id) ?? [] });
  }
  const receipts = new Map(known.receipts);
  const ask = async ({ id, key, wanted }: (typeof missing)[number]): Promise<void> => {
    const { receipts: all } = await client.receipts(id);
    receipts.set(id, all);
    const open = wanted.filter(
      (agent) => !FINAL.has(all.find(({ agent_id }) => agent_id === agent)?.state ?? ''),
    );
    for (const agent of open) {
      pending.push(
        `${id} in ${key} for ${agent}: ${all.find(({ agent_id }) => agent_id === agent)?.state ?? 'no receipt'}`,
      );
      look.open.set(agent, (look.open.get(agent) ?? new Set()).add(id));
    }
    // What failed may be retried, and is asked again.
    if (open.length === 0 && all.every(({ state }) => state !== 'failed')) known.receipts.set(id, all);
  };
  const queue = missing.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const one of queue) await ask(one);
    }),
  );
  return { conversations, receipts, pending, look };
}
