/**
 * What an agent is woken for after an absence, where catch_up limits how much (`max_messages`, `max_wakes`): so many
 * conversations, those first that name the agent and the latest first, and of each the newest messages, those that
 * name the agent before others. It reads the ends of the conversations that it takes, and only the index of the others.
 *
 * What is younger than limits.catch_up_live is no absence: it is delivered as if the agent had been there.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { limits } from '../protocol/limits.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Message } from '../protocol/messages.ts';
import { isNamed, wakeReason } from '../protocol/wake.ts';
import { Feed, type Scope } from './delivery-state.ts';
import type { DeliveryOptions } from './delivery-types.ts';
import { PAGE } from './held-range.ts';
import { passedIn, type PassedRange } from './passed.ts';

/** Conversations that are looked into, and the newest messages of each: in what is beyond, nothing is found. */
const CONVERSATIONS = 2 * limits.catch_up_wakes.value;
const MESSAGES = 500;
/** Messages of one read. */
const READ = 100;
const COUNTED = 10_000;

export interface CatchUpPlan {
  options: Pick<DeliveryOptions, 'agent' | 'store'>;
  /** With where the absence began. */
  scopes: readonly { scope: Scope; from: number }[];
  /** The absence ends here; what is beyond is live. */
  until: number;
  max_messages: number;
  max_wakes: number;
  /** Threads that the agent follows, with the seq of its first message. */
  threads: ReadonlyMap<ConversationKey, number>;
  /** Those that there are: what was handed over before. Those that the absence adds are put behind them. */
  feeds: Map<ConversationKey, Feed>;
}

interface Candidate {
  scope: Scope;
  conversation: ConversationKey;
  /** Nothing of it up to here was missed. */
  from: number;
  /** Seq of its last message, as far as that is known. */
  last: number;
  /** Seqs of the newest mentions, ascending, and how many there are. */
  named: number[];
  mentions: number;
  /** What is no mention may wake here too. */
  plain: boolean;
}

/** Makes the feeds of what is caught up with, and passes over the rest. */
export async function planCatchUp(plan: CatchUpPlan): Promise<void> {
  const { scopes, until, feeds, max_wakes } = plan;
  const candidates: Candidate[] = [];
  for (const { scope, from } of scopes)
    if (from < until && scope.policy !== 'never') candidates.push(...(await candidatesOf(plan, scope, from)));
  const rank = ({ conversation, scope, named }: Candidate): number =>
    feeds.has(conversation) ? 0 : scope.room_id === undefined || named.length > 0 ? 1 : 2;
  candidates.sort((a, b) => rank(a) - rank(b) || b.last - a.last);
  let wakes = 0;
  for (const [index, candidate] of candidates.entries()) {
    const { scope, conversation, from } = candidate;
    const chosen = wakes < max_wakes && index < CONVERSATIONS ? await newestOf(plan, candidate) : undefined;
    if (chosen) wakes++;
    const known = feeds.get(conversation);
    const after = chosen ? chosen.after : until;
    if (known) {
      const rest: PassedRange[] = after > from ? [{ after: from, last: after, reason: 'count' }] : [];
      known.passed = [...(known.passed ?? []), ...rest, ...(chosen?.ranges ?? [])];
      known.earlier += chosen?.earlier ?? 0;
    } else if (chosen) {
      const feed = new Feed(scope, conversation, { acked: after, more: true });
      feed.passed = [...(scope.passed ?? []), ...chosen.ranges];
      feed.earlier = chosen.earlier;
      feeds.set(conversation, feed);
    }
  }
  for (const { scope, from } of scopes) if (from < until) scope.caughtUp(until);
}

/** Every conversation of the scope in which something was missed. */
async function candidatesOf(plan: CatchUpPlan, scope: Scope, from: number): Promise<Candidate[]> {
  const { options, until, feeds, threads } = plan;
  const { store, agent } = options;
  const { room_id, policy } = scope;
  const found = new Map<ConversationKey, Candidate>();
  const at = (conversation: ConversationKey, last: number, plain: boolean): Candidate | undefined => {
    // The room itself holds nothing for an agent that only threads wake.
    if (policy === 'thread_only' && conversation === scope.name) return undefined;
    let candidate = found.get(conversation);
    if (!candidate) {
      const position = feeds.get(conversation)?.read ?? scope.positions?.get(conversation) ?? from;
      const begin = Math.max(from, position);
      if (last <= begin) return undefined;
      candidate = { scope, conversation, from: begin, last, named: [], mentions: 0, plain };
      found.set(conversation, candidate);
    }
    candidate.last = Math.max(candidate.last, last);
    candidate.plain ||= plain;
    return candidate;
  };
  const hard = endOf(scope, from, false);
  const soft = room_id === undefined ? hard : endOf(scope, from, true);
  if (room_id !== undefined) {
    for (let after = hard; ;) {
      const page = await store.mentionsAfter(agent.id, room_id, after, PAGE);
      for (const { seq, conversation } of page) {
        const candidate = seq <= until ? at(conversation, seq, false) : undefined;
        if (!candidate || seq <= candidate.from) continue;
        candidate.mentions++;
        candidate.named.push(seq);
        if (candidate.named.length > plan.max_messages) candidate.named.shift();
      }
      after = page.at(-1)?.seq ?? until;
      if (page.length < PAGE || after >= until) break;
      await nextTurn();
    }
  }
  if (soft >= until) return [...found.values()];
  if (policy === 'mentions') {
    const followed = [...threads.keys()];
    for (let i = 0; i < followed.length; i += PAGE)
      for (const [key, row] of await store.conversations(followed.slice(i, i + PAGE)))
        if (row.room_id === room_id && row.last_seq > soft) at(key, row.last_seq, true);
    return [...found.values()];
  }
  for (let after = soft; ;) {
    const page =
      room_id === undefined
        ? await store.dmConversationsAfter(agent.id, after, PAGE)
        : await store.roomConversationsAfter(room_id, after, PAGE);
    for (const row of page) at(row.key, row.last_seq, true);
    if (page.length < PAGE) return [...found.values()];
    after = page.at(-1)!.last_seq;
    await nextTurn();
  }
}

/** Up to where the scope passes over everything (`named` too), or everything but what names the agent. */
function endOf({ passed = [] }: Scope, from: number, unnamed: boolean): number {
  return passed.reduce((end, range) => (unnamed || !range.but_named ? Math.max(end, range.last) : end), from);
}

interface Chosen {
  /** What is up to here is passed over. */
  after: number;
  ranges: PassedRange[];
  earlier: number;
}

/** The newest of its missed messages that wake; undefined when none does. */
async function newestOf(plan: CatchUpPlan, candidate: Candidate): Promise<Chosen | undefined> {
  const { options, until, max_messages } = plan;
  const { scope, conversation, from, mentions } = candidate;
  const dms = scope.room_id === undefined;
  const { named, plain, whole } = await waking(plan, candidate);
  const kept = plain.slice(0, max_messages - named.length);
  const oldestNamed = named.at(-1) ?? Infinity;
  const oldestPlain = dms ? oldestNamed : (kept.at(-1) ?? until + 1);
  const after = Math.min(oldestNamed, oldestPlain) - 1;
  if (named.length + kept.length === 0) return undefined;
  const ranges: PassedRange[] =
    oldestNamed < oldestPlain ? [{ after, last: oldestPlain - 1, reason: 'count', but_named: true }] : [];
  let earlier = 0;
  if (!candidate.plain) earlier = mentions - named.length;
  else if (!whole || kept.length < plain.length)
    earlier = await options.store.countMessages(conversation, from, after, COUNTED);
  return { after, ranges, earlier };
}

/** Its missed messages that wake, the newest first, as many as are wanted; `whole`: there are no others. */
async function waking(
  { options, until, max_messages, threads }: CatchUpPlan,
  { scope, conversation, from, named: mentioned, plain: reads }: Candidate,
): Promise<{ named: number[]; plain: number[]; whole: boolean }> {
  const { store, agent } = options;
  const named = new Set(mentioned);
  const plain: number[] = [];
  const posted = threads.get(conversation) ?? Infinity;
  let whole = !reads;
  for (let before = until + 1, left = reads ? MESSAGES : 0; left > 0; left -= READ) {
    const { rows, more_before } = await store.messagePage(conversation, { before, limit: READ });
    for (const { seq, payload } of rows.toReversed()) {
      before = seq;
      if (seq <= from || named.size + plain.length > max_messages) break;
      const reason = wakeReason(agent, scope.bindings, JSON.parse(payload) as Message, posted < seq);
      if (reason === undefined || passedIn(scope.passed, seq, isNamed(reason))) continue;
      if (isNamed(reason)) named.add(seq);
      else plain.push(seq);
    }
    whole = before <= from || !more_before;
    if (whole || named.size + plain.length > max_messages) break;
    await nextTurn();
  }
  const newest = [...named].sort((a, b) => b - a);
  whole &&= newest.length + plain.length <= max_messages;
  return { named: newest.slice(0, max_messages), plain, whole };
}
