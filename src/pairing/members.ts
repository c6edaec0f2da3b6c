/** Who of a paired network is in the rooms that are shared: as that network lists it, under its name. RLY-50. */
import { isDeepStrictEqual } from 'node:util';
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import { sharedSince } from '../network/sharing.ts';
import { isLocalAgentId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { Peer } from './peer.ts';
import type { PairingSpec } from './spec.ts';

export interface MembersOptions {
  spec: PairingSpec;
  network: Network;
  peer: Peer;
  /** This server does it. */
  stands(): boolean;
  onFault(error: unknown): void;
  /** Milliseconds between two looks. */
  every?: number;
}

const EVERY = 15_000;

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
    for (const { id, members } of rooms)
      if (!this.#ended && Array.isArray(members)) await this.#follow(id, members);
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
    if (isDeepStrictEqual(this.#listed.get(room_id), now)) return;
    const named = [...now];
    await network.execute('pairing.members', { pairing_id: id, network_id: remote, room_id, named }, server);
    this.#listed.set(room_id, now);
  }
}
