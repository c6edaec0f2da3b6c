/** The fields of a room as requests give them, checked. Each throws MoltnetError. */
import { MoltnetError } from '../protocol/errors.ts';
import { hashSecret } from '../protocol/credentials.ts';
import { canonicalMemberId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import {
  VISIBILITIES,
  WRITE_POLICIES,
  type CreateRoomRequest,
  type GuardSettings,
} from '../protocol/rooms.ts';
import { requireName, requireText } from '../protocol/text.ts';
import type { RoomRow } from '../store/topology-rows.ts';

/** Blank counts as not given, and then it is the room's id. */
export function roomName(name: string | undefined, id: string): string {
  const checked = requireName(name ?? '', 'name', limits.name.value);
  return checked === '' ? id : checked;
}

export function visibilityOf(given: string | undefined): string {
  return oneOf('visibility', given, VISIBILITIES);
}
export function writePolicyOf(given: string | undefined): string {
  return oneOf('write_policy', given, WRITE_POLICIES);
}

/** A list of members: canonical, sorted, each once. */
export function memberList(list: readonly string[] | undefined, field: string, networkId: string): string[] {
  if (!list || list.length === 0) return [];
  const members = new Set<string>();
  for (const member of list)
    if (requireText(member, field).trim() !== '') members.add(canonicalMemberId(member, networkId));
  if (members.size > limits.members_per_request.value) {
    throw new MoltnetError(
      'too_many_members',
      `${field}: ${members.size}, at most ${limits.members_per_request.value} at once; add the rest with PATCH /v1/rooms/ID/members`,
    );
  }
  return [...members].sort();
}

/** As the column holds it: fields in one order, without those that are not given. */
export function guardColumn(guard: GuardSettings | undefined): string {
  const { turns, hour_turns, pair_turns } = guard ?? {};
  return JSON.stringify({ turns, hour_turns, pair_turns });
}

/** As the column holds it: its hash, or nothing for "". Throws `unprocessable_entity`, without the credential in it. */
export function credentialHash(given: string | undefined): string | null {
  if (given === undefined || given === '') return null;
  const credential = given.trim();
  const most = limits.room_credential.value;
  if (credential === '' || credential.length > most || /[\p{C}\p{Zl}\p{Zp}]/u.test(credential)) {
    throw new MoltnetError(
      'unprocessable_entity',
      `credential: must be 1 to ${most} visible characters in one line, or "" for none`,
    );
  }
  return hashSecret(credential);
}

/** The row of a room that is created now, or created again (then it keeps when it was created first). */
export function newRoomRow(
  id: string,
  request: CreateRoomRequest,
  at: string,
  before: RoomRow | undefined,
): Omit<RoomRow, 'created_seq'> {
  return {
    id,
    name: roomName(request.name, id),
    visibility: visibilityOf(request.visibility),
    write_policy: writePolicyOf(request.write_policy),
    guard: guardColumn(request.guard),
    created_at: before?.created_at ?? at,
    removed_at: null,
    credential_hash: credentialHash(request.credential),
  };
}

/** The first of the allowed values is the default. */
function oneOf(field: string, given: string | undefined, allowed: readonly string[]): string {
  const value = (given ?? '').trim();
  if (value === '') return allowed[0]!;
  if (!allowed.includes(value)) {
    throw new MoltnetError(
      'unprocessable_entity',
      `${field}: must be one of ${allowed.join(', ')}, not ${JSON.stringify(value.slice(0, 40))}`,
    );
  }
  return value;
}
