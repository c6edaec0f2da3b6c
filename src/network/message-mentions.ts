/** Who a message mentions, among all who may take part in its conversation. */
import { MoltnetError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { candidatesOf, resolveMentions, type Mentionable } from './mentions.ts';
import type { CheckedPart } from './parts.ts';
import { remoteById } from './room-state.ts';
import { isShared } from './sharing.ts';
import type { RoomState, State } from './state.ts';
import type { Place } from './target.ts';

/** FQIDs of those that a message mentions: by its own list (`asked`), then in its text. Throws `too_many_mentions`. */
export function mentionsOf(
  state: State,
  place: Place,
  room: RoomState | undefined,
  asked: string[],
  parts: CheckedPart[],
  relayed: boolean,
): string[] {
  // A bare name of another network would be somebody else here.
  let candidates = relayed ? asked.filter((one) => one.includes(':')) : asked;
  // The text of a message of another network was read there, with that network's names.
  if (!relayed)
    for (const part of parts)
      if (part.kind === 'text' && part.text) candidates = candidates.concat(candidatesOf(part.text));
  if (candidates.length === 0) return candidates;
  const { settings } = state;
  const alias = (name: string) => (name === settings.name ? settings.id : networkCalled(state, name));
  const among = room ? roomMentionable(state, room, relayed) : dmMentionable(place.participants!);
  const max = limits.mentions.value;
  const mentions = resolveMentions(candidates, among, settings.id, alias, max);
  if (mentions.length > max)
    throw new MoltnetError(
      'too_many_mentions',
      `the message mentions more than ${max}; split it, or name fewer`,
    );
  return mentions;
}

/** The paired network of this name or pairing id; an id of its own needs no translation. */
function networkCalled(state: State, name: string): string | undefined {
  const row = state.pairing(name);
  if (row) return row.remote_network_id;
  for (const { remote_network_id, remote_network_name } of state.pairings())
    if (remote_network_name === name) return remote_network_id;
  for (const { id, name: known, network } of state.settings.pairings.values())
    if (id === name || known === name) return network;
  return undefined;
}

/**
 * Members, and where everybody may take part every registered agent and every person of the configuration. Who takes part
 * at a paired network that shares the room, that network knows: whoever is named as one of it is mentioned there, also
 * before it is known here.
 */
function roomMentionable(state: State, room: RoomState, relayed: boolean): Mentionable {
  const { people } = state.settings;
  const everybody =
    state.settings.auth_mode === 'none' ||
    room.row.visibility === 'public' ||
    room.row.write_policy === 'registered_agents';
  return {
    has: (canonical) =>
      room.members.has(canonical) ||
      (everybody && (state.agent(canonical) !== undefined || people.has(canonical))) ||
      (!relayed && room.shares.size > 0 && isOfSharer(state, room, canonical)),
    remote: (id) => room.remoteMembers.get(id) ?? NOBODY,
  };
}
const NOBODY: readonly string[] = [];

function isOfSharer(state: State, room: RoomState, canonical: string): boolean {
  const colon = canonical.indexOf(':');
  const pairing = colon < 0 ? undefined : state.pairingOf(canonical.slice(0, colon));
  return pairing !== undefined && isShared(room, pairing);
}

function dmMentionable(participants: readonly string[]): Mentionable {
  const all = new Set(participants);
  const remote = remoteById(participants);
  return { has: (canonical) => all.has(canonical), remote: (id) => remote.get(id) ?? NOBODY };
}
