import { useSyncExternalStore } from 'react';

/** Where in the console the person is. */
export type Route =
  | { page: 'home' }
  | { page: 'room'; id: string }
  | { page: 'thread'; id: string }
  | { page: 'agents' }
  | { page: 'unknown' };

const BASE = '/console';

export const paths = {
  home: `${BASE}/`,
  room: (id: string) => `${BASE}/rooms/${encodeURIComponent(id)}`,
  thread: (id: string) => `${BASE}/threads/${encodeURIComponent(id)}`,
  agents: `${BASE}/agents`,
};

export function parseRoute(pathname: string): Route {
  const segments = pathname
    .replace(/^\/console\/?/, '')
    .split('/')
    .filter(Boolean);
  if (segments.length === 0) return { page: 'home' };
  const [section, raw, ...more] = segments;
  if (section === 'agents' && raw === undefined) return { page: 'agents' };
  const id = decode(raw);
  if (id !== undefined && more.length === 0) {
    if (section === 'rooms') return { page: 'room', id };
    if (section === 'threads') return { page: 'thread', id };
  }
  return { page: 'unknown' };
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

const listeners = new Set<() => void>();

/** Goes there within the page; `replace` leaves no step to go back to. */
export function navigate(path: string, options: { replace?: boolean } = {}): void {
  if (path === location.pathname) return;
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

/** The path on screen. */
export const usePath = (): string => useSyncExternalStore(subscribe, () => location.pathname);
