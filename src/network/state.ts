/**
 * What a rule may look at: the network as it is, with what earlier commands of the same batch will have made of it.
 * Rules only read it; what they change is what they write (fold.ts).
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { GuardSettings } from '../protocol/rooms.ts';
import type { AgentRow, ConversationRow, RoomRow, StoredMessage } from '../store/store.ts';
import type { NetworkSettings } from './settings.ts';

export interface RoomState {
  readonly row: RoomRow;
  readonly guard: GuardSettings;
  /** Canonical member id → the seq at which it became one (0 while its batch is not committed). */
  readonly members: ReadonlyMap<string, number>;
  /** Members of other networks by their bare id, for short mentions. */
  readonly remoteMembers: ReadonlyMap<string, readonly string[]>;
}

export interface State {
  readonly settings: NetworkSettings;
  /** A room that is not removed. */
  room(id: string): RoomState | undefined;
  /** The same, removed ones too. */
  roomRecord(id: string): RoomState | undefined;
  readonly roomCount: number;
  /** A registered agent. */
  agent(id: string): AgentRow | undefined;
  /** The same, and the tombstones of removed ones. */
  agentRecord(id: string): AgentRow | undefined;
  readonly agentCount: number;
  /** Ids of the rooms (not removed) that it is a member of. */
  roomsOf(member: string): ReadonlySet<string>;
  conversation(key: ConversationKey): ConversationRow | undefined;
  /** Conversations that the guard holds. */
  held(): Iterable<ConversationRow>;
  message(id: string): StoredMessage | undefined;
  meta(key: string): string | undefined;
}
