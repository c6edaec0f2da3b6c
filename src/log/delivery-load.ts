/** Where an agent's delivery stands: its scopes, positions and open wakes out of storage. */
import type { ConversationKey } from '../protocol/conversation.ts';
import { catchUpOf, type Bindings } from '../protocol/wake.ts';
import type { DeliveryWrite, PositionRow, ScopeRow, SkipReason, WakeRow } from '../store/delivery-rows.ts';
import type { ConversationRow } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import { limits } from '../protocol/limits.ts';
import { seqBefore } from './ages.ts';
import { planCatchUp } from './catch-up.ts';
import { Feed, Scope } from './delivery-state.ts';
import { PAGE } from './held-range.ts';
import type { PassedOver } from './expired.ts';
import { parsePassed, passedByPolicy, passedIn } from './passed.ts';
import type { DeliveryOptions } from './delivery-types.ts';

type LoadOptions = Pick<DeliveryOptions, 'agent' | 'bindings' | 'tail' | 'store' | 'room' | 'dms' | 'hold'>;

export interface LoadedDelivery {
  scopes: Scope[];
  /** Conversations behind their scope's floor, those with an open wake, and those that are caught up with. */
  feeds: Feed[];
  /** Open wakes that nobody will run any more, and what catch_up passes over. */
  writes: DeliveryWrite[];
  /** Undefined when nothing was. */
  passedOver: PassedOver | undefined;
}

/** A scope, and where the absence began that its limits are for. */
interface OpenScope {
  scope: Scope;
  from: number;
}

/** `threads`: those that the agent follows, with the seq of its first message. */
export async function loadDelivery(
  options: LoadOptions,
  threads: ReadonlyMap<ConversationKey, number>,
): Promise<LoadedDelivery> {
  const { agent, bindings, store, tail } = options;
  const [scopeRows, positions, wakes] = await Promise.all([
    store.scopes(agent.id),
    store.positions(agent.id),
    store.openWakes(agent.id),
  ]);
  const conversations = await conversationsOf(store, [
    ...positions.map((row) => row.conversation),
    ...wakes.map((row) => row.conversation),
  ]);
  const rows = new Map(scopeRows.map((row) => [row.scope, row]));
  const head = tail.head;
  const before = (age: number | undefined): Promise<number> =>
    age === undefined ? Promise.resolve(0) : seqBefore(store, { now: tail.now(), head, age });
  const { policy, max_age, max_age_mentions = max_age, max_messages, max_wakes } = catchUpOf(bindings);
  const [old, old_mentions] = [await before(seconds(max_age)), await before(seconds(max_age_mentions))];
  const open = [...openScopes(options, rows, { head, old, old_mentions })];
  const scopes = new Map(open.map(({ scope }) => [scope.name, scope]));

  const at = new Date(tail.now()).toISOString();
  const writes: DeliveryWrite[] = [];
  const passedOver: PassedOver['scopes'] = new Map();
  const skip = (scope: Scope, after_seq: number, last_seq: number, reason: SkipReason): void => {
    const { after = after_seq, last = last_seq } = passedOver.get(scope) ?? {};
    passedOver.set(scope, { after: Math.min(after, after_seq), last: Math.max(last, last_seq) });
    // Of a whole scope: the key is its name.
    const conversation = scope.name as ConversationKey;
    writes.push({ op: 'skip', row: { agent_id: agent.id, conversation, after_seq, last_seq, reason, at } });
  };
  for (const { scope } of open)
    for (const { after, last, reason, but_named } of scope.passed ?? [])
      skip(scope, after, last, but_named ? UNMENTIONED[reason] : reason);

  const feeds = new Map<ConversationKey, Feed>();
  const scopeOf = (conversation: ConversationKey): Scope | undefined => {
    const row = conversations.get(conversation);
    return row && scopes.get(row.kind === 'dm' ? 'dms' : `room:${row.room_id}`);
  };
  const stored = new Map(positions.map((row) => [row.conversation, row]));
  for (const position of positions) {
    const scope = scopeOf(position.conversation);
    if (scope && position.acked_seq >= scope.floor)
      (scope.positions ??= new Map()).set(position.conversation, position.acked_seq);
  }
  for (const wake of wakes) {
    const scope = scopeOf(wake.conversation);
    const known = feeds.get(wake.conversation);
    const position = stored.get(wake.conversation);
    const settled = position?.acked_seq ?? rows.get(scope?.name ?? '')?.settled_seq ?? 0;
    const again = settled >= wake.last_seq;
    if (!scope || (known?.owed && !again)) {
      writes.push(abandoned(wake, at));
      continue;
    }
    if (again) {
      // A failed one that is to be run again: the position is past it, and may be behind what was handed over since.
      const behind = position && takePosition(scope, position, conversations.get(wake.conversation)!);
      const acked = scope.positionOf(wake.conversation);
      const feed = known ?? behind ?? new Feed(scope, wake.conversation, { acked, more: true });
      feed.retries.push(wake);
      feeds.set(wake.conversation, feed);
      continue;
    }
    const retries = known?.retries ?? [];
    const feed = new Feed(scope, wake.conversation, {
      acked: wake.after_seq,
      read: wake.last_seq,
      more: true,
    });
    feed.owed = wake;
    feed.retries = retries;
    feeds.set(wake.conversation, feed);
  }
  for (const position of positions) {
    const scope = scopeOf(position.conversation);
    if (!scope || feeds.has(position.conversation)) continue;
    const behind = takePosition(scope, position, conversations.get(position.conversation)!);
    if (behind) feeds.set(position.conversation, behind);
  }
  for (const feed of feeds.values()) {
    const { ranges = [], earlier } = parsePassed(stored.get(feed.conversation)?.passed ?? null);
    if (ranges.length > 0) feed.passed = [...ranges, ...(feed.passed ?? [])];
    feed.earlier = earlier;
  }
  const limited = policy !== 'none' && (max_messages ?? max_wakes) !== undefined;
  const until = limited ? await before(limits.catch_up_live.value) : 0;
  if (open.some(({ from }) => from < until)) {
    await planCatchUp({
      options,
      scopes: open,
      until,
      max_messages: max_messages ?? limits.outstanding_per_conversation.value,
      max_wakes: max_wakes ?? limits.catch_up_wakes.value,
      threads,
      feeds,
    });
    for (const { scope, from } of open) if (from < until) skip(scope, from, until, 'count');
  }
  // As it is now: what is delivered from here on moves the feeds.
  const ranges = new Map(open.map(({ scope, from }) => [scope, { passed: scope.passed, from }]));
  const begin = new Map([...feeds].map(([key, { acked, passed }]) => [key, { acked, passed }]));
  const why: PassedOver['why'] = (scope, { conversation, seq, named }) => {
    if (seq <= (stored.get(conversation)?.acked_seq ?? 0)) return undefined;
    const feed = begin.get(conversation);
    const { passed, from } = ranges.get(scope)!;
    const range = passedIn(feed ? feed.passed : passed, seq, named);
    return (
      range?.reason ?? (seq > from && seq <= Math.min(until, feed?.acked ?? until) ? 'count' : undefined)
    );
  };
  return {
    scopes: [...scopes.values()],
    feeds: [...feeds.values()],
    writes,
    passedOver: passedOver.size > 0 ? { scopes: passedOver, why } : undefined,
  };
}

const UNMENTIONED = { age: 'unmentioned_age', catch_up: 'unmentioned', count: 'count' } as const;
const seconds = (age: number | undefined): number | undefined => (age === undefined ? age : age * 1_000);

/** The scopes that the bindings ask for and the agent may read; DMs first. */
function* openScopes(
  { bindings, room, dms, hold }: LoadOptions,
  rows: ReadonlyMap<string, ScopeRow>,
  ages: { head: number; old: number; old_mentions: number },
): Iterable<OpenScope> {
  const { head } = ages;
  const catch_up = catchUpOf(bindings);
  const open = (
    name: string,
    room_id: string | undefined,
    bound: Bindings,
    start: number,
    atLeast: number,
  ): OpenScope => {
    const row = rows.get(name);
    const settled = row?.settled_seq ?? start;
    const from = Math.max(settled, atLeast);
    // While it is paused, or over its cap, time is not what keeps the agent from its messages.
    const held = hold(room_id) !== undefined;
    const old = held ? { old: 0, old_mentions: 0 } : ages;
    const passed = passedByPolicy(catch_up, { ...old, from, to: head, dms: room_id === undefined });
    // What is passed over whole is settled. What was handed over before is not: its positions are behind.
    const floor = passed[0] && !passed[0].but_named ? passed[0].last : from;
    const scope = new Scope({
      room_id,
      bindings: bound,
      start: row?.start_seq ?? start,
      floor,
      ...(passed.length > 0 && { passed }),
      scanning: true,
      // A new scope is written down at once: it would start at another head next time.
      rewrite: !row || floor !== settled,
      lifted: atLeast > settled,
    });
    return { scope, from: held ? Infinity : from };
  };
  if (dms && bindings.dms.enabled) yield open('dms', undefined, { ...bindings, rooms: [] }, 0, 0);
  const seen = new Set<string>();
  for (const binding of bindings.rooms) {
    const access = room(binding.id);
    if (!access || seen.has(binding.id)) continue;
    seen.add(binding.id);
    // Whoever reads only as a member is not sent what was said while it was none.
    const atLeast = access.open ? 0 : (access.member_since ?? head);
    yield open(
      `room:${binding.id}`,
      binding.id,
      { ...bindings, rooms: [binding] },
      access.member_since ?? head,
      atLeast,
    );
  }
}

/**
 * The feed to read on, when the conversation is behind its scope's floor: something of it
 * was handed over and not acknowledged. A new membership lifts the positions before it.
 */
function takePosition(
  scope: Scope,
  { conversation, acked_seq }: PositionRow,
  row: ConversationRow,
): Feed | undefined {
  if (acked_seq < scope.floor && !scope.lifted && row.last_seq > acked_seq)
    return new Feed(scope, conversation, { acked: acked_seq, more: true });
  return undefined;
}

/** Its room is not bound or not readable any more (or a second wake of one conversation): it will not be run. */
const abandoned = (wake: WakeRow, closed_at: string): DeliveryWrite => ({
  op: 'wake.close',
  wake_id: wake.wake_id,
  state: 'failed',
  outcome: 'failed',
  error: 'the agent is not bound to this conversation any more',
  closed_at,
});

async function conversationsOf(
  store: Store,
  keys: readonly ConversationKey[],
): Promise<Map<ConversationKey, ConversationRow>> {
  const unique = [...new Set(keys)];
  const found = new Map<ConversationKey, ConversationRow>();
  for (let i = 0; i < unique.length; i += PAGE) {
    for (const [key, row] of await store.conversations(unique.slice(i, i + PAGE))) found.set(key, row);
  }
  return found;
}
