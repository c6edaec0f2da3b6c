/** Rows and state as the wire shows them: fields in the order of wire.md 1.2, empty ones left out. */
import type { AgentRegistration, AgentSummary } from '../protocol/agents.ts';
import { fqid, memberFqid } from '../protocol/ids.ts';
import type { DirectConversation, GuardSettings, Room, RoomAccess, Thread } from '../protocol/rooms.ts';
import type { ConversationRow } from '../store/log-rows.ts';
import type { AgentRow, RoomRow } from '../store/topology-rows.ts';
import { can, roomAccess } from './access.ts';
import type { Identity } from './identity.ts';
import type { NetworkSettings } from './settings.ts';
import { federationOf } from './sharing.ts';
import type { RoomState } from './state.ts';
import type { Topology } from './topology.ts';

/** `members` sorted. `access` only where the caller is known (wire.md 1.2). */
export function roomWire(
  network_id: string,
  row: Omit<RoomRow, 'created_seq'>,
  members: readonly string[],
  { shares, access }: { shares?: RoomState['shares']; access?: RoomAccess } = {},
): Room {
  const federation = federationOf(shares);
  return {
    id: row.id,
    network_id,
    fqid: fqid(network_id, 'rooms', row.id),
    name: row.name,
    ...(members.length > 0 && { members: members as string[] }),
    visibility: row.visibility,
    write_policy: row.write_policy,
    ...(row.guard !== '{}' && { guard: JSON.parse(row.guard) as GuardSettings }),
    ...(federation !== undefined && { federation }),
    ...(access && { access }),
    created_at: row.created_at,
  };
}

/** Member ids of a room, ascending. */
export function membersOf(room: RoomState & { sortedMembers?: readonly string[] }): readonly string[] {
  return room.sortedMembers ?? [...room.members.keys()].sort();
}

/** A room as this caller is shown it, with `access`; GET /v1/rooms and GET /v1/rooms/{id}. */
export function roomView(settings: NetworkSettings, identity: Identity, room: RoomState): Room {
  return roomWire(settings.id, room.row, membersOf(room), {
    // With whom else it is shared, is for nobody of another network to know.
    ...(!identity.pairing && { shares: room.shares }),
    access: roomAccess(settings, identity, room),
  });
}

export function threadView(network_id: string, row: ConversationRow): Thread {
  return {
    id: row.id,
    network_id,
    fqid: fqid(network_id, 'threads', row.id),
    room_id: row.room_id!,
    ...(row.parent_message_id !== null && { parent_message_id: row.parent_message_id }),
    message_count: row.message_count,
    last_message_at: row.last_message_at,
  };
}

export function dmView(network_id: string, row: ConversationRow): DirectConversation {
  return {
    id: row.id,
    network_id,
    fqid: fqid(network_id, 'dms', row.id),
    ...(row.participants && row.participants.length > 0 && { participant_ids: row.participants }),
    message_count: row.message_count,
    last_message_at: row.last_message_at,
  };
}

/** `agent_token` where one was minted: this answer is the only place that it is ever in. */
export function registrationWire(network_id: string, row: AgentRow, agent_token?: string): AgentRegistration {
  return {
    network_id,
    agent_id: row.id,
    actor_uid: row.actor_uid,
    actor_uri: fqid(network_id, 'agents', row.id),
    ...(row.display_name !== null && { display_name: row.display_name }),
    ...(agent_token !== undefined && { agent_token }),
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

/** What the server knows of an agent's attachments; it is not kept in the network. */
export interface Presence {
  connected: boolean;
  attachments?: number;
  connected_since?: string;
  state?: AgentSummary['state'];
  /** `room_id`: of a room or a thread. */
  working?: { wake_id: string; conversation: string; since: string; room_id: string | undefined }[];
  cannot_wake?: string;
  cannot_wake_cause?: string;
  cannot_wake_until?: string;
  last_wake_failure?: AgentSummary['last_wake_failure'];
}
const AWAY: Presence = { connected: false };

/**
 * An agent that is registered or a member of a room; undefined when it is neither. `rooms` are those that `mayRead`
 * lets through; a scoped member shows its own network (the original's single view gets that wrong).
 */
export function agentView(
  topology: Topology,
  id: string,
  presence: Presence = AWAY,
  mayRead: (room: RoomState) => boolean = everyRoom,
  mayReadDms = true,
): AgentSummary | undefined {
  const row = topology.agent(id);
  const memberships = topology.roomsOf(id);
  if (!row && memberships.size === 0) return undefined;
  const network_id = topology.settings.id;
  const colon = id.indexOf(':');
  const name = row ? row.display_name : topology.settings.people.get(id)?.name;
  const rooms = [...memberships].filter((room_id) => mayRead(topology.room(room_id)!)).sort();
  return {
    id,
    ...(name && { name }),
    ...(row && { actor_uid: row.actor_uid }),
    fqid: memberFqid(id, network_id),
    network_id: colon < 0 ? network_id : id.slice(0, colon),
    ...(rooms.length > 0 && { rooms }),
    connected: presence.connected,
    ...(presence.attachments && { attachments: presence.attachments }),
    ...(presence.connected_since && { connected_since: presence.connected_since }),
    ...(presence.state && { state: presence.state }),
    ...(presence.working && {
      working: presence.working.map(({ wake_id, conversation, since, room_id }) => {
        const room = room_id === undefined ? undefined : topology.room(room_id);
        const shown = room_id === undefined ? mayReadDms : room !== undefined && mayRead(room);
        return { wake_id, ...(shown && { conversation }), since };
      }),
    }),
    ...(presence.cannot_wake && { cannot_wake: presence.cannot_wake }),
    ...(presence.cannot_wake_cause && { cannot_wake_cause: presence.cannot_wake_cause }),
    ...(presence.cannot_wake_until && { cannot_wake_until: presence.cannot_wake_until }),
    ...(presence.last_wake_failure && { last_wake_failure: presence.last_wake_failure }),
  };
}
const everyRoom = () => true;

/**
 * May this caller see that the agent or person exists: who may read the whole roster, is it, or shares with it a room
 * that it may read.
 */
export function mayReadAgent(topology: Topology, identity: Identity, id: string): boolean {
  const { settings } = topology;
  if (can(settings, identity, 'observe').allowed) return true;
  if (identity.agents?.has(id) || identity.human?.id === id) return true;
  for (const room_id of topology.roomsOf(id)) {
    const room = topology.room(room_id)!;
    if (can(settings, identity, 'room.read', { room }).allowed) return true;
  }
  return false;
}
