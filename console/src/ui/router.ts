import { useSyncExternalStore } from 'react';

/** Where in the console the person is. */
export type Route =
  | { page: 'home' }
  | {
      page: 'room';
      id: string;
      /** A message that a link led to. */
      message?: string;
      /** The thread that is open beside it, or the message that a new one begins at. */
      thread?: string;
      reply?: string;
    }
  | { page: 'files'; room: string }
  | { page: 'thread'; id: string; message?: string }
  | { page: 'dm'; id: string; message?: string }
  | { page: 'dms'; with?: string }
  | { page: 'agent'; id: string }
  | { page: 'agents' }
  | { page: 'needs' }
  | { page: 'network' }
  | { page: 'events' }
  | { page: 'search'; q: string }
  | { page: 'unknown' };

const BASE = '/console';

const withQuery = (path: string, query: Record<string, string | undefined> = {}): string => {
  const given = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1]);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
};
const part = encodeURIComponent;

export const paths = {
  home: `${BASE}/`,
  room: (id: string, query?: { message?: string; thread?: string; reply?: string }) =>
    withQuery(`${BASE}/rooms/${part(id)}`, query),
  files: (room: string) => `${BASE}/rooms/${part(room)}/files`,
  thread: (id: string, query?: { message?: string }) => withQuery(`${BASE}/threads/${part(id)}`, query),
  dm: (id: string, query?: { message?: string }) => withQuery(`${BASE}/dms/${part(id)}`, query),
  dms: `${BASE}/dms`,
  dmWith: (participant: string) => withQuery(`${BASE}/dms`, { with: participant }),
  agents: `${BASE}/agents`,
  agent: (id: string) => `${BASE}/agents/${part(id)}`,
  needs: `${BASE}/needs`,
  network: `${BASE}/network`,
  events: `${BASE}/events`,
  search: (query: Record<string, string | undefined> = {}) => withQuery(`${BASE}/search`, query),
  /** A conversation by its key, at one of its messages. */
  conversation(key: string, message?: string): string {
    const colon = key.indexOf(':');
    const id = key.slice(colon + 1);
    const query = message === undefined ? {} : { message };
    switch (key.slice(0, colon)) {
      case 'thread':
        return paths.thread(id, query);
      case 'dm':
        return paths.dm(id, query);
      default:
        return paths.room(id, query);
    }
  },
};

const PLAIN = new Set(['agents', 'dms', 'needs', 'network', 'events', 'search']);

/** @param address path and query, as `usePath` gives it */
export function parseRoute(address: string): Route {
  const mark = address.indexOf('?');
  const path = mark < 0 ? address : address.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : address.slice(mark));
  const asked = <K extends string>(...names: K[]): { [N in K]?: string } =>
    Object.fromEntries(names.flatMap((name) => (query.get(name) ? [[name, query.get(name)!]] : []))) as {
      [N in K]?: string;
    };
  const segments = path
    .replace(/^\/console\/?/, '')
    .split('/')
    .filter(Boolean);
  if (segments.length === 0) return { page: 'home' };
  const [section = '', raw, ...more] = segments;
  if (raw === undefined && PLAIN.has(section)) {
    if (section === 'search') return { page: 'search', q: query.toString() };
    if (section === 'dms') return { page: 'dms', ...asked('with') };
    return { page: section as 'agents' | 'needs' | 'network' | 'events' };
  }
  const id = decode(raw);
  if (id === undefined) return { page: 'unknown' };
  if (section === 'rooms' && more.length === 1 && more[0] === 'files') return { page: 'files', room: id };
  if (more.length > 0) return { page: 'unknown' };
  switch (section) {
    case 'rooms':
      return { page: 'room', id, ...asked('message', 'thread', 'reply') };
    case 'threads':
      return { page: 'thread', id, ...asked('message') };
    case 'dms':
      return { page: 'dm', id, ...asked('message') };
    case 'agents':
      return { page: 'agent', id };
    default:
      return { page: 'unknown' };
  }
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

const listeners = new Set<() => void>();
const here = () => location.pathname + location.search;

/** Goes there within the page; `replace` leaves no step to go back to. */
export function navigate(path: string, options: { replace?: boolean } = {}): void {
  if (path === here()) return;
  history[options.replace ? 'replaceState' : 'pushState'](null, '', path);
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
  };
}

/** The path and query on screen. */
export const usePath = (): string => useSyncExternalStore(subscribe, here);
