/** What a batch needs to know that is not in memory: conversations, messages by id, meta values. Loaded once, by keys. */
import { conversationKey, type ConversationKey, type ConversationKind } from '../protocol/conversation.ts';
import { canonicalMemberId, dmIdOf, isId, isLocalAgentId, parseMemberId, slugOf } from '../protocol/ids.ts';
import type { SendMessageRequest } from '../protocol/messages.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import type {
  AgentRow,
  ConversationRow,
  InviteRow,
  PairRow,
  PauseRow,
  Store,
  StoredMessage,
} from '../store/store.ts';
import { isAnonymous } from './access-facts.ts';
import type { Command } from './commands.ts';
import { FIRST_ROOM, declarationKey } from './declaration.ts';
import type { NetworkSettings } from './settings.ts';
import type { RoomState, State } from './state.ts';
import type { Topology } from './topology.ts';

/** The committed state as one batch sees it: the topology, and the facts loaded for it. */
export class Facts implements State {
  readonly #topology: Topology;
  readonly #conversations: ReadonlyMap<ConversationKey, ConversationRow>;
  readonly #messages: ReadonlyMap<string, StoredMessage>;
  readonly #metas: ReadonlyMap<string, string>;
  readonly #addressed: ReadonlySet<string>;

  private constructor(
    topology: Topology,
    conversations: ReadonlyMap<ConversationKey, ConversationRow>,
    messages: ReadonlyMap<string, StoredMessage>,
    metas: ReadonlyMap<string, string>,
    addressed: ReadonlySet<string>,
  ) {
    this.#topology = topology;
    this.#conversations = conversations;
    this.#messages = messages;
    this.#metas = metas;
    this.#addressed = addressed;
  }

  /** At once when nothing has to be read from the store: the usual case, and the writer's waiting time. */
  static load(store: Store, topology: Topology, commands: readonly Command[]): Facts | Promise<Facts> {
    const need: Need = {
      conversations: new Map(),
      absent: new Set(),
      messages: new Set(),
      metas: new Set(),
      claimed: new Set(),
    };
    for (const command of commands) collect(need, topology, command);
    if (need.absent.size + need.messages.size + need.metas.size + need.claimed.size === 0)
      return new Facts(topology, need.conversations, NO_MESSAGES, new Map(), need.claimed);
    return Facts.#read(store, topology, need);
  }

  static async #read(store: Store, topology: Topology, need: Need): Promise<Facts> {
    const addressed = new Set<string>();
    const look = async (id: string): Promise<void> => {
      if ((await store.dmPage(id, { limit: 1 })).rows.length > 0) addressed.add(id);
    };
    const [stored, messages, metas] = await Promise.all([
      need.absent.size > 0 ? store.conversations([...need.absent]) : undefined,
      need.messages.size > 0 ? store.messages([...need.messages]) : NO_MESSAGES,
      Promise.all([...need.metas].map(async (key) => [key, await store.meta(key)] as const)),
      Promise.all([...need.claimed].map(look)),
    ]);
    for (const row of stored?.values() ?? []) {
      // Committed state, so all may see it; and what the batch makes of it is folded over it.
      topology.putConversation(row);
      need.conversations.set(row.key, row);
    }
    const known = new Map<string, string>();
    for (const [key, value] of metas) if (value !== undefined) known.set(key, value);
    return new Facts(topology, need.conversations, messages, known, addressed);
  }

  get settings(): NetworkSettings {
    return this.#topology.settings;
  }
  room(id: string): RoomState | undefined {
    return this.#topology.room(id);
  }
  roomRecord(id: string): RoomState | undefined {
    return this.#topology.roomRecord(id);
  }
  get roomCount(): number {
    return this.#topology.roomCount;
  }
  agent(id: string): AgentRow | undefined {
    return this.#topology.agent(id);
  }
  agentRecord(id: string): AgentRow | undefined {
    return this.#topology.agentRecord(id);
  }
  get agentCount(): number {
    return this.#topology.agentCount;
  }
  agentByCredential(key: string): AgentRow | undefined {
    return this.#topology.agentByCredential(key);
  }
  removedByCredential(key: string): AgentRow | undefined {
    return this.#topology.removedByCredential(key);
  }
  invite(code_hash: string): InviteRow | undefined {
    return this.#topology.invite(code_hash);
  }
  inviteOf(agent_id: string): InviteRow | undefined {
    return this.#topology.inviteOf(agent_id);
  }
  roomsOf(member: string): ReadonlySet<string> {
    return this.#topology.roomsOf(member);
  }
  held(): Iterable<ConversationRow> {
    return this.#topology.held();
  }
  pair(key: string): PairRow | undefined {
    return this.#topology.pair(key);
  }
  pairsOf(agent: string): Iterable<PairRow> {
    return this.#topology.pairsOf(agent);
  }
  pause(scope: PauseScope): PauseRow | undefined {
    return this.#topology.pause(scope);
  }
  conversation(key: ConversationKey): ConversationRow | undefined {
    return this.#conversations.get(key) ?? this.#topology.conversation(key);
  }
  message(id: string): StoredMessage | undefined {
    return this.#messages.get(id);
  }
  meta(key: string): string | undefined {
    return this.#metas.get(key);
  }
  isAddressed(id: string): boolean {
    return this.#addressed.has(id);
  }
}

const NO_MESSAGES: ReadonlyMap<string, StoredMessage> = new Map();

interface Need {
  /** Those in memory, held fast so that the batch itself cannot push them out. */
  conversations: Map<ConversationKey, ConversationRow>;
  absent: Set<ConversationKey>;
  messages: Set<string>;
  metas: Set<string>;
  /** Ids that nobody has and somebody without a credential claims. */
  claimed: Set<string>;
}

/** Only what the rules will ask for, by the ids as the rules will read them (trimmed). */
function collect(need: Need, topology: Topology, command: Command): void {
  switch (command.kind) {
    case 'message.send': {
      const id = command.request.id?.trim();
      if (id && isId(id)) need.messages.add(id);
      const key = targetKey(command.request, topology.settings.id);
      if (key) wantConversation(need, topology, key);
      return;
    }
    case 'message.redact':
      if (isId(command.message_id.trim())) need.messages.add(command.message_id.trim());
      return;
    case 'agent.register': {
      const id = (command.requested_id ?? '').trim() || slugOf(command.name ?? '');
      const claims = isAnonymous(command.identity) && command.identity.mode !== 'none';
      if (claims && isLocalAgentId(id) && !topology.agentRecord(id)) need.claimed.add(id);
      return;
    }
    case 'guard.resume':
      wantConversation(need, topology, command.conversation);
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

function wantConversation(need: Need, topology: Topology, key: ConversationKey): void {
  const row = topology.conversation(key);
  if (row) need.conversations.set(key, row);
  else need.absent.add(key);
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
