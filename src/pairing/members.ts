/** Who of a paired network is in the rooms that are shared: as that network lists it, under its name. RLY-50. */
import { isDeepStrictEqual } from 'node:util';
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import { sharedSince } from '../network/sharing.ts';
import type { RoomState } from '../network/state.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { isLocalAgentId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { Peer } from './peer.ts';
import { costOfMembers } from './quota.ts';
import type { PairingSpec } from './spec.ts';

export interface MembersOptions {
  spec: PairingSpec;
  network: Network;
  peer: Peer;
  /** This server does it. */
  stands(): boolean;
  /** What storing it takes counts for the pairing. Rejects with `pairing_quota`. */
  charge(bytes: number): Promise<void>;
  onFault(error: unknown): void;
  /** Milliseconds between two looks. */
  every?: number;
}

const EVERY = 15_000;

const NOBODY: ReadonlySet<string> = new Set();
/** Who goes and speaks is in the room again: that is counted as he goes. */
function costOfChange(
  room: Pick<RoomState, 'members'>,
  before: ReadonlySet<string>,
  now: ReadonlySet<string>,
): number {
  let gone = 0;
  for (const member of before) if (!now.has(member)) gone++;
  return costOfMembers(room, now) * (1 + gone);
}

export class Members {
  readonly #options: MembersOptions;
  /** Of each shared room, whom it last listed there: the same again is no news. */
  readonly #listed = new Map<string, ReadonlySet<string>>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  /** The status is kept current, and so are the members, also when there is nothing to relay. */
  look(): void {
    clearTimeout(this.#timer);
    if (this.#closed || this.#looking) return;
    const { onFault, every = EVERY } = this.#options;
    this.#looking = this.#look()
      .catch((error: unknown) => {
        if (!this.#closed) onFault(error);
      })
      .finally(() => {
        this.#looking = undefined;
        if (this.#closed) return;
        this.#timer = setTimeout(() => this.look(), every);
        this.#timer.unref();
      });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  get #ended(): boolean {
    return this.#closed || !this.#options.stands();
  }

  async #look(): Promise<void> {
    const { peer } = this.#options;
    if (!peer.client || !(await peer.ready('room')) || this.#ended) return;
    let rooms;
    try {
      rooms = await peer.rooms();
    } catch {
      // It is away, or lists nothing to us: as it was.
      return;
    }
    const seen = new Set<string>();
    for (const { id, members } of rooms) {
      // Each room once, however often it lists it.
      if (this.#ended || seen.has(id) || !Array.isArray(members)) continue;
      seen.add(id);
      try {
        await this.#follow(id, members);
      } catch (error) {
        // Over its quota, or more than a room holds: as it was, until something else is listed.
        if (!(error instanceof MoltnetError) || error.status >= 500) throw error;
      }
    }
  }

  /** Members of the other network in a shared room, under its name. Those of third networks are not its to name. */
  async #follow(room_id: string, listed: readonly unknown[]): Promise<void> {
    const { network, spec } = this.#options;
    const { id, network: remote } = spec;
    const room = network.topology.room(room_id);
    if (!room || remote === undefined || sharedSince(room.shares, id) === undefined) return;
    // No room of ours has more of them.
    const now = new Set(
      listed
        .slice(0, limits.room_members.value)
        .filter((member): member is string => typeof member === 'string' && isLocalAgentId(member)),
    );
    const before = this.#listed.get(room_id) ?? NOBODY;
    if (this.#listed.has(room_id) && isDeepStrictEqual(before, now)) return;
    const named = [...now];
    await this.#options.charge(costOfChange(room, before, now));
    await network.execute('pairing.members', { pairing_id: id, network_id: remote, room_id, named }, server);
    this.#listed.set(room_id, now);
  }
}
