/** What is kept back from agents that are not attached: their nodes cannot tell, so it is looked up in storage. */
import type { Hold } from '../log/receipt.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Message } from '../protocol/messages.ts';
import { wakeReason, type Bindings } from '../protocol/wake.ts';
import type { Network } from '../network/network.ts';
import type { ConversationRow } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import type { BindingsBook } from './bindings.ts';
import type { Holds } from './holds.ts';
import type { Presence } from './presence.ts';

/** Conversations that are looked into, and messages of each: in what is beyond, nothing is found. */
const CONVERSATIONS = 20;
const MESSAGES = 20;

export interface HeldOptions {
  network: Pick<Network, 'settings' | 'topology'>;
  store: Pick<
    Store,
    'scopes' | 'positions' | 'conversationEvents' | 'roomConversationsAfter' | 'dmConversationsAfter'
  >;
  bindings: BindingsBook;
  holds: Holds;
  presence: Pick<Presence, 'isConnected'>;
}

export interface HeldBack {
  agent_id: string;
  /** Of a hold over all DMs: `dms`. */
  conversation: string;
  reason: Hold;
}

/** By agent, or of one. */
export async function* heldAway(options: HeldOptions, only?: string): AsyncGenerator<HeldBack> {
  for (const [agent_id, bound] of options.bindings.all()) {
    if ((only !== undefined && agent_id !== only) || options.presence.isConnected(agent_id)) continue;
    yield* heldOf(options, agent_id, bound);
  }
}

async function* heldOf(
  { network, store, holds }: HeldOptions,
  agent_id: string,
  bound: Bindings,
): AsyncGenerator<HeldBack> {
  const agent = { network_id: network.settings.id, id: agent_id };
  const waits = async (conversation: ConversationKey, after: number): Promise<boolean> =>
    (await store.conversationEvents(conversation, after, MESSAGES)).some(
      ({ payload }) => wakeReason(agent, bound, JSON.parse(payload) as Message) !== undefined,
    );
  const rooms: (string | undefined)[] = bound.rooms.map(({ id }) => id);
  if (bound.dms.enabled) rooms.unshift(undefined);
  const held = new Map(
    rooms.flatMap((room_id) => {
      const hold = holds.of(agent_id, room_id);
      return hold ? [[room_id, hold.reason] as const] : [];
    }),
  );
  const guarded = [...network.topology.held()].filter(
    (row) => !held.has(row.room_id ?? undefined) && isOf(row, agent_id, rooms),
  );
  if (held.size === 0 && guarded.length === 0) return;
  const positions = new Map(
    (await store.positions(agent_id)).map((row) => [row.conversation, row.acked_seq]),
  );
  const scopes = new Map((await store.scopes(agent_id)).map((row) => [row.scope, row.settled_seq]));
  for (const [room_id, reason] of held) {
    const scope = room_id === undefined ? 'dms' : `room:${room_id}`;
    const settled = scopes.get(scope);
    if (settled === undefined) continue;
    const moved =
      room_id === undefined
        ? await store.dmConversationsAfter(agent_id, settled, CONVERSATIONS)
        : await store.roomConversationsAfter(room_id, settled, CONVERSATIONS);
    for (const { key } of moved)
      if (await waits(key, positions.get(key) ?? settled)) {
        yield { agent_id, conversation: scope, reason };
        break;
      }
  }
  for (const row of guarded)
    if (await waits(row.key, Math.max(row.held_seq!, positions.get(row.key) ?? 0)))
      yield { agent_id, conversation: row.key, reason: 'guard' };
}

const isOf = (row: ConversationRow, agent_id: string, rooms: readonly (string | undefined)[]): boolean =>
  row.room_id === null ? (row.participants?.includes(agent_id) ?? false) : rooms.includes(row.room_id);
