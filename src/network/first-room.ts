/** What the configuration's rooms mean at start-up, and the room that an empty network gets when it declares none. */
import type { RoomConfig } from '../config/types.ts';
import type { ApplyConfigRequest } from '../protocol/network.ts';
import type { CreateRoomRequest } from '../protocol/rooms.ts';

/** meta key: the network has had its first room, so that `general` stays removed when it is. */
export const FIRST_ROOM = 'network.first_room';
export const GENERAL: CreateRoomRequest = {
  id: 'general',
  name: 'general',
  members: undefined,
  visibility: 'public',
  write_policy: 'registered_agents',
  guard: undefined,
};

/** meta key: the fields of a room as the configuration last declared them. */
export const declarationKey = (room_id: string): string => `declared.room.${room_id}`;

/** The configuration's rooms as a request; `rooms` undefined when the file declares none. */
export function firstDeclaration(rooms: readonly RoomConfig[] | undefined): ApplyConfigRequest {
  return { network_id: undefined, agents: undefined, rooms: rooms?.map(roomRequest) };
}

/** A member list that is empty in the file is not a wish to have no members: it is what `init` writes. */
function roomRequest({ id, name, members, visibility, write_policy, guard }: RoomConfig): CreateRoomRequest {
  return { id, name, members: members.length > 0 ? members : undefined, visibility, write_policy, guard };
}
