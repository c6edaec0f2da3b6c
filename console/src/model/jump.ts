import { byActivity, dmName } from './dms.ts';
import { agentName, plainName } from './names.ts';
import type { State } from './state.ts';

/** A place that one can jump to. */
export interface Place {
  key: string;
  kind: 'room' | 'dm' | 'agent' | 'page' | 'search';
  name: string;
  about?: string;
  href: string;
}

/**
 * Places that fit what was typed, the best first: names that begin with it, words that do, then the rest that holds it,
 * then those that hold its letters in this order.
 */
export function placesFor(places: readonly Place[], typed: string, limit = 12): Place[] {
  const wanted = typed.trim().toLowerCase().replace(/^[#@]/, '');
  if (wanted === '') return places.slice(0, limit);
  const ranked = places.flatMap((place) => {
    const rank = Math.min(rankOf(place.name, wanted), rankOf(place.about ?? '', wanted) + 1);
    return rank > 4 ? [] : [{ place, rank }];
  });
  // Of equal rank the given order stands: what is lively comes first.
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, limit)
    .map(({ place }) => place);
}

function rankOf(name: string, wanted: string): number {
  const text = name.toLowerCase();
  if (text === '') return 9;
  if (text.startsWith(wanted)) return 0;
  if (text.split(/[\s._:#@-]+/).some((word) => word.startsWith(wanted))) return 1;
  if (text.includes(wanted)) return 2;
  let at = 0;
  for (const letter of wanted) {
    at = text.indexOf(letter, at) + 1;
    if (at === 0) return 9;
  }
  return 4;
}

/** Everything there is, unread ones first. */
export function allPlaces(
  state: Pick<State, 'rooms' | 'dms' | 'agents' | 'unread' | 'me'>,
  paths: {
    room(id: string): string;
    dm(id: string): string;
    agent(id: string): string;
  },
  pages: readonly Place[],
): Place[] {
  const rooms = state.rooms.map((room): Place => ({
    key: `room:${room.id}`,
    kind: 'room',
    name: plainName(room.name) || room.id,
    href: paths.room(room.id),
    ...(room.name === room.id ? {} : { about: room.id }),
  }));
  const dms = byActivity(Object.values(state.dms)).map((dm): Place => ({
    key: `dm:${dm.id}`,
    kind: 'dm',
    name: dmName(dm, state.me.id, state.agents),
    href: paths.dm(dm.id),
  }));
  const agents = state.agents.map((agent): Place => ({
    key: `agent:${agent.id}`,
    kind: 'agent',
    name: agentName(agent),
    about: `@${agent.id}`,
    href: paths.agent(agent.id),
  }));
  const all = [...rooms, ...dms, ...pages, ...agents];
  const unread = (place: Place) => Number(state.unread[place.key] !== undefined);
  return all.toSorted((a, b) => unread(b) - unread(a));
}
