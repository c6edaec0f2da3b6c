/** A room in memory. Shared while nobody changes it; a batch changes its own copy. */
import type { GuardSettings } from '../protocol/rooms.ts';
import type { RoomRow } from '../store/topology-rows.ts';
import type { RoomState } from './state.ts';

const NO_GUARD: GuardSettings = Object.freeze({});

export class Room implements RoomState {
  row: RoomRow;
  guard: GuardSettings;
  readonly members: Map<string, number>;
  readonly shares: Map<string, number>;
  #remote: ReadonlyMap<string, readonly string[]> | undefined;
  #sorted: string[] | undefined;

  constructor(
    row: RoomRow,
    members: Iterable<readonly [string, number]> = [],
    shares: Iterable<readonly [string, number]> = [],
  ) {
    this.row = row;
    this.guard = parseGuard(row.guard);
    this.members = new Map(members);
    this.shares = new Map(shares);
  }

  copy(): Room {
    return new Room(this.row, this.members, this.shares);
  }

  update(row: RoomRow): void {
    this.row = row;
    this.guard = parseGuard(row.guard);
    if (row.removed_at !== null) this.clear();
  }

  add(member: string, seq: number): void {
    if (!this.members.has(member)) this.members.set(member, seq);
    this.#remote = this.#sorted = undefined;
  }

  /** One that stands keeps its seq. */
  share(pairing_id: string, seq: number): void {
    if (!this.shares.has(pairing_id)) this.shares.set(pairing_id, seq);
  }

  drop(member: string): void {
    this.members.delete(member);
    this.#remote = this.#sorted = undefined;
  }

  clear(): void {
    this.members.clear();
    this.shares.clear();
    this.#remote = this.#sorted = undefined;
  }

  /** Member ids in ascending order; do not change it. */
  get sortedMembers(): readonly string[] {
    return (this.#sorted ??= [...this.members.keys()].sort());
  }

  get remoteMembers(): ReadonlyMap<string, readonly string[]> {
    return (this.#remote ??= remoteById(this.members.keys()));
  }
}

/** Members of other networks by their bare id, so that a short mention needs no search. */
export function remoteById(members: Iterable<string>): ReadonlyMap<string, readonly string[]> {
  const remote = new Map<string, string[]>();
  for (const member of members) {
    const colon = member.indexOf(':');
    if (colon < 0) continue;
    const id = member.slice(colon + 1);
    const known = remote.get(id);
    if (known) known.push(member);
    else remote.set(id, [member]);
  }
  return remote;
}

/** The column's JSON as settings. What does not parse (a row written by another version) counts as the default. */
function parseGuard(json: string): GuardSettings {
  if (json === '{}' || json === '') return NO_GUARD;
  const column = JSON.parse(json) as Record<string, unknown>;
  const guard: GuardSettings = {};
  for (const limit of ['turns', 'hour_turns', 'pair_turns'] as const) {
    const value = column[limit];
    if (value === 'off' || (typeof value === 'number' && value >= 1)) guard[limit] = value;
  }
  return guard;
}
