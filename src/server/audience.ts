/**
 * What one caller is sent of the log, where that is not everything: an interest by which the tail finds it, kept current
 * while rooms change, and the last word on each event, by what the caller may read in that very moment. So nothing of a
 * room follows the leaving, neither live nor in a replay.
 */
import type { Interest } from '../log/tail.ts';
import { can } from '../network/access.ts';
import type { Identity } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import type { RoomState } from '../network/state.ts';
import type { Topology } from '../network/topology.ts';
import { EVENT_TYPES, type EventType } from '../protocol/events.ts';
import type { LogEvent } from '../store/log-rows.ts';

export interface AudienceOptions {
  network: Pick<Network, 'settings' | 'topology'>;
  /** Ids under which the caller is a member of rooms and takes part in DMs. */
  selves: ReadonlySet<string>;
  /** The person that the caller is. */
  person?: string | undefined;
  /** Agents whose lifecycle it is told. */
  agents?: ReadonlySet<string>;
  mayRead: (room: RoomState) => boolean;
  mayReadDm: (participants: readonly string[]) => boolean;
  /** The types of events that it is sent; every one when left out. */
  types?: ReadonlySet<string>;
}

export class Audience {
  readonly #options: AudienceOptions;
  #interest: Interest;

  constructor(options: AudienceOptions) {
    this.#options = options;
    const { network, selves, agents, person } = options;
    const open = publicRooms(network.topology);
    this.#interest = {
      rooms: this.#ownRooms(),
      open,
      participants: selves,
      ...(agents && { agents }),
      ...(person !== undefined && { person }),
    };
  }

  get interest(): Interest {
    return this.#interest;
  }

  /** A room or its members changed. The new interest, if that is another. */
  refresh(room_id: string): Interest | undefined {
    const { network, selves } = this.#options;
    const members = network.topology.room(room_id)?.members;
    const mine = members !== undefined && [...selves].some((id) => members.has(id));
    const { rooms } = this.#interest;
    if (rooms === 'all' || rooms.has(room_id) === mine) return undefined;
    return (this.#interest = { ...this.#interest, rooms: this.#ownRooms() });
  }

  /** Of what meets the interest: whether the caller may have it now. */
  allows(event: LogEvent): boolean {
    const { network, types, mayRead, mayReadDm } = this.#options;
    if (types && !types.has(event.type)) return false;
    if (event.type === 'room.removed') return this.#readUntilRemoved(event);
    if (event.room_id !== undefined) {
      const room = network.topology.room(event.room_id);
      return room !== undefined && mayRead(room);
    }
    if (event.dm_id !== undefined)
      return network.settings.direct_messages && mayReadDm(event.participants ?? []);
    return true;
  }

  /** Its members, until they learn of it here, and everybody if it was public then. */
  #readUntilRemoved({ room_id, payload }: LogEvent): boolean {
    const { rooms } = this.#interest;
    return (
      rooms === 'all' ||
      rooms.has(room_id!) ||
      (JSON.parse(payload) as { visibility?: string }).visibility === 'public'
    );
  }

  #ownRooms(): ReadonlySet<string> {
    const { network, selves } = this.#options;
    const rooms = new Set<string>();
    for (const id of selves) for (const room_id of network.topology.roomsOf(id)) rooms.add(room_id);
    return rooms;
  }
}

const predicates = new WeakMap<Topology, (room_id: string) => boolean>();

/** Whether a room is public, or was until it was removed. The same function for all of one network (Interest.open). */
function publicRooms(topology: Topology): (room_id: string) => boolean {
  let predicate = predicates.get(topology);
  if (!predicate)
    predicates.set(
      topology,
      (predicate = (room_id) => topology.roomRecord(room_id)?.row.visibility === 'public'),
    );
  return predicate;
}

/** What the public is sent of rooms that everybody may read. */
const PUBLIC_TYPES: ReadonlySet<string> = new Set<EventType>([
  'message.created',
  'thread.created',
  'room.created',
  'room.removed',
  // ours: what was shown changes
  'message.redacted',
  'room.updated',
]);
/** What the agents and people are sent of the rooms and DMs they may read, and of themselves; the guard is the observers'. */
const BOUND_TYPES: ReadonlySet<string> = new Set(
  EVENT_TYPES.filter((type) => type !== 'conversation.held' && type !== 'conversation.resumed'),
);

/** Of the event stream; undefined for all of it. */
export function streamAudience(
  network: Pick<Network, 'settings' | 'topology'>,
  identity: Identity,
): Audience | undefined {
  const { settings } = network;
  if (can(settings, identity, 'observe').allowed) return undefined;
  const { agents, human } = identity;
  const selves = new Set(agents ?? []);
  if (human) selves.add(human.id);
  return new Audience({
    network,
    selves,
    // Its agents' lifecycle, and what became of its own messages.
    ...(selves.size > 0 && { agents: selves }),
    person: human?.id,
    mayRead: (room) => can(settings, identity, 'room.read', { room }).allowed,
    mayReadDm: (participants) => can(settings, identity, 'dm.read', { dm: { participants } }).allowed,
    types: selves.size > 0 ? BOUND_TYPES : PUBLIC_TYPES,
  });
}
