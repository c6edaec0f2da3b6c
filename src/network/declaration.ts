/** What the server's configuration declares of a network: rooms, agents of its tokens, and the first room. */
import type { RoomConfig, ServerConfig } from '../config/types.ts';
import { derivedTokenId, staticTokenKey } from '../protocol/credentials.ts';
import { canonicalMemberId, isLocalAgentId } from '../protocol/ids.ts';
import type { ApplyConfigRequest } from '../protocol/network.ts';
import type { CreateRoomRequest } from '../protocol/rooms.ts';
import type { RoomRow } from '../store/topology-rows.ts';
import { credentialHash } from './room-fields.ts';

/** meta key: the network has had its first room, so that `general` stays removed when it is. */
export const FIRST_ROOM = 'network.first_room';
export const GENERAL: CreateRoomRequest = {
  id: 'general',
  name: 'general',
  members: undefined,
  visibility: 'public',
  write_policy: 'registered_agents',
  guard: undefined,
  federation: undefined,
};

/** An agent that a token of the configuration speaks for. */
export interface DeclaredAgent {
  id: string;
  credential_key: string;
}

/** What an operator should know of an application of the file: whose word counted. It holds no values. */
export interface DeclarationNote {
  room?: string;
  agent?: string;
  field?: string;
  text: string;
}

/**
 * The agents of auth.tokens[].agents, each under the key of its token. None in mode none, in which all share one
 * credential. Ids of other networks are not registered here.
 */
export function tokenAgents({ network, auth }: Pick<ServerConfig, 'network' | 'auth'>): DeclaredAgent[] {
  if (auth.mode === 'none') return [];
  return auth.tokens.flatMap(({ id, value, agents = [] }) =>
    agents
      .map((agent) => canonicalMemberId(agent, network.id))
      .filter(isLocalAgentId)
      .map((agent) => ({ id: agent, credential_key: staticTokenKey(id ?? derivedTokenId(value)) })),
  );
}

/** What the file declares, as a request; `rooms` undefined when it declares none. */
export function declarationOf(
  rooms: readonly RoomConfig[] | undefined,
  agents: readonly DeclaredAgent[],
): ApplyConfigRequest {
  return {
    network_id: undefined,
    agents: agents.map((agent) => ({ ...agent, name: undefined })),
    rooms: rooms?.map(roomRequest),
  };
}

/** A member list that is empty in the file is not a wish to have no members: it is what `init` writes. */
function roomRequest({ members, ...room }: RoomConfig): CreateRoomRequest {
  return { ...UNSAID, ...room, members: members.length > 0 ? members : undefined };
}

/** A request that says nothing. */
export const UNSAID = {
  name: undefined,
  members: undefined,
  visibility: undefined,
  write_policy: undefined,
  guard: undefined,
  federation: undefined,
  credential: undefined,
} as const satisfies CreateRoomRequest;

/** meta key: the fields of a room as they were declared last. */
export const declarationKey = (room_id: string): string => `declared.room.${room_id}`;

/** A declaration as it is remembered: the fields that it gives, and of the credential only its hash. */
export function remembered({ credential, ...request }: CreateRoomRequest): Record<string, unknown> {
  const fields = { ...request, ...(credential !== undefined && { credential: credentialHash(credential) }) };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The fields of a declaration that it did not give, or gave otherwise, the last time (`last`: as remembered). */
export function newsOf(request: CreateRoomRequest, last: string | undefined): CreateRoomRequest {
  if (last === undefined) return request;
  const before = JSON.parse(last) as Record<string, unknown>;
  const now = remembered(request);
  const news = Object.entries(request).filter(
    ([field]) => JSON.stringify(now[field]) !== JSON.stringify(before[field]),
  );
  return { ...UNSAID, ...Object.fromEntries(news) };
}

/**
 * Whose word counts for each field in which an existing room differs from the file. `wanted`: the room as all of the
 * file would have it; `news`: what the file says anew.
 */
export function notesOf(
  before: RoomRow,
  wanted: RoomRow,
  { members, federation }: { members: boolean; federation: boolean },
  news: CreateRoomRequest,
): DeclarationNote[] {
  const differs = {
    name: before.name !== wanted.name,
    visibility: before.visibility !== wanted.visibility,
    write_policy: before.write_policy !== wanted.write_policy,
    guard: before.guard !== wanted.guard,
    credential: before.credential_hash !== wanted.credential_hash,
    members,
    federation,
  };
  const fields = Object.keys(differs) as (keyof typeof differs)[];
  return fields
    .filter((field) => differs[field])
    .map((field) => {
      const whose = news[field] === undefined ? 'kept as the API set it' : 'taken from the file';
      return { room: before.id, field, text: `field ${field} of room ${before.id}: ${whose}` };
    });
}
