/** What a batch needs to know that is not in memory: conversations, messages by id, meta values. Loaded once, by keys. */
import { conversationKey, type ConversationKey, type ConversationKind } from '../protocol/conversation.ts';
import { canonicalMemberId, dmIdOf, isId, isLocalAgentId, parseMemberId, slugOf } from '../protocol/ids.ts';
import type { SendMessageRequest } from '../protocol/messages.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import type { ConversationRow, PairRow, StoredMessage } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import type { AgentRow, InviteRow, PairingInviteRow, PairingRow, PauseRow } from '../store/topology-rows.ts';
import { isAnonymous } from './access-facts.ts';
import type { Command } from './commands.ts';
import { FIRST_ROOM, declarationKey } from './declaration.ts';
import { namedKey } from './follow-members.ts';
import type { PairingIdentity } from './identity.ts';
import { derivedMessageId } from '../protocol/ids.ts';
import { FINGERPRINT } from './pairing-rules.ts';
import type { NetworkSettings } from './settings.ts';
import type { RoomState, State } from './state.ts';
import type { Topology } from './topology.ts';

/** What facts are laid over: the topology, or the batch before this one while it is not on disk. */
type Base = Omit<State, Loadable> & Partial<Pick<State, Loadable>>;
type Loadable = 'message' | 'meta' | 'isAddressed' | 'wasTaken';

/**
 * The state as one batch sees it: what is known to its base, and beneath that what was loaded for it.
 */
export class Facts implements State {
  readonly #topology: Topology;
  #base: Base;
  readonly #conversations: ReadonlyMap<ConversationKey, ConversationRow>;
  #loaded: Loaded;

  private constructor(topology: Topology, base: Base, need: Need, loaded: Loaded) {
    this.#topology = topology;
    this.#base = base;
    this.#conversations = need.conversations;
    this.#loaded = loaded;
  }

  /** At once when nothing has to be read from the store: the usual case, and the writer's waiting time. */
  static load(
    store: Store,
    topology: Topology,
    over: State | undefined,
    commands: readonly Command[],
  ): Facts | Promise<Facts> {
    const base = over ?? topology;
    const need: Need = {
      conversations: new Map(),
      absent: new Set(),
      messages: new Set(),
      metas: new Set(),
      claimed: new Set(),
      relayed: new Map(),
    };
    for (const command of commands) collect(need, topology, base, command);
    if (need.absent.size + need.messages.size + need.metas.size + need.claimed.size === 0)
      return new Facts(topology, base, need, NOTHING);
    return Facts.#read(store, topology, base, need);
  }

  static async #read(store: Store, topology: Topology, base: Base, need: Need): Promise<Facts> {
    const addressed = new Set<string>();
    const look = async (id: string): Promise<void> => {
      if ((await store.dmPage(id, { limit: 1 })).rows.length > 0) addressed.add(id);
    };
    const taken = new Set<string>();
    const lookTaken = async (network: string, ids: ReadonlySet<string>): Promise<void> => {
      for (const id of await store.relayTaken(network, [...ids])) taken.add(`${network} ${id}`);
    };
    const [stored, messages, values] = await Promise.all([
      need.absent.size > 0 ? store.conversations([...need.absent]) : undefined,
      need.messages.size > 0 ? store.messages([...need.messages]) : NOTHING.messages,
      Promise.all([...need.metas].map(async (key) => [key, await store.meta(key)] as const)),
      Promise.all([...need.claimed].map(look)),
    ]);
    // After the messages: what retention removes in between is found as one or as the other.
    for (const [network, ids] of need.relayed) await lookTaken(network, ids);
    for (const row of stored?.values() ?? []) need.conversations.set(row.key, row);
    const metas = new Map<string, string>();
    for (const [key, value] of values) if (value !== undefined) metas.set(key, value);
    return new Facts(topology, base, need, { messages, metas, addressed, taken });
  }

  /**
   * The batch before this one is on disk, and the topology has its changes. What was loaded before that was for the
   * deciding, which is over: it must not be what the next batch sees.
   */
  rebase(): void {
    this.#base = this.#topology;
    this.#loaded = NOTHING;
  }

  /**
   * This batch is on disk: the rows that it changes are in the topology before its changes are. Others that were read for
   * it may have been changed by another server since.
   */
  remember(changes: (key: ConversationKey) => boolean): void {
    for (const row of this.#conversations.values())
      if (!this.#topology.conversation(row.key) && changes(row.key)) this.#topology.putConversation(row);
  }

  get settings(): NetworkSettings {
    return this.#base.settings;
  }
  room(id: string): RoomState | undefined {
    return this.#base.room(id);
  }
  roomRecord(id: string): RoomState | undefined {
    return this.#base.roomRecord(id);
  }
  get roomCount(): number {
    return this.#base.roomCount;
  }
  agent(id: string): AgentRow | undefined {
    return this.#base.agent(id);
  }
  agentRecord(id: string): AgentRow | undefined {
    return this.#base.agentRecord(id);
  }
  get agentCount(): number {
    return this.#base.agentCount;
  }
  agentByCredential(key: string): AgentRow | undefined {
    return this.#base.agentByCredential(key);
  }
  removedByCredential(key: string): AgentRow | undefined {
    return this.#base.removedByCredential(key);
  }
  invite(code_hash: string): InviteRow | undefined {
    return this.#base.invite(code_hash);
  }
  inviteOf(agent_id: string): InviteRow | undefined {
    return this.#base.inviteOf(agent_id);
  }
  roomsOf(member: string): ReadonlySet<string> {
    return this.#base.roomsOf(member);
  }
  held(): Iterable<ConversationRow> {
    return this.#base.held();
  }
  pair(key: string): PairRow | undefined {
    return this.#base.pair(key);
  }
  pairsOf(agent: string): Iterable<PairRow> {
    return this.#base.pairsOf(agent);
  }
  pairsAwaiting(agent: string): Iterable<PairRow> {
    return this.#base.pairsAwaiting(agent);
  }
  wakesOf(agent_id: string): ReadonlyMap<string, ConversationKey> {
    return this.#base.wakesOf(agent_id);
  }
  pause(scope: PauseScope): PauseRow | undefined {
    return this.#base.pause(scope);
  }
  get hasPairings(): boolean {
    return this.#base.hasPairings;
  }
  pairing(id: string): PairingRow | undefined {
    return this.#base.pairing(id);
  }
  pairings(): Iterable<PairingRow> {
    return this.#base.pairings();
  }
  sharedWith(pairing_id: string): Iterable<string> {
    return this.#base.sharedWith(pairing_id);
  }
  pairingOf(network_id: string): PairingIdentity | undefined {
    return this.#base.pairingOf(network_id);
  }
  pairingInvite(code_hash: string): PairingInviteRow | undefined {
    return this.#base.pairingInvite(code_hash);
  }
  pairingInvites(): Iterable<PairingInviteRow> {
    return this.#base.pairingInvites();
  }
  conversation(key: ConversationKey): ConversationRow | undefined {
    return this.#base.conversation(key) ?? this.#conversations.get(key);
  }
  message(id: string): StoredMessage | undefined {
    return this.#base.message?.(id) ?? this.#loaded.messages.get(id);
  }
  wasTaken(network: string, message_id: string): boolean {
    return (
      this.#base.wasTaken?.(network, message_id) === true ||
      this.#loaded.taken.has(`${network} ${message_id}`)
    );
  }
  meta(key: string): string | undefined {
    return this.#base.meta?.(key) ?? this.#loaded.metas.get(key);
  }
  isAddressed(id: string): boolean {
    return this.#base.isAddressed?.(id) === true || this.#loaded.addressed.has(id);
  }
}

interface Loaded {
  messages: ReadonlyMap<string, StoredMessage>;
  metas: ReadonlyMap<string, string>;
  addressed: ReadonlySet<string>;
  /** Network and id, with a space between. */
  taken: ReadonlySet<string>;
}
const NOTHING: Loaded = { messages: new Map(), metas: new Map(), addressed: new Set(), taken: new Set() };

interface Need {
  /** Those in memory, held fast so that no batch can push them out before this one is on disk. */
  conversations: Map<ConversationKey, ConversationRow>;
  absent: Set<ConversationKey>;
  messages: Set<string>;
  metas: Set<string>;
  /** Ids that nobody has and somebody without a credential claims. */
  claimed: Set<string>;
  /** Messages of other networks, by network. */
  relayed: Map<string, Set<string>>;
}

/** Only what the rules will ask for, by the ids as the rules will read them (trimmed). */
function collect(need: Need, topology: Topology, base: Base, command: Command): void {
  switch (command.kind) {
    case 'message.backfill':
    case 'message.send':
      wantSent(need, topology, base, command.request);
      return;
    case 'relay.take':
      for (const item of command.items) {
        if ('message' in item) wantSent(need, topology, base, item.message);
        else wantMessage(need, base, { id: '', origin: item.redaction });
      }
      return;
    case 'message.redact':
      if (isId(command.message_id.trim())) need.messages.add(command.message_id.trim());
      return;
    case 'agent.register': {
      const id = (command.requested_id ?? '').trim() || slugOf(command.name ?? '');
      const claims = isAnonymous(command.identity) && command.identity.mode !== 'none';
      if (claims && isLocalAgentId(id) && !base.agentRecord(id)) need.claimed.add(id);
      return;
    }
    case 'pairing.invite':
    case 'pairing.exchange':
      need.metas.add(FINGERPRINT);
      return;
    case 'pairing.members':
      need.metas.add(namedKey(command.pairing_id, command.room_id));
      return;
    case 'guard.resume':
      wantConversation(need, topology, base, command.conversation);
      return;
    case 'config.apply':
      need.metas.add(FIRST_ROOM);
      for (const room of command.request.rooms ?? [])
        if (room.id && isId(room.id.trim())) need.metas.add(declarationKey(room.id.trim()));
      return;
    default:
      return;
  }
}

function wantSent(need: Need, topology: Topology, base: Base, request: SendMessageRequest): void {
  wantMessage(need, base, request);
  const key = targetKey(request, base.settings.id);
  if (key) wantConversation(need, topology, base, key);
}

/** The message that a request would be, under both ids that it may stand under (network/message-slot.ts). */
function wantMessage(
  need: Need,
  base: Base,
  { id: given, origin }: Pick<SendMessageRequest, 'id' | 'origin'>,
): void {
  const local = base.settings.id;
  const network = (origin?.network_id ?? '').trim() || local;
  if (!isId(network)) return;
  const foreign = network !== local;
  for (const id of [given?.trim(), foreign ? origin?.message_id?.trim() : undefined]) {
    if (!id || !isId(id)) continue;
    need.messages.add(id);
    if (foreign) {
      const relayed = need.relayed.get(network) ?? new Set();
      need.relayed.set(network, relayed.add(id));
    }
    // Where nobody is paired, nobody else's message has taken the id.
    if (foreign || base.hasPairings) need.messages.add(derivedMessageId(network, id));
  }
}

function wantConversation(need: Need, topology: Topology, base: Base, key: ConversationKey): void {
  const row = topology.conversation(key);
  if (row) need.conversations.set(key, row);
  else if (!base.conversation(key)) need.absent.add(key);
}

/** The conversation that a request names, whether or not the rules will accept it; undefined when it names none. */
function targetKey({ target }: SendMessageRequest, networkId: string): ConversationKey | undefined {
  switch (target?.kind) {
    case 'room':
      return keyOf('room', target.room_id);
    case 'thread':
      return keyOf('thread', target.thread_id);
    case 'dm': {
      if ((target.dm_id ?? '').trim() !== '') return keyOf('dm', target.dm_id);
      const participants = target.participant_ids ?? [];
      if (!participants.every((participant) => parseMemberId(participant))) return undefined;
      return conversationKey(
        'dm',
        dmIdOf(
          participants.map((p) => canonicalMemberId(p, networkId)),
          networkId,
        ),
      );
    }
    default:
      return undefined;
  }
}

function keyOf(kind: ConversationKind, given: string | undefined): ConversationKey | undefined {
  const id = (given ?? '').trim();
  return isId(id) ? conversationKey(kind, id) : undefined;
}
