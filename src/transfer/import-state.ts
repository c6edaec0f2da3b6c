/** How far an import into a store has got: in the store itself, so that a crash cannot make the two disagree. */
import type { Store } from '../store/store.ts';

/** meta key. */
export const IMPORT_STATE = 'import.state';

export interface ImportState {
  /** Of the export. */
  id: string;
  done: boolean;
  /** Items taken in. */
  items: number;
  events: number;
  messages: number;
  rooms: number;
  agents: number;
  repaired: number;
}

export async function readImportState(store: Pick<Store, 'meta'>): Promise<ImportState | undefined> {
  const text = await store.meta(IMPORT_STATE);
  return text === undefined ? undefined : (JSON.parse(text) as ImportState);
}
