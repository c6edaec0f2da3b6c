/** What the browser keeps for this person. Storage may be full or forbidden: then it is forgotten on reload, no more. */
const PREFIX = 'moltnet.';

function read(storage: () => Storage, name: string): string | undefined {
  try {
    return storage().getItem(PREFIX + name) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(storage: () => Storage, name: string, value: string | undefined): void {
  try {
    if (value === undefined || value === '') storage().removeItem(PREFIX + name);
    else storage().setItem(PREFIX + name, value);
  } catch {
    // See above.
  }
}

const local = () => window.localStorage;
const session = () => window.sessionStorage;

const SEEN_KEPT = 200;
function seen(): [key: string, id: string][] {
  try {
    const list: unknown = JSON.parse(read(local, 'seen') ?? '[]');
    return Array.isArray(list) ? list.filter((entry): entry is [string, string] => Array.isArray(entry)) : [];
  } catch {
    return [];
  }
}

/** The names of what is kept, without the prefix. */
function names(storage: () => Storage): string[] {
  try {
    return Object.keys(storage()).flatMap((key) =>
      key.startsWith(PREFIX) ? [key.slice(PREFIX.length)] : [],
    );
  } catch {
    return [];
  }
}

export const remember = {
  /** Nothing that the person wrote or read stays for whoever comes next: drafts, messages on their way, places. */
  forget() {
    for (const storage of [local, session])
      for (const name of names(storage)) if (name !== 'notify') write(storage, name, undefined);
  },
  /** The person of the server's configuration who was signed in here last. */
  person: () => read(local, 'person'),
  setPerson: (id: string) => write(local, 'person', id),
  name: () => read(local, 'name'),
  setName: (name: string) => write(local, 'name', name),
  notifies: () => read(local, 'notify') === 'on',
  setNotifies: (on: boolean) => write(local, 'notify', on ? 'on' : undefined),
  lastRoom: () => read(local, 'room'),
  setLastRoom: (id: string) => write(local, 'room', id),
  /** A draft per conversation, in all windows. */
  draft: (key: string) => read(local, `draft.${key}`) ?? '',
  setDraft: (key: string, text: string) => write(local, `draft.${key}`, text),
  /** The newest message that was seen of a conversation, of the last two hundred conversations. */
  seenConversations: () => seen().map(([key]) => key),
  lastSeen: (key: string) => seen().find(([known]) => known === key)?.[1],
  setLastSeen: (key: string, id: string) =>
    write(
      local,
      'seen',
      JSON.stringify([[key, id], ...seen().filter(([known]) => known !== key)].slice(0, SEEN_KEPT)),
    ),
  /** Messages on their way: of this window only, so that two windows do not send one twice. */
  outbox: () => read(session, 'outbox'),
  setOutbox: (json: string | undefined) => write(session, 'outbox', json),
  /** Codes of the network's warnings that were put away, until the browser is closed. */
  dismissed: () => read(session, 'dismissed') ?? '',
  setDismissed: (codes: string) => write(session, 'dismissed', codes),
};
