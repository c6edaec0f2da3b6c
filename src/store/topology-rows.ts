/** Who and what there is: rooms, members, agents, pauses, pairings, and credentials. */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import type { ConversationRow, PairRow } from './log-rows.ts';

export interface PauseRow {
  scope: PauseScope;
  /** As PauseChange.by. */
  paused_by: string;
  at: string;
  until: string | null;
}

export interface RoomRow {
  id: string;
  name: string;
  visibility: string;
  write_policy: string;
  /** JSON of GuardSettings, `{}` for defaults. */
  guard: string;
  created_at: string;
  created_seq: number;
  removed_at: string | null;
  /** hashSecret of the credential by which agents join by themselves. */
  credential_hash: string | null;
}

export interface MemberRow {
  room_id: string;
  member_id: string;
  since_seq: number;
}

export interface AgentRow {
  id: string;
  actor_uid: string;
  display_name: string | null;
  credential_key: string;
  created_at: string;
  updated_at: string;
  removed_at: string | null;
  /** hashSecret of the claim key, until the first use of the token that was minted for it. */
  claim_key_hash: string | null;
}

/** A claim code that was not used yet; an agent id has at most one. */
export interface InviteRow {
  code_hash: string;
  agent_id: string;
  created_at: string;
  expires_at: string;
}

/** A paired network that is kept here (others stand in the server's file). */
export interface PairingRow {
  id: string;
  remote_network_id: string;
  remote_network_name: string | null;
  /** Without a trailing slash; null when only a link of its own reaches it. */
  remote_base_url: string | null;
  /** What we send to it, as it is: nothing else can be sent. */
  token: string | null;
  /** hashSecret of what it sends to us. */
  token_hash: string;
  /** We keep a link to it, through which it reaches us. */
  link: boolean;
  created_at: string;
}

/** A code of `pair invite` that was not used yet. */
export interface PairingInviteRow {
  /** hashSecret of the secret in it. */
  code_hash: string;
  /** Short, for people. */
  id: string;
  /** JSON list of the rooms that it shares. */
  rooms: string;
  created_at: string;
  expires_at: string;
}

/** A room is shared with a pairing, or with all (`*`), from the messages after since_seq on. */
export interface ShareRow {
  room_id: string;
  pairing_id: string;
  since_seq: number;
}

/** A browser's login: it lives until `expires_at`, and no longer than its token (id and value) is configured. */
export interface SessionRow {
  /** hashSecret of the cookie. */
  id_hash: string;
  token_id: string;
  /** hashSecret of the token's value. */
  token_hash: string;
  created_at: string;
  expires_at: string;
}

/** How far a person has read a conversation. */
export interface ReadRow {
  person_id: string;
  conversation: ConversationKey;
  /** Of the newest message that the person has seen. */
  seq: number;
  message_id: string;
  /** RFC 3339. */
  at: string;
}

/** Everything a process holds in memory about the network, at `head`. */
export interface TopologyRows {
  head: number;
  rooms: RoomRow[];
  members: MemberRow[];
  agents: AgentRow[];
  /** Conversations that the guard holds now. */
  held: ConversationRow[];
  /** Expired ones too. */
  invites: InviteRow[];
  /** The one that was still for the longest time first. */
  pairs: PairRow[];
  /** In order of scope. */
  pauses: PauseRow[];
  /** By id. */
  pairings: PairingRow[];
  /** Expired ones too. */
  pairing_invites: PairingInviteRow[];
  shares: ShareRow[];
}
