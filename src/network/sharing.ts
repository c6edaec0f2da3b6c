/**
 * What is shared with which paired network. A room is shared with none, with all, or with named pairings; what was said
 * before that began stays here. Pure; asked by the rules, by access and by relay.
 */
import { MoltnetError } from '../protocol/errors.ts';
import { requireId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { Federation } from '../protocol/rooms.ts';
import type { RowWrite } from '../store/writes.ts';
import type { Identity, PairingIdentity } from './identity.ts';
import type { RoomState, State } from './state.ts';

/** In the place of a pairing's id: all of them. */
export const ALL_PAIRINGS = '*';
type Shares = RoomState['shares'];

/** As the wire shows it; undefined for none. */
export function federationOf(shares: Shares | undefined): Federation | undefined {
  if (!shares || shares.size === 0) return undefined;
  return shares.has(ALL_PAIRINGS) ? 'all' : [...shares.keys()].sort();
}

/** The seq after which the room's messages are shared with the pairing; undefined when they are not. */
export function sharedSince(shares: Shares | undefined, pairing_id: string): number | undefined {
  const own = shares?.get(pairing_id);
  const all = shares?.get(ALL_PAIRINGS);
  return own === undefined || all === undefined ? (own ?? all) : Math.min(own, all);
}

/** The rows that make a room be shared as it is wanted. Throws `invalid_id`, `unprocessable_entity`. */
export function shareRows(room_id: string, shares: Shares, wanted: Federation): RowWrite[] {
  const add = (pairing_id: string, since_seq?: number): RowWrite => ({
    op: 'share',
    room_id,
    pairing_id,
    ...(since_seq !== undefined && { since_seq }),
  });
  if (wanted === 'all') return shares.has(ALL_PAIRINGS) ? [] : [add(ALL_PAIRINGS)];
  const ids = new Set(wanted === 'none' ? [] : wanted.map((id) => requireId(id, 'federation')));
  if (ids.size > limits.pairings.value)
    throw new MoltnetError('unprocessable_entity', `federation: at most ${limits.pairings.value} pairings`);
  const rows: RowWrite[] = [];
  for (const id of ids)
    // Who had it as one of all goes on where that stands.
    if (!shares.has(id)) rows.push(add(id, shares.get(ALL_PAIRINGS)));
  for (const pairing_id of shares.keys())
    if (!ids.has(pairing_id)) rows.push({ op: 'share.remove', room_id, pairing_id });
  return rows;
}

/** The shares as these rows leave them. */
export function sharesAfter(shares: Shares, rows: readonly RowWrite[]): Shares {
  const after = new Map(shares);
  for (const row of rows) {
    if (row.op === 'share') after.set(row.pairing_id, row.since_seq ?? 0);
    else if (row.op === 'share.remove') after.delete(row.pairing_id);
  }
  return after;
}

/**
 * The pairing by which a message of another network comes; undefined for a network that is not paired, which only a
 * credential of the configuration brings (wire.md 4.3). Throws `pairing_mismatch`.
 */
export function pairingOfRelay(
  state: State,
  identity: Identity,
  network: string,
): PairingIdentity | undefined {
  const known = state.pairingOf(network);
  const own = identity.pairing;
  if (!own) {
    if (known?.bound)
      throw new MoltnetError('pairing_mismatch', `only the pairing ${known.id} speaks for ${network}`);
    return known;
  }
  const right =
    own.network === undefined ? known === undefined || known.id === own.id : own.network === network;
  if (!right || network === state.settings.id)
    throw new MoltnetError('pairing_mismatch', `the pairing ${own.id} does not speak for ${network}`);
  return own;
}

export const isShared = (room: RoomState | undefined, { id }: PairingIdentity): room is RoomState =>
  sharedSince(room?.shares, id) !== undefined;

/** A room that this pairing sees. What is not shared is to it as what does not exist. Throws `not_shared`. */
export function requireShared(
  room: RoomState | undefined,
  room_id: string,
  pairing: PairingIdentity,
): RoomState {
  if (!isShared(room, pairing))
    throw new MoltnetError('not_shared', `no room ${room_id} is shared with the pairing ${pairing.id}`);
  if (room.row.write_policy === 'operators')
    throw new MoltnetError('write_refused', 'the room takes messages of operators only');
  return room;
}

/**
 * A DM over a pairing is between the two networks: nobody of a third takes part, and whoever of ours does is known here.
 * Throws `not_shared`, `too_many_participants`.
 */
export function requireSharedDm(
  state: State,
  participants: readonly string[],
  pairing: PairingIdentity,
): void {
  // Each of its messages is stored for each of them.
  if (participants.length > limits.pairing_dm_participants.value)
    throw new MoltnetError(
      'too_many_participants',
      `a DM over a pairing has at most ${limits.pairing_dm_participants.value} participants`,
    );
  let ours = 0;
  for (const participant of participants) {
    const colon = participant.indexOf(':');
    if (colon >= 0) {
      const network = participant.slice(0, colon);
      if (pairing.network !== undefined && network !== pairing.network)
        throw new MoltnetError('not_shared', `${participant} is of a third network`);
      continue;
    }
    ours++;
    const known =
      state.agent(participant) !== undefined ||
      state.settings.people.has(participant) ||
      state.roomsOf(participant).size > 0;
    if (!known)
      throw new MoltnetError('not_shared', `there is no ${participant} here for the pairing to write to`);
  }
  if (ours === 0) throw new MoltnetError('not_shared', 'nobody of this network takes part in that DM');
}

/** How many members of this network may still come into the room by themselves: nobody fills a room with names. */
export function spaceFor({ members }: Pick<RoomState, 'members'>, network: string | undefined): number {
  if (network === undefined) return 0;
  let own = 0;
  for (const member of members.keys()) if (member.startsWith(`${network}:`)) own++;
  return Math.max(0, Math.min(limits.pairing_members.value - own, limits.room_members.value - members.size));
}
