/**
 * Pairings as they come and go: a code is made, exchanged for fresh credentials between the two servers, and both have a
 * pairing with the rooms that the code names. An event tells observers; the pairing's secrets are in no event.
 */
import { hashSecret, isPairToken, pairingProof } from '../protocol/credentials.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { isNetworkId, requireId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { serverAddress } from '../protocol/pairings.ts';
import { requireName } from '../protocol/text.ts';
import type { PairingRow } from '../store/topology-rows.ts';
import type { EventWrite, RowWrite, Writes } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import { createRoom } from './create-room.ts';
import { UNSAID } from './declaration.ts';
import { Overlay } from './overlay.ts';
import { freeId, pairedAs, requireOwnName } from './pairing-names.ts';
import type { Random } from './random.ts';
import type { Rule } from './rule.ts';
import { sharedSince } from './sharing.ts';
import type { State } from './state.ts';
import { updateEvents } from './update-room.ts';

/** meta key: a name of this store, by which a code knows it again. */
export const FINGERPRINT = 'network.fingerprint';

const DAY = 86_400;
const LONGEST = 30 * DAY;

export const invitePairing: Rule<'pairing.invite'> = (state, command, random) => {
  const { identity, at, expires_in = DAY } = command;
  requireAccess(state.settings, identity, 'administer');
  const rooms = [...new Set(command.rooms.map((id) => requireId(id, 'rooms')))];
  if (rooms.length === 0)
    throw new MoltnetError('unprocessable_entity', 'rooms: name at least one room to share');
  for (const id of rooms) if (!state.room(id)) throw new MoltnetError('not_found', `no such room: ${id}`);
  if (!Number.isInteger(expires_in) || expires_in < 60 || expires_in > LONGEST)
    throw new MoltnetError('unprocessable_entity', 'expires_in: 60 seconds to 30 days');
  const open = [...state.pairingInvites()];
  const lapsed = open.filter((invite) => invite.expires_at <= at);
  if (open.length - lapsed.length >= limits.pairing_invites.value)
    throw new MoltnetError(
      'too_many_pairings',
      'too many codes are open: revoke some, or wait until they expire',
    );
  const secret = random.pairingSecret();
  const row = {
    code_hash: hashSecret(secret),
    id: `inv_${random.suffix()}`,
    rooms: JSON.stringify(rooms),
    created_at: at,
    expires_at: new Date(Date.parse(at) + expires_in * 1_000).toISOString(),
  };
  const known = state.meta(FINGERPRINT);
  const fingerprint = known ?? random.suffix() + random.suffix();
  const rows: RowWrite[] = [
    ...(known === undefined ? [{ op: 'meta', key: FINGERPRINT, value: fingerprint } as const] : []),
    ...lapsed.map(({ code_hash }): RowWrite => ({ op: 'pairing.invite.remove', code_hash })),
    { op: 'pairing.invite', row },
  ];
  return {
    writes: { events: [], rows },
    answer: { id: row.id, secret, rooms, fingerprint, expires_at: row.expires_at },
  };
};

export const revokePairingInvite: Rule<'pairing.invite.revoke'> = (state, command) => {
  requireAccess(state.settings, command.identity, 'administer');
  const invite = [...state.pairingInvites()].find(({ id }) => id === command.id);
  if (!invite) throw new MoltnetError('not_found', `no such code: ${command.id.slice(0, 160)}`);
  return {
    writes: { events: [], rows: [{ op: 'pairing.invite.remove', code_hash: invite.code_hash }] },
    answer: { removed: true, kind: 'pairing_invite', id: command.id, mode: 'hard' },
  };
};

/** The secret of the code is the credential: nobody else's is asked. */
export const exchangePairing: Rule<'pairing.exchange'> = (state, command, random) => {
  const { at, secret } = command;
  const invite = state.pairingInvite(hashSecret(secret));
  if (!invite || invite.expires_at <= at)
    throw new MoltnetError(
      'invalid_pairing_code',
      'the code is not known here, was used or revoked, or has expired',
    );
  const token = random.pairToken();
  const fingerprint = state.meta(FINGERPRINT);
  // Whoever holds a code can call itself as it likes: not as one that is paired, unless it is the one.
  const before = pairedAs(state, command.network_id);
  const rooms = (JSON.parse(invite.rooms) as string[]).filter((id) => state.room(id));
  if (before && command.proof !== pairingProof(before.token_hash, secret, 'request'))
    throw new MoltnetError(
      'conflict',
      `${command.network_id} is paired here already, and this is not shown to be the same network: if it is, let the pairing be revoked first (moltnet pair revoke ${before.id})`,
    );
  const row = pairingRow(
    state,
    command,
    { token: command.token, token_hash: hashSecret(token), link: false },
    at,
  );
  requireOwnName(state, command.network_id, rooms, 'stranger');
  const writes = paired(state, random, at, row, rooms);
  writes.rows.push({ op: 'pairing.invite.remove', code_hash: invite.code_hash });
  return {
    writes,
    answer: {
      pairing_id: row.id,
      network_id: state.settings.id,
      network_name: state.settings.name,
      token,
      rooms: rooms.map((id) => ({ id, name: state.room(id)!.row.name })),
      ...(fingerprint !== undefined && { fingerprint }),
      ...(before?.token && { proof: pairingProof(hashSecret(before.token), secret, 'answer') }),
    },
  };
};

/** The other half, at the side that was invited. Rooms that are not here are made. */
export const acceptPairing: Rule<'pairing.accept'> = (state, command, random) => {
  const { identity, at, rooms } = command;
  requireAccess(state.settings, identity, 'administer');
  const { token, token_hash, link } = command;
  const row = pairingRow(state, command, { token, token_hash, link }, at);
  const named = rooms.map(({ id }) => id);
  requireOwnName(state, command.network_id, named, 'operator');
  const over = new Overlay(state);
  const made: EventWrite[] = [];
  for (const { id, name } of rooms) {
    if (over.room(id)) continue;
    const request = { ...UNSAID, id, name, visibility: 'private', write_policy: 'registered_agents' };
    const { writes } = createRoom(over, { kind: 'room.create', request, identity, at }, random);
    over.apply(writes);
    made.push(...writes.events);
  }
  const writes = paired(over, random, at, row, named);
  return {
    writes: { events: [...made, ...writes.events], rows: writes.rows },
    answer: { pairing_id: row.id },
  };
};

export const revokePairing: Rule<'pairing.revoke'> = (state, command, random) => {
  requireAccess(state.settings, command.identity, 'administer');
  const { id } = command;
  const row = state.pairing(id);
  if (!row)
    throw state.settings.pairings.has(id)
      ? new MoltnetError(
          'conflict',
          `the pairing ${id} stands in the server's file: take it out there, and reload`,
        )
      : new MoltnetError('not_found', `no such pairing: ${id.slice(0, 160)}`);
  const writes: Writes = {
    events: [pairingEvent(random, command.at, row, 'revoked', [{ op: 'pairing.remove', id }])],
    rows: [],
  };
  return { writes, answer: { removed: true, kind: 'pairing', id, mode: 'hard' } };
};

export const beginRelay: Rule<'relay.begin'> = (_state, { pairing_ids }) => ({
  writes: {
    events: [],
    rows: pairing_ids.map((pairing_id): RowWrite => ({ op: 'relay.begin', pairing_id })),
  },
  answer: { saved: true },
});

export const saveRelay: Rule<'relay.save'> = (state, { writes }) => ({
  // Of a pairing that is gone nothing is kept.
  writes: {
    events: [],
    rows: writes.filter((write) => {
      const id = write.op === 'relay.refusal' ? write.row.pairing_id : write.pairing_id;
      return state.pairing(id) !== undefined || state.settings.pairings.has(id);
    }),
  },
  answer: { saved: true },
});

interface Remote {
  network_id: string;
  network_name?: string | undefined;
  base_url?: string | undefined;
}

/** Of a network that is paired already it is the same pairing with new credentials. */
function pairingRow(
  state: State,
  { network_id, network_name, base_url }: Remote,
  secrets: Pick<PairingRow, 'token' | 'token_hash' | 'link'>,
  at: string,
): PairingRow {
  if (!isNetworkId(network_id)) throw new MoltnetError('invalid_id', 'network_id: not the id of a network');
  if (network_id === state.settings.id)
    throw new MoltnetError(
      'conflict',
      `both networks are called ${network_id}: give one of them another network.id (it must not change once messages exist)`,
    );
  if (secrets.token !== null && !isPairToken(secrets.token))
    throw new MoltnetError('unprocessable_entity', 'token: not a pair token');
  const known = state.pairingOf(network_id);
  const before = known && state.pairing(known.id);
  if (known && !before)
    throw new MoltnetError('conflict', `${network_id} is paired by the server's file, as ${known.id}`);
  if (!before && [...state.pairings()].length >= limits.pairings.value)
    throw new MoltnetError(
      'too_many_pairings',
      `the network has ${limits.pairings.value} pairings; revoke one`,
    );
  const name = requireName(network_name ?? '', 'network_name', limits.name.value);
  return {
    id: before?.id ?? freeId(state, network_id),
    remote_network_id: network_id,
    remote_network_name: name === '' ? null : name,
    remote_base_url: baseUrl(base_url),
    ...secrets,
    created_at: at,
  };
}

function baseUrl(given: string | undefined): string | null {
  if (!given) return null;
  const address = serverAddress(given);
  if (address === undefined)
    throw new MoltnetError(
      'unprocessable_entity',
      'base_url: must be http(s)://host, without a user, a query or a fragment',
    );
  return address;
}

/** The pairing, and its rooms shared with it from now on. */
function paired(state: State, random: Random, at: string, row: PairingRow, rooms: readonly string[]): Writes {
  const rows: RowWrite[] = [
    { op: 'pairing', row },
    { op: 'relay.begin', pairing_id: row.id },
  ];
  const events = [pairingEvent(random, at, row, 'pending', rows)];
  for (const room_id of rooms) {
    const room = state.room(room_id);
    if (!room || sharedSince(room.shares, row.id) !== undefined) continue;
    events.push(
      ...updateEvents(state, random, at, room, room.row, [{ op: 'share', room_id, pairing_id: row.id }]),
    );
  }
  return { events, rows: [] };
}

function pairingEvent(
  random: Random,
  at: string,
  row: PairingRow,
  status: string,
  rows: RowWrite[],
): EventWrite {
  const { id, remote_network_id, remote_network_name, remote_base_url } = row;
  const payload = {
    id,
    remote_network_id,
    ...(remote_network_name !== null && { remote_network_name }),
    ...(remote_base_url !== null && { remote_base_url }),
    status,
  };
  return {
    id: random.eventId(),
    type: 'pairing.updated',
    created_at: at,
    payload: JSON.stringify(payload),
    held: false,
    rows,
  };
}
