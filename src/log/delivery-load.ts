/** Where an agent's delivery stands: its scopes, positions and open wakes out of storage. */
import type { ConversationKey } from '../protocol/conversation.ts';
import { catchUpOf, type Bindings } from '../protocol/wake.ts';
import type {
  ConversationRow,
  DeliveryWrite,
  PositionRow,
  ScopeRow,
  SkipReason,
  Store,
  WakeRow,
} from '../store/store.ts';
import { Feed, Scope } from './delivery-state.ts';
import { PAGE } from './held-range.ts';
import type { DeliveryOptions } from './delivery-types.ts';

type LoadOptions = Pick<DeliveryOptions, 'agent' | 'bindings' | 'tail' | 'store' | 'room' | 'dms'>;

export interface LoadedDelivery {
  scopes: Scope[];
  /** Conversations behind their scope's floor, and those with an open wake. */
  feeds: Feed[];
  /** Open wakes that nobody will run any more. */
  writes: DeliveryWrite[];
}

export async function loadScopes(options: LoadOptions): Promise<LoadedDelivery> {
  const { agent, store, tail } = options;
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
  const skips: ScopeSkip[] = [];
  const tooOld = await seqBefore(options, head);
  const scopes = new Map<string, Scope>();
  for (const scope of openScopes(options, rows, head, tooOld, skips)) scopes.set(scope.name, scope);

  const feeds = new Map<ConversationKey, Feed>();
  const at = new Date(tail.now()).toISOString();
  const writes = skips.map(({ scope, ...range }): DeliveryWrite => ({
    op: 'skip',
    // Of a whole scope: the key is its name.
    row: { agent_id: agent.id, conversation: scope as ConversationKey, ...range, at },
  }));
  const scopeOf = (conversation: ConversationKey): Scope | undefined => {
    const row = conversations.get(conversation);
    return row && scopes.get(row.kind === 'dm' ? 'dms' : `room:${row.room_id}`);
  };

  const stored = new Map(positions.map((row) => [row.conversation, row.acked_seq]));
  for (const position of positions) {
    const scope = scopeOf(position.conversation);
    if (scope && position.acked_seq >= scope.floor)
      scope.positions.set(position.conversation, position.acked_seq);
  }
  for (const wake of wakes) {
    const scope = scopeOf(wake.conversation);
    const known = feeds.get(wake.conversation);
    const settled = stored.get(wake.conversation) ?? rows.get(scope?.name ?? '')?.settled_seq ?? 0;
    const again = settled >= wake.last_seq;
    if (!scope || (known?.owed && !again)) {
      writes.push(abandoned(wake, new Date(tail.now()).toISOString()));
      continue;
    }
    if (again) {
      // A failed one that is to be run again: the position is past it.
      const acked = known?.acked ?? scope.positionOf(wake.conversation);
      const feed = known ?? new Feed(scope, wake.conversation, { acked, more: true });
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
  return { scopes: [...scopes.values()], feeds: [...feeds.values()], writes };
}

interface ScopeSkip {
  scope: string;
  after_seq: number;
  last_seq: number;
  reason: SkipReason;
}

/** The seq up to which everything is older than catch_up allows; 0 where it does not say. */
async function seqBefore({ bindings, store, tail }: LoadOptions, head: number): Promise<number> {
  const { max_age } = catchUpOf(bindings);
  if (max_age === undefined) return 0;
  const oldest = new Date(tail.now() - max_age * 1_000).toISOString();
  let [old, young] = [0, head + 1];
  while (young - old > 1) {
    const middle = Math.floor((old + young) / 2);
    const [event] = await store.events({ all: true }, middle - 1, 1);
    if (event && event.created_at < oldest) old = event.seq;
    else young = middle;
  }
  return old;
}

/** The scopes that the bindings ask for and the agent may read; DMs first. */
function* openScopes(
  { bindings, room, dms }: LoadOptions,
  rows: ReadonlyMap<string, ScopeRow>,
  head: number,
  tooOld: number,
  skips: ScopeSkip[],
): Iterable<Scope> {
  const open = (
    name: string,
    room_id: string | undefined,
    bound: Bindings,
    start: number,
    atLeast: number,
  ): Scope => {
    const row = rows.get(name);
    const settled = row?.settled_seq ?? start;
    const lifted = atLeast > settled;
    const from = Math.max(settled, atLeast);
    // catch_up none: what came meanwhile is settled. What was handed over before is not: its positions are behind.
    const { policy } = catchUpOf(bound);
    const floor = policy === 'none' ? head : Math.max(from, tooOld);
    const skip = (reason: SkipReason, last_seq: number): void => {
      if (row && last_seq > from) skips.push({ scope: name, after_seq: from, last_seq, reason });
    };
    if (policy === 'none') skip('catch_up', head);
    else if (tooOld > from) skip('age', tooOld);
    else if (policy === 'mentions') skip('unmentioned', head);
    // A new scope is written down at once: it would start at another head next time.
    const rewrite = !row || floor !== settled;
    return new Scope({
      room_id,
      bindings: bound,
      start: row?.start_seq ?? start,
      floor,
      away: { from, to: head },
      scanning: true,
      rewrite,
      lifted,
    });
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
