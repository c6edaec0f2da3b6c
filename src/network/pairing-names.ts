/**
 * Under which name a network may be paired here. It chooses its id itself, and so does whoever makes a code: a name gives
 * nothing that was written down for another, and is not one that people take for another's. PAIR-13.
 */
import { MoltnetError } from '../protocol/errors.ts';
import type { PairingRow } from '../store/topology-rows.ts';
import type { State } from './state.ts';

type Known = Pick<State, 'settings' | 'pairing' | 'pairings' | 'pairingOf' | 'sharedWith'>;

/** The pairing with this network that is kept here. */
export function pairedAs(state: Known, network_id: string): PairingRow | undefined {
  const known = state.pairingOf(network_id);
  return known && state.pairing(known.id);
}

/** The id of the pairing with a network that is not paired yet. */
export function freeId(state: Known, network_id: string): string {
  let id = network_id;
  for (let n = 2; state.pairing(id) || state.settings.pairings.has(id); n++)
    id = `${network_id.slice(0, 120)}-${n}`;
  return id;
}

/**
 * Of a network that is paired already it is shown otherwise that it is the same. One that is not takes over no sharing
 * that stands in the file for somebody, unless the code names all of it; and it is not called as this network or a paired
 * one looks.
 * @param rooms those that the code names
 * @param told a stranger is not told which rooms it is not to have
 * Throws `conflict`.
 */
export function requireOwnName(
  state: Known,
  network_id: string,
  rooms: readonly string[],
  told: 'operator' | 'stranger',
): void {
  if (pairedAs(state, network_id)) return;
  const alike = lookingLike(state, network_id);
  if (alike !== undefined)
    throw new MoltnetError(
      'conflict',
      `${network_id} and ${alike} look the same: one of the two needs another network.id, or a pairing in the server's file`,
    );
  const others = [...state.sharedWith(freeId(state, network_id))].filter((id) => !rooms.includes(id));
  if (others.length === 0) return;
  const which = `${others.slice(0, 5).join(', ')}${others.length > 5 ? ` and ${others.length - 5} more` : ''}`;
  throw new MoltnetError(
    'conflict',
    `a code does not show who ${network_id} is, and ${told === 'operator' ? which : 'rooms'}, which it does not name, ${told === 'operator' && others.length === 1 ? 'is' : 'are'} to be shared with ${network_id}: let a code be made that names them too (moltnet pair invite --room …), or take ${network_id} out of their federation`,
  );
}

/** Another network of which its name may be taken for. */
function lookingLike(state: Known, network_id: string): string | undefined {
  const known = [state.settings.id];
  for (const { id, remote_network_id } of state.pairings()) known.push(id, remote_network_id);
  for (const { id, network } of state.settings.pairings.values()) known.push(id, network ?? id);
  const looks = looksOf(network_id);
  return known.find((id) => id !== network_id && looksOf(id) === looks);
}

/** Letters, digits and marks that are taken for each other are one. */
const looksOf = (id: string): string =>
  id
    .toLowerCase()
    .replaceAll(/[._-]+/g, '-')
    .replaceAll('0', 'o')
    .replaceAll(/[1i]/g, 'l');
