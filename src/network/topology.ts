/**
 * What a process holds in memory of a network: rooms with their members, agents, the conversations that the guard
 * holds, and those used last. Only committed writes change it. Everybody may read it; its values are not copies.
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import type { ConversationRow, PairRow } from '../store/log-rows.ts';
import type { ForeignBatch } from '../store/peers.ts';
import type {
  AgentRow,
  InviteRow,
  PairingInviteRow,
  PairingRow,
  PauseRow,
  RoomRow,
  TopologyRows,
} from '../store/topology-rows.ts';
import type { Writes } from '../store/writes.ts';
import { CredentialIndex } from './credential-index.ts';
import type { PairingIdentity } from './identity.ts';
import { fold, foldForeign, type Foldable } from './fold.ts';
import { Lru } from './lru.ts';
import { Pairs } from './pairs.ts';
import { Room } from './room-state.ts';
import { Wakes } from './wakes.ts';
import type { NetworkSettings } from './settings.ts';

/** Conversation rows kept in memory; others are loaded when a batch needs them. */
const CONVERSATIONS = 8_192;
const NOTHING: ReadonlySet<string> = new Set();

export class Topology implements Foldable {
  readonly settings: NetworkSettings;
  readonly #rooms = new Map<string, Room>();
  readonly #roomsOf = new Map<string, Set<string>>();
  readonly #agents = new Map<string, AgentRow>();
  readonly #credentials = new CredentialIndex();
  readonly #pairs = new Pairs();
  readonly #wakes = new Wakes();
  readonly #pauses = new Map<PauseScope, PauseRow>();
  readonly #pairings = new Map<string, PairingRow>();
  readonly #pairingInvites = new Map<string, PairingInviteRow>();
  readonly #held = new Map<ConversationKey, ConversationRow>();
  readonly #conversations = new Lru<ConversationKey, ConversationRow>(CONVERSATIONS);
  #roomCount = 0;
  #agentCount = 0;
  #roomIds: string[] | undefined;
  #agentIds: string[] | undefined;

  constructor(settings: NetworkSettings, rows: TopologyRows) {
    this.settings = settings;
    for (const row of rows.rooms) {
      this.#rooms.set(row.id, new Room(row));
      if (row.removed_at === null) this.#roomCount++;
    }
    for (const { room_id, member_id, since_seq } of rows.members) {
      if (this.room(room_id)) this.addMember(room_id, member_id, since_seq);
    }
    for (const { room_id, pairing_id, since_seq } of rows.shares)
      this.addShare(room_id, pairing_id, since_seq);
    for (const row of rows.pairings) this.putPairing(row);
    for (const row of rows.pairing_invites) this.putPairingInvite(row);
    for (const row of rows.agents) this.putAgent(row);
    for (const row of rows.invites) this.putInvite(row);
    for (const row of rows.held) this.putConversation(row);
    for (const row of rows.pairs) this.putPair(row);
    for (const row of rows.pauses) this.putPause(row);
  }

  // Reads

  /** A room that is not removed. */
  room(id: string): Room | undefined {
    const room = this.#rooms.get(id);
    return room?.row.removed_at === null ? room : undefined;
  }
  roomRecord(id: string): Room | undefined {
    return this.#rooms.get(id);
  }
  get roomCount(): number {
    return this.#roomCount;
  }
  /** Of the removed ones too. */
  get roomRecordCount(): number {
    return this.#rooms.size;
  }
  /** Ids of the rooms that are not removed, ascending; do not change it. */
  roomIds(): readonly string[] {
    return (this.#roomIds ??= [...this.#rooms.keys()].filter((id) => this.room(id)).sort());
  }
  isMember(room_id: string, member: string): boolean {
    return this.room(room_id)?.members.has(member) ?? false;
  }
  /** The seq at which it became a member; undefined when it is none. */
  memberSince(room_id: string, member: string): number | undefined {
    return this.room(room_id)?.members.get(member);
  }
  roomsOf(member: string): ReadonlySet<string> {
    return this.#roomsOf.get(member) ?? NOTHING;
  }
  /** A registered agent. */
  agent(id: string): AgentRow | undefined {
    const agent = this.#agents.get(id);
    return agent?.removed_at === null ? agent : undefined;
  }
  agentRecord(id: string): AgentRow | undefined {
    return this.#agents.get(id);
  }
  isRemovedAgent(id: string): boolean {
    return (this.#agents.get(id)?.removed_at ?? null) !== null;
  }
  get agentCount(): number {
    return this.#agentCount;
  }
  /** The registered agent whose token has this key (`agent-token:HASH`); undefined for keys of any other kind. */
  agentByCredential(key: string): AgentRow | undefined {
    return this.agent(this.#credentials.holder(key) ?? '');
  }
  /** The same for the tombstone of an agent that was removed with this token. */
  removedByCredential(key: string): AgentRow | undefined {
    const record = this.#agents.get(this.#credentials.holder(key) ?? '');
    return record?.removed_at === null ? undefined : record;
  }
  invite(code_hash: string): InviteRow | undefined {
    return this.#credentials.invite(code_hash);
  }
  inviteOf(agent_id: string): InviteRow | undefined {
    return this.#credentials.inviteOf(agent_id);
  }
  /** Ids of registered agents and of members of rooms, ascending; do not change it. */
  agentIds(): readonly string[] {
    if (this.#agentIds) return this.#agentIds;
    const ids = new Set(this.#roomsOf.keys());
    for (const [id, row] of this.#agents) if (row.removed_at === null) ids.add(id);
    return (this.#agentIds = [...ids].sort());
  }
  held(): Iterable<ConversationRow> {
    return this.#held.values();
  }
  isHeld(key: ConversationKey): boolean {
    return this.#held.has(key);
  }
  pair(key: string): PairRow | undefined {
    return this.#pairs.get(key);
  }
  /** Pairs of this agent (FQID) that have answered each other in the last hour. */
  pairsOf(agent: string): Iterable<PairRow> {
    return this.#pairs.of(agent).values();
  }
  pairsAwaiting(agent: string): Iterable<PairRow> {
    return this.#pairs.awaiting(agent).values();
  }
  get hasPairings(): boolean {
    return this.#pairings.size > 0 || this.settings.pairings.size > 0;
  }
  pairing(id: string): PairingRow | undefined {
    return this.#pairings.get(id);
  }
  pairings(): Iterable<PairingRow> {
    return this.#pairings.values();
  }
  *sharedWith(pairing_id: string): Iterable<string> {
    for (const [id, { shares }] of this.#rooms) if (shares.has(pairing_id)) yield id;
  }
  pairingOf(network_id: string): PairingIdentity | undefined {
    return pairingOf(this, network_id);
  }
  /** The one that sends this token. */
  pairingByToken(token_hash: string): PairingRow | undefined {
    for (const row of this.#pairings.values()) if (row.token_hash === token_hash) return row;
    return undefined;
  }
  pairingInvite(code_hash: string): PairingInviteRow | undefined {
    return this.#pairingInvites.get(code_hash);
  }
  pairingInvites(): Iterable<PairingInviteRow> {
    return this.#pairingInvites.values();
  }
  wakesOf(agent_id: string): ReadonlyMap<string, ConversationKey> {
    return this.#wakes.of(agent_id);
  }
  pause(scope: PauseScope): PauseRow | undefined {
    return this.#pauses.get(scope);
  }
  /** Whether anything is paused: asked for every delivery, so that the usual case costs nothing. */
  get hasPauses(): boolean {
    return this.#pauses.size > 0;
  }
  /** In order of scope. */
  pauses(): PauseRow[] {
    return [...this.#pauses.values()].sort((a, b) => (a.scope < b.scope ? -1 : 1));
  }
  /**
   * The widest pause that keeps this agent from being woken in this room (undefined: in a DM). The end of one that has
   * an `until` is a `pause.changed` like any other, so there is no time to look at here.
   */
  pausedFor(agent_id: string, room_id: string | undefined): PauseRow | undefined {
    if (this.#pauses.size === 0) return undefined;
    return (
      this.#pauses.get('*') ??
      (room_id === undefined ? undefined : this.#pauses.get(`room:${room_id}`)) ??
      this.#pauses.get(`agent:${agent_id}`)
    );
  }
  /** The row if it is in memory. */
  conversation(key: ConversationKey): ConversationRow | undefined {
    return this.#held.get(key) ?? this.#conversations.get(key);
  }

  // Changes: only by writes that are on disk

  committed(writes: Writes, seqs: readonly number[]): void {
    fold(this, writes, seqs);
  }

  foreign(batch: ForeignBatch): void {
    foldForeign(this, batch);
  }

  putRoom(row: Omit<RoomRow, 'created_seq'>, seq: number): void {
    const room = this.#rooms.get(row.id);
    // A room that comes back begins anew; only its history is the old one.
    const full: RoomRow = { ...row, created_seq: room?.row.removed_at === null ? room.row.created_seq : seq };
    if (room?.row.removed_at !== null) this.#roomCount++;
    if (room) room.update(full);
    else this.#rooms.set(row.id, new Room(full));
    this.#roomIds = undefined;
  }
  removeRoom(id: string, removed_at: string): void {
    const room = this.room(id);
    if (!room) return;
    for (const member of room.members.keys()) this.#forget(member, id);
    room.update({ ...room.row, removed_at });
    this.#roomCount--;
    this.#roomIds = this.#agentIds = undefined;
  }
  addMember(room_id: string, member: string, seq: number): void {
    this.#rooms.get(room_id)?.add(member, seq);
    const rooms = this.#roomsOf.get(member);
    if (rooms) rooms.add(room_id);
    else this.#roomsOf.set(member, new Set([room_id]));
    this.#agentIds = undefined;
  }
  removeMember(room_id: string, member: string): void {
    this.#rooms.get(room_id)?.drop(member);
    this.#forget(member, room_id);
    this.#agentIds = undefined;
  }
  addShare(room_id: string, pairing_id: string, seq: number): void {
    this.room(room_id)?.share(pairing_id, seq);
  }
  removeShare(room_id: string, pairing_id: string): void {
    this.#rooms.get(room_id)?.shares.delete(pairing_id);
  }
  putPairing(row: PairingRow): void {
    this.#pairings.set(row.id, row);
  }
  removePairing(id: string): void {
    this.#pairings.delete(id);
    for (const room of this.#rooms.values()) room.shares.delete(id);
  }
  putPairingInvite(row: PairingInviteRow): void {
    this.#pairingInvites.set(row.code_hash, row);
  }
  removePairingInvite(code_hash: string): void {
    this.#pairingInvites.delete(code_hash);
  }
  putAgent(row: AgentRow): void {
    if (this.agent(row.id)) this.#agentCount--;
    if (row.removed_at === null) this.#agentCount++;
    this.#credentials.bind(row.id, this.#agents.get(row.id)?.credential_key, row.credential_key);
    this.#agents.set(row.id, row);
    this.#agentIds = undefined;
  }
  removeAgent(id: string, removed_at: string): void {
    const row = this.agent(id);
    if (row) this.putAgent({ ...row, removed_at });
    this.#wakes.forget(id);
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
    this.#wakes.open(agent_id, wake_id, conversation);
  }
  closeWake(wake_id: string): void {
    this.#wakes.close(wake_id);
  }
  putPause(row: PauseRow): void {
    this.#pauses.set(row.scope, row);
  }
  removePause(scope: PauseScope): void {
    this.#pauses.delete(scope);
  }
  putConversation(row: ConversationRow): void {
    if (row.held_at === null) this.#held.delete(row.key);
    else this.#held.set(row.key, row);
    this.#conversations.set(row.key, row);
  }

  #forget(member: string, room_id: string): void {
    const rooms = this.#roomsOf.get(member);
    rooms?.delete(room_id);
    if (rooms?.size === 0) this.#roomsOf.delete(member);
  }
}

/** Few pairings: looked through. */
export function pairingOf(
  state: { settings: NetworkSettings; pairings(): Iterable<PairingRow> },
  network_id: string,
): PairingIdentity | undefined {
  for (const { id, remote_network_id } of state.pairings())
    if (remote_network_id === network_id) return { id, network: network_id, bound: true };
  for (const pairing of state.settings.pairings.values()) if (pairing.network === network_id) return pairing;
  return undefined;
}
