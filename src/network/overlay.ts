/** The changes of commands that are decided and not yet on disk, laid over the state they were decided against. */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import type { ConversationRow, PairRow, StoredMessage } from '../store/log-rows.ts';
import type {
  AgentRow,
  InviteRow,
  PairingInviteRow,
  PairingRow,
  PauseRow,
  RoomRow,
} from '../store/topology-rows.ts';
import type { Writes } from '../store/writes.ts';
import { CredentialIndex } from './credential-index.ts';
import { fold, type Foldable } from './fold.ts';
import { Pairs } from './pairs.ts';
import { Room } from './room-state.ts';
import { Wakes } from './wakes.ts';
import type { PairingIdentity } from './identity.ts';
import type { NetworkSettings } from './settings.ts';
import type { RoomState, State } from './state.ts';
import { pairingOf } from './topology.ts';

export class Overlay implements State, Foldable {
  readonly #below: State;
  #settings: NetworkSettings | undefined;
  readonly #rooms = new Map<string, Room>();
  readonly #agents = new Map<string, AgentRow>();
  readonly #credentials: CredentialIndex;
  readonly #conversations = new Map<ConversationKey, ConversationRow>();
  readonly #pairs = new Pairs();
  readonly #wakes = new Wakes();
  readonly #ended = new Set<string>();
  /** Null for one that has ended. */
  readonly #pauses = new Map<PauseScope, PauseRow | null>();
  /** Null for one that is removed. */
  readonly #pairings = new Map<string, PairingRow | null>();
  readonly #pairingInvites = new Map<string, PairingInviteRow | null>();
  readonly #messages = new Map<string, StoredMessage>();
  /** Put, and not asked for yet: few messages ever are in the batch that brings them. */
  readonly #newMessages: StoredMessage[] = [];
  readonly #metas = new Map<string, string>();
  #roomCount = 0;
  #agentCount = 0;

  constructor(below: State) {
    this.#below = below;
    this.#credentials = new CredentialIndex({
      holder: (key) => (below.agentByCredential(key) ?? below.removedByCredential(key))?.id,
      invite: (code_hash) => below.invite(code_hash),
      inviteOf: (agent_id) => below.inviteOf(agent_id),
    });
  }

  /** What holds for the commands after this one. */
  settle(settings: NetworkSettings): void {
    this.#settings = settings;
  }

  apply(writes: Writes): void {
    fold(this, writes, undefined);
  }

  get settings(): NetworkSettings {
    return this.#settings ?? this.#below.settings;
  }
  room(id: string): RoomState | undefined {
    const room = this.roomRecord(id);
    return room?.row.removed_at === null ? room : undefined;
  }
  roomRecord(id: string): RoomState | undefined {
    return this.#rooms.get(id) ?? this.#below.roomRecord(id);
  }
  get roomCount(): number {
    return this.#below.roomCount + this.#roomCount;
  }
  agent(id: string): AgentRow | undefined {
    const agent = this.agentRecord(id);
    return agent?.removed_at === null ? agent : undefined;
  }
  agentRecord(id: string): AgentRow | undefined {
    return this.#agents.get(id) ?? this.#below.agentRecord(id);
  }
  get agentCount(): number {
    return this.#below.agentCount + this.#agentCount;
  }
  agentByCredential(key: string): AgentRow | undefined {
    return this.agent(this.#credentials.holder(key) ?? '');
  }
  removedByCredential(key: string): AgentRow | undefined {
    const record = this.agentRecord(this.#credentials.holder(key) ?? '');
    return record?.removed_at === null ? undefined : record;
  }
  invite(code_hash: string): InviteRow | undefined {
    return this.#credentials.invite(code_hash);
  }
  inviteOf(agent_id: string): InviteRow | undefined {
    return this.#credentials.inviteOf(agent_id);
  }
  roomsOf(member: string): ReadonlySet<string> {
    if (this.#rooms.size === 0) return this.#below.roomsOf(member);
    const rooms = new Set(this.#below.roomsOf(member));
    for (const [id, room] of this.#rooms) {
      if (room.members.has(member)) rooms.add(id);
      else rooms.delete(id);
    }
    return rooms;
  }
  conversation(key: ConversationKey): ConversationRow | undefined {
    return this.#conversations.get(key) ?? this.#below.conversation(key);
  }
  changesConversation(key: ConversationKey): boolean {
    return this.#conversations.has(key);
  }
  *held(): Iterable<ConversationRow> {
    for (const row of this.#below.held()) if (!this.#conversations.has(row.key)) yield row;
    for (const row of this.#conversations.values()) if (row.held_at !== null) yield row;
  }
  pair(key: string): PairRow | undefined {
    return this.#pairs.get(key) ?? this.#below.pair(key);
  }
  *pairsAwaiting(agent: string): Iterable<PairRow> {
    const own = this.#pairs.of(agent);
    for (const row of this.#below.pairsAwaiting(agent)) if (!own.has(row.pair)) yield row;
    yield* this.#pairs.awaiting(agent).values();
  }
  *pairsOf(agent: string): Iterable<PairRow> {
    const own = this.#pairs.of(agent);
    for (const row of this.#below.pairsOf(agent)) if (!own.has(row.pair)) yield row;
    yield* own.values();
  }
  wakesOf(agent_id: string): ReadonlyMap<string, ConversationKey> {
    const [below, own] = [this.#below.wakesOf(agent_id), this.#wakes.of(agent_id)];
    if (own.size + this.#ended.size === 0) return below;
    const wakes = new Map([...below, ...own]);
    for (const wake_id of this.#ended) wakes.delete(wake_id);
    return wakes;
  }
  pause(scope: PauseScope): PauseRow | undefined {
    const pause = this.#pauses.get(scope);
    return pause === null ? undefined : (pause ?? this.#below.pause(scope));
  }
  get hasPairings(): boolean {
    return this.#pairings.size > 0 || this.#below.hasPairings;
  }
  pairing(id: string): PairingRow | undefined {
    const pairing = this.#pairings.get(id);
    return pairing === null ? undefined : (pairing ?? this.#below.pairing(id));
  }
  *pairings(): Iterable<PairingRow> {
    for (const row of this.#below.pairings()) if (!this.#pairings.has(row.id)) yield row;
    for (const row of this.#pairings.values()) if (row) yield row;
  }
  *sharedWith(pairing_id: string): Iterable<string> {
    for (const id of this.#below.sharedWith(pairing_id)) if (!this.#rooms.has(id)) yield id;
    for (const [id, { shares }] of this.#rooms) if (shares.has(pairing_id)) yield id;
  }
  pairingOf(network_id: string): PairingIdentity | undefined {
    return pairingOf(this, network_id);
  }
  pairingInvite(code_hash: string): PairingInviteRow | undefined {
    const invite = this.#pairingInvites.get(code_hash);
    return invite === null ? undefined : (invite ?? this.#below.pairingInvite(code_hash));
  }
  *pairingInvites(): Iterable<PairingInviteRow> {
    for (const row of this.#below.pairingInvites()) if (!this.#pairingInvites.has(row.code_hash)) yield row;
    for (const row of this.#pairingInvites.values()) if (row) yield row;
  }
  message(id: string): StoredMessage | undefined {
    for (const message of this.#newMessages.splice(0)) this.#messages.set(message.id, message);
    return this.#messages.get(id) ?? this.#below.message(id);
  }
  wasTaken(network: string, message_id: string): boolean {
    return this.#below.wasTaken(network, message_id);
  }
  meta(key: string): string | undefined {
    return this.#metas.get(key) ?? this.#below.meta(key);
  }
  isAddressed(id: string): boolean {
    if (this.#below.isAddressed(id)) return true;
    for (const { participants } of this.#conversations.values()) if (participants?.includes(id)) return true;
    return false;
  }

  putRoom(row: Omit<RoomRow, 'created_seq'>, seq: number): void {
    const room = this.#roomForChange(row.id);
    // A room that comes back begins anew; only its history is the old one.
    const full: RoomRow = { ...row, created_seq: room?.row.removed_at === null ? room.row.created_seq : seq };
    if (room?.row.removed_at !== null) this.#roomCount++;
    if (room) room.update(full);
    else this.#rooms.set(row.id, new Room(full));
  }
  removeRoom(id: string, removed_at: string): void {
    const room = this.#roomForChange(id);
    if (room?.row.removed_at !== null) return;
    room.update({ ...room.row, removed_at });
    this.#roomCount--;
  }
  addMember(room_id: string, member: string, seq: number): void {
    this.#roomForChange(room_id)?.add(member, seq);
  }
  removeMember(room_id: string, member: string): void {
    this.#roomForChange(room_id)?.drop(member);
  }
  addShare(room_id: string, pairing_id: string, seq: number): void {
    this.#roomForChange(room_id)?.share(pairing_id, seq);
  }
  removeShare(room_id: string, pairing_id: string): void {
    this.#roomForChange(room_id)?.shares.delete(pairing_id);
  }
  putPairing(row: PairingRow): void {
    this.#pairings.set(row.id, row);
  }
  removePairing(id: string): void {
    for (const room of this.sharedWith(id)) this.removeShare(room, id);
    this.#pairings.set(id, null);
  }
  putPairingInvite(row: PairingInviteRow): void {
    this.#pairingInvites.set(row.code_hash, row);
  }
  removePairingInvite(code_hash: string): void {
    this.#pairingInvites.set(code_hash, null);
  }
  putAgent(row: AgentRow): void {
    if (this.agent(row.id)) this.#agentCount--;
    if (row.removed_at === null) this.#agentCount++;
    this.#credentials.bind(row.id, this.agentRecord(row.id)?.credential_key, row.credential_key);
    this.#agents.set(row.id, row);
  }
  removeAgent(id: string, removed_at: string): void {
    const row = this.agent(id);
    if (row) this.putAgent({ ...row, removed_at });
  }
  putInvite(row: InviteRow): void {
    this.#credentials.putInvite(row);
  }
  removeInvite(code_hash: string): void {
    this.#credentials.removeInvite(code_hash);
  }
  putPair(row: PairRow): void {
    this.#pairs.put(row);
  }
  openWake(agent_id: string, wake_id: string, conversation: ConversationKey): void {
    this.#ended.delete(wake_id);
    this.#wakes.open(agent_id, wake_id, conversation);
  }
  closeWake(wake_id: string): void {
    this.#ended.add(wake_id);
    this.#wakes.close(wake_id);
  }
  putPause(row: PauseRow): void {
    this.#pauses.set(row.scope, row);
  }
  removePause(scope: PauseScope): void {
    this.#pauses.set(scope, null);
  }
  putConversation(row: ConversationRow): void {
    this.#conversations.set(row.key, row);
  }
  putMessage(message: StoredMessage): void {
    this.#newMessages.push(message);
  }
  redactMessage(id: string, payload: string): void {
    const message = this.message(id);
    if (message) this.#messages.set(id, { ...message, payload, content_hash: null });
  }
  putMeta(key: string, value: string): void {
    this.#metas.set(key, value);
  }

  #roomForChange(id: string): Room | undefined {
    const own = this.#rooms.get(id);
    if (own) return own;
    const below = this.#below.roomRecord(id);
    if (!below) return undefined;
    const copy = new Room(below.row, below.members, below.shares);
    this.#rooms.set(id, copy);
    return copy;
  }
}
