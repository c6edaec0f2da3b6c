/** PATCH /v1/rooms/{id}: what is given changes, the rest stays. Nothing changed: nothing is written or told. */
import { MoltnetError } from '../protocol/errors.ts';
import { requireId } from '../protocol/ids.ts';
import type { Federation, GuardSettings, UpdateRoomRequest } from '../protocol/rooms.ts';
import type { RoomRow } from '../store/topology-rows.ts';
import type { EventWrite, RowWrite } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import { guardLimits } from './guard.ts';
import { resumeByLimit } from './guard-events.ts';
import type { Random } from './random.ts';
import { credentialHash, guardColumn, roomName, visibilityOf, writePolicyOf } from './room-fields.ts';
import { sharesAfter, shareRows } from './sharing.ts';
import { roomEvent, type Rule } from './rule.ts';
import type { RoomState, State } from './state.ts';
import { membersOf, roomWire } from './views.ts';

export const updateRoom: Rule<'room.update'> = (state, command, random) => {
  requireAccess(state.settings, command.identity, 'administer');
  const room = requireRoom(state, command.room_id);
  const { guard, ...request } = command.request;
  const row = updatedRow(room.row, {
    ...request,
    ...(guard !== undefined && { guard: merged(room.guard, guard) }),
  });
  const shared = requireKnown(state, command.request.federation, room);
  const events = updateEvents(state, random, command.at, room, row, shared);
  const shares = sharesAfter(room.shares, shared);
  return {
    writes: { events, rows: [] },
    answer: roomWire(state.settings.id, row, membersOf(room), { shares }),
  };
};

/** The rows that share it so. A pairing that does not exist is a slip of the pen: `unprocessable_entity`. */
function requireKnown(state: State, federation: Federation | undefined, room: RoomState): RowWrite[] {
  if (federation === undefined) return [];
  for (const id of typeof federation === 'string' ? [] : federation)
    if (!state.pairing(id) && !state.settings.pairings.has(id) && !room.shares.has(id))
      throw new MoltnetError(
        'unprocessable_entity',
        `federation: there is no pairing ${JSON.stringify(id.slice(0, 160))}; GET /v1/pairings lists them`,
      );
  return shareRows(room.row.id, room.shares, federation);
}

/** A room that is not removed. Throws `invalid_id` or `not_found`. */
export function requireRoom(state: State, given: string): RoomState {
  const id = requireId(given, 'room id');
  const room = state.room(id);
  if (!room) throw new MoltnetError('not_found', `no such room: ${id}`);
  return room;
}

function merged(
  before: GuardSettings,
  change: NonNullable<UpdateRoomRequest['guard']> | null,
): GuardSettings {
  const after: GuardSettings = { ...(change && before) };
  for (const limit of ['turns', 'hour_turns', 'pair_turns'] as const) {
    const value = change?.[limit];
    if (value === null) delete after[limit];
    else if (value !== undefined) after[limit] = value;
  }
  return after;
}

/** `guard` takes the place of the one that there was. */
export function updatedRow(
  row: RoomRow,
  request: Omit<UpdateRoomRequest, 'guard'> & { guard?: GuardSettings | undefined },
): RoomRow {
  return {
    ...row,
    ...(request.name !== undefined && { name: roomName(request.name, row.id) }),
    ...(request.visibility !== undefined && { visibility: visibilityOf(request.visibility) }),
    ...(request.write_policy !== undefined && { write_policy: writePolicyOf(request.write_policy) }),
    ...(request.guard !== undefined && { guard: guardColumn(request.guard) }),
    ...(request.credential !== undefined && { credential_hash: credentialHash(request.credential) }),
  };
}

/**
 * room.updated, and conversation.resumed for what a raised limit lets go on; none when the row is as before and
 * `shared` (of shareRows) is empty.
 */
export function updateEvents(
  state: State,
  random: Random,
  at: string,
  room: RoomState,
  row: RoomRow,
  shared: readonly RowWrite[] = [],
): EventWrite[] {
  const before = room.row;
  const same =
    before.name === row.name &&
    before.visibility === row.visibility &&
    before.write_policy === row.write_policy &&
    before.guard === row.guard &&
    before.credential_hash === row.credential_hash &&
    shared.length === 0;
  if (same) return [];
  const { created_seq: _seq, ...written } = row;
  const shares = sharesAfter(room.shares, shared);
  const payload = roomWire(state.settings.id, row, membersOf(room), { shares });
  const rows: RowWrite[] = [{ op: 'room', row: written }, ...shared];
  const events = [roomEvent(random, 'room.updated', at, row.id, payload, rows)];
  if (before.guard === row.guard) return events;
  const max = guardLimits(state.settings, { guard: JSON.parse(row.guard) });
  return events.concat(
    resumeByLimit(random, at, state.held(), (held) => (held.room_id === row.id ? max : undefined)),
  );
}
