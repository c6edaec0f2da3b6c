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

export const remember = {
  name: () => read(local, 'name'),
  setName: (name: string) => write(local, 'name', name),
  lastRoom: () => read(local, 'room'),
  setLastRoom: (id: string) => write(local, 'room', id),
  /** A draft per conversation, in all windows. */
  draft: (key: string) => read(local, `draft.${key}`) ?? '',
  setDraft: (key: string, text: string) => write(local, `draft.${key}`, text),
  /** Messages on their way: of this window only, so that two windows do not send one twice. */
  outbox: () => read(session, 'outbox'),
  setOutbox: (json: string | undefined) => write(session, 'outbox', json),
  /** Codes of the network's warnings that were put away, until the browser is closed. */
  dismissed: () => read(session, 'dismissed') ?? '',
  setDismissed: (codes: string) => write(session, 'dismissed', codes),
};
