/** Receipts of a message: whom it is for, and what became of it for each (log/receipt.ts); and what is told live. */
import { parsePassed, passedIn } from '../log/passed.ts';
import { receiptOf, wakeState, type Hold } from '../log/receipt.ts';
import type { ReceiptChange } from '../log/delivery-types.ts';
import type { Tail } from '../log/tail.ts';
import type { Network } from '../network/network.ts';
import { messageEventId, parseMemberId } from '../protocol/ids.ts';
import type { Message } from '../protocol/messages.ts';
import type { MessageReceipts, Receipt, ReceiptEvent } from '../protocol/receipts.ts';
import { isNamed, wakeReason } from '../protocol/wake.ts';
import type { DeliveryFacts, WakeRow } from '../store/delivery-rows.ts';
import type { ConversationRow, StoredMessage } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import type { BindingsBook } from './bindings.ts';

/** Messages of one wake that are told. */
const MESSAGES = 500;
/** Agents of one answer, and speakers of a thread that are looked at. */
const AGENTS = 500;

export interface ReceiptsOptions {
  network: Pick<Network, 'settings' | 'topology'>;
  tail: Tail;
  store: Pick<Store, 'deliveryFacts' | 'threadSpeakers' | 'conversations' | 'conversationEvents'>;
  bindings: BindingsBook;
  /** Whether an open attachment of the agent has the event and did not acknowledge it. */
  isOut: (agent_id: string, cursor: string) => boolean;
  /** Those of the agents of which the same is true at another server, where there are several. */
  isOutElsewhere?: (agent_ids: readonly string[], cursor: string) => Promise<ReadonlySet<string>>;
  /** Why nothing is sent to the agent there now, apart from the guard. */
  holdOf: (agent_id: string, room_id: string | undefined) => { reason: Hold; at?: string } | undefined;
}

export interface Receipts {
  of(stored: StoredMessage): Promise<MessageReceipts>;
  /** Tells live what became of the messages of a wake: an operator changed it. */
  tell(wake: WakeRow): Promise<void>;
}

export function createReceipts(options: ReceiptsOptions): Receipts {
  const { network, tail, store, bindings, isOut, isOutElsewhere, holdOf } = options;
  const { settings, topology } = network;
  const network_id = settings.id;

  /** The bare id of a member of this network, in any of its forms. */
  function localId(member: string): string | undefined {
    const ref = parseMemberId(member);
    return ref && (ref.network ?? network_id) === network_id ? ref.id : undefined;
  }
  const isAgent = (id: string): boolean =>
    !settings.people.has(id) &&
    !topology.isRemovedAgent(id) &&
    (topology.agent(id) !== undefined || topology.roomsOf(id).size > 0 || bindings.of(id) !== undefined);

  /** Local agents that the message is for, by id. */
  function addressees(message: Message, seq: number, speakers: readonly string[]): string[] {
    const { target } = message;
    // The guard's notice and what is taken in of history wake nobody, though they may lie in the middle of a wake.
    if (message.from.type === 'system' || message.backfilled !== undefined) return [];
    const ids = new Set<string>();
    const add = (member: string): void => {
      const id = localId(member);
      if (id !== undefined && isAgent(id)) ids.add(id);
    };
    for (const mention of message.mentions ?? []) add(mention);
    if (target.kind === 'dm') for (const id of target.participant_ids ?? []) add(id);
    else {
      for (const sender of speakers) add(sender);
      const room = topology.room(target.room_id ?? '');
      for (const [id, bound] of bindings.all()) {
        const policy = bound.rooms.find((each) => each.id === target.room_id)?.wake;
        if (policy !== 'all' && (policy !== 'thread_only' || target.kind !== 'thread')) continue;
        const since = room?.members.get(id);
        if (since === undefined ? room?.row.visibility === 'public' : since < seq) add(id);
      }
    }
    const sender = localId(message.from.fqid ?? message.from.id);
    if (sender !== undefined) ids.delete(sender);
    return [...ids].sort();
  }

  async function guardHold(row: StoredMessage): Promise<ConversationRow | undefined> {
    const held =
      topology.conversation(row.conversation) ??
      (await store.conversations([row.conversation])).get(row.conversation);
    const holds =
      held !== undefined && held.held_at !== null && held.held_seq !== null && row.seq > held.held_seq;
    return holds ? held : undefined;
  }

  return {
    async tell(wake) {
      const { agent_id, conversation, after_seq, last_seq } = wake;
      const agent = { network_id, id: agent_id };
      const bound = bindings.of(agent_id);
      const { ranges } = parsePassed(wake.passed);
      const events = await store.conversationEvents(conversation, after_seq, MESSAGES, last_seq);
      const messages = events.flatMap(({ seq, payload }) => {
        const message = JSON.parse(payload) as Message;
        // In a thread that it follows its bindings alone would not say so.
        const reason = bound && wakeReason(agent, bound, message, true);
        if (!reason || passedIn(ranges, seq, isNamed(reason))) return [];
        return [{ message_id: message.id, from: message.from.id }];
      });
      const [state, { at: _at, ...facts }] = wakeState(wake, agent_id);
      const room_id = events[0]?.room_id;
      announceReceipt(tail, agent_id, { conversation, room_id, state, messages, ...facts });
    },
    async of(row) {
      const message = JSON.parse(row.payload) as Message;
      if (message.redacted_at !== undefined) return { message_id: row.id, receipts: [] };
      const { conversation, seq } = row;
      const room_id = row.room_id ?? undefined;
      const thread = message.target.kind === 'thread';
      const earlier = thread
        ? (await store.threadSpeakers(conversation, AGENTS)).filter((each) => each.seq < seq)
        : [];
      const speakers = earlier.map(({ sender }) => sender);
      const agents = addressees(message, seq, speakers);
      const shown = agents.slice(0, AGENTS);
      const scope = room_id === undefined ? 'dms' : `room:${room_id}`;
      const [facts, guard] = await Promise.all([
        store.deliveryFacts({ conversation, scope, seq }, shown),
        guardHold(row),
      ]);
      const posted = new Set(speakers.map(localId));
      const cursor = messageEventId(row.id);
      const receipt = (stored: DeliveryFacts, elsewhere?: ReadonlySet<string>): Receipt => {
        const { agent_id } = stored;
        return receiptOf({
          agent: { network_id, id: agent_id },
          message,
          seq,
          stored,
          bindings: bindings.of(agent_id),
          posted: posted.has(agent_id),
          hold: guard ? { reason: 'guard', at: guard.held_at! } : holdOf(agent_id, room_id),
          out: elsewhere?.has(agent_id) ?? isOut(agent_id, cursor),
        });
      };
      const here = facts.map((stored) => receipt(stored));
      const unsent = here.filter(({ state }) => state === 'stored').map(({ agent_id }) => agent_id);
      const elsewhere = unsent.length > 0 ? await isOutElsewhere?.(unsent, cursor) : undefined;
      const receipts = elsewhere
        ? here.map((each, i) => (elsewhere.has(each.agent_id) ? receipt(facts[i]!, elsewhere) : each))
        : here;
      return { message_id: row.id, receipts, ...(agents.length > shown.length && { has_more: true }) };
    },
  };
}

/** Tells observers, and each sender of its own messages, that they came to a state for an agent. */
export function announceReceipt(tail: Tail, agent_id: string, change: ReceiptChange): void {
  const { messages, conversation, room_id, state, ...facts } = change;
  const bySender = Map.groupBy(messages, ({ from }) => from);
  for (const [from, theirs] of bySender) {
    if (!tail.isWatched(from)) continue;
    const at = new Date(tail.now()).toISOString();
    const message_ids = theirs.map(({ message_id }) => message_id);
    const payload: ReceiptEvent = { agent_id, message_ids, conversation, state, ...facts, at };
    tail.announce({ type: 'message.receipt', agent_id: from, room_id, payload });
  }
}
