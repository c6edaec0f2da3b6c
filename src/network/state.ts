/**
 * What a rule may look at: the network as it is, with what earlier commands of the same batch will have made of it.
 * Rules only read it; what they change is what they write (fold.ts).
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { GuardSettings } from '../protocol/rooms.ts';
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
import type { PairingIdentity } from './identity.ts';
import type { NetworkSettings } from './settings.ts';

export interface RoomState {
  readonly row: RoomRow;
  readonly guard: GuardSettings;
  /** Canonical member id → the seq at which it became one (0 while its batch is not committed). */
  readonly members: ReadonlyMap<string, number>;
  /** Members of other networks by their bare id, for short mentions. */
  readonly remoteMembers: ReadonlyMap<string, readonly string[]>;
  /** Pairing id (`*` for all) → the seq after which its messages are shared (0 while that batch is not committed). */
  readonly shares: ReadonlyMap<string, number>;
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
  /** The registered agent whose token has this key (`agent-token:HASH`); undefined for keys of any other kind. */
  agentByCredential(key: string): AgentRow | undefined;
  /** The same for the tombstone of an agent that was removed with this token. */
  removedByCredential(key: string): AgentRow | undefined;
  /** The claim code with this hash, expired or not, until it is used. */
  invite(code_hash: string): InviteRow | undefined;
  /** The one claim code of an agent id. */
  inviteOf(agent_id: string): InviteRow | undefined;
  /** Ids of the rooms (not removed) that it is a member of. */
  roomsOf(member: string): ReadonlySet<string>;
  conversation(key: ConversationKey): ConversationRow | undefined;
  /** Conversations that the guard holds. */
  held(): Iterable<ConversationRow>;
  /** What is known of two agents that answer each other; undefined when they have not for an hour. */
  pair(key: string): PairRow | undefined;
  /** All that is known of the pairs of one agent (FQID). */
  pairsOf(agent: string): Iterable<PairRow>;
  /** Those of them in which the other had the last turn. */
  pairsAwaiting(agent: string): Iterable<PairRow>;
  /** The turns of a registered agent that run, or are to be run again, since this process runs: by the wake's id, as it is stored. */
  wakesOf(agent_id: string): ReadonlyMap<string, ConversationKey>;
  pause(scope: PauseScope): PauseRow | undefined;
  /** There is a pairing, of the configuration or kept here. */
  readonly hasPairings: boolean;
  /** A pairing that is kept here. */
  pairing(id: string): PairingRow | undefined;
  pairings(): Iterable<PairingRow>;
  /** Ids of the rooms whose federation names this pairing (not by `all`). Looks through all rooms: for a new pairing only. */
  sharedWith(pairing_id: string): Iterable<string>;
  /** The pairing with a network, of the configuration or kept here. */
  pairingOf(network_id: string): PairingIdentity | undefined;
  pairingInvite(code_hash: string): PairingInviteRow | undefined;
  pairingInvites(): Iterable<PairingInviteRow>;
  message(id: string): StoredMessage | undefined;
  /** Whether a message of another network was taken once, and is here no more because retention has removed it. */
  wasTaken(network: string, message_id: string): boolean;
  meta(key: string): string | undefined;
  /** Whether a DM is with somebody of this id; known of ids that a command without a credential claims. */
  isAddressed(id: string): boolean;
}
