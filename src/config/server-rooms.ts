/** `rooms` and `guard` of the server's file (wire.md 10.1). */
import { limits } from '../protocol/limits.ts';
import type { GuardSettings, Visibility, WritePolicy } from '../protocol/rooms.ts';
import { idTest, memberTest, note, show, type Check, type Section } from './check.ts';
import { nameTest } from './server-fields.ts';
import { readRoomRetention } from './server-retention.ts';
import type { RoomConfig } from './types.ts';

const VISIBILITIES = ['private', 'public'] as const satisfies readonly Visibility[];
const WRITE_POLICIES = [
  'members',
  'registered_agents',
  'operators',
] as const satisfies readonly WritePolicy[];

export function readRooms(check: Check, root: Section): RoomConfig[] {
  const seen = new Map<string, number>();
  return root
    .sections('rooms', [
      'id',
      'name',
      'members',
      'visibility',
      'write_policy',
      'guard',
      'credential',
      'federation',
      'retention',
    ])
    .map((room, index) => {
      const id = room.required('id', idTest);
      const first = seen.get(id);
      if (id !== '' && first !== undefined)
        note(
          check,
          [...room.path, 'id'],
          `${JSON.stringify(id)} stands at rooms[${first}] too`,
          'a room stands once',
        );
      seen.set(id, first ?? index);
      const members = room.texts('members', memberTest) ?? [];
      if (members.length > limits.room_members.value)
        room.note(
          'members',
          `has ${members.length} members`,
          `a room has at most ${limits.room_members.value}`,
        );
      const name = room.text('name', nameTest);
      const visibility = room.oneOf('visibility', VISIBILITIES);
      const policy = room.oneOf('write_policy', WRITE_POLICIES);
      const guard = readGuard(room);
      const credential = room.text('credential');
      const federation = readFederation(room);
      const retention = readRoomRetention(room);
      return {
        id,
        members,
        ...(name === undefined ? {} : { name }),
        ...(visibility === undefined ? {} : { visibility }),
        ...(policy === undefined ? {} : { write_policy: policy }),
        ...(guard ? { guard } : {}),
        ...(credential === undefined ? {} : { credential }),
        ...(federation === undefined ? {} : { federation }),
        ...(retention === undefined ? {} : { retention }),
      };
    });
}

/** `none`, `all`, or ids of pairings, in a list or as the one word. */
function readFederation(room: Section): RoomConfig['federation'] {
  if (!room.has('federation')) return undefined;
  const raw = room.raw('federation');
  if (raw === 'none' || raw === 'all') return raw;
  if (Array.isArray(raw)) return room.texts('federation', idTest);
  room.note('federation', `is ${show(raw)}`, 'write none, all, or a list of pairing ids');
  return undefined;
}

const GUARD_LIMITS = {
  turns: 'how many agent turns may follow each other without a person',
  hour_turns: 'how many agent turns a conversation may have in an hour',
  pair_turns: 'how many turns two agents that answer each other may have in ten minutes',
} as const satisfies Record<keyof GuardSettings, string>;

/** The storm guard of a room, or of the network; undefined when nothing of it is set. */
export function readGuard(parent: Section): GuardSettings | undefined {
  const names = Object.keys(GUARD_LIMITS) as (keyof GuardSettings)[];
  const guard = parent.section('guard', names);
  const settings: GuardSettings = {};
  for (const name of names) {
    if (!guard?.has(name)) continue;
    const raw = guard.raw(name);
    if (raw === 'off' || raw === false) settings[name] = 'off';
    else if (typeof raw === 'number' && Number.isInteger(raw) && raw >= 1 && raw <= 100_000)
      settings[name] = raw;
    else guard.note(name, `is ${show(raw)}`, `write ${GUARD_LIMITS[name]} (1 to 100000), or off`);
  }
  return Object.keys(settings).length > 0 ? settings : undefined;
}
