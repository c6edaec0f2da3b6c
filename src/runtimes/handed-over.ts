/**
 * What was handed to a runtime that cannot be asked whether it has had a wake: noted before, so that a node that died
 * in between does not hand it over a second time. One entry for each session.
 */
import { readFileSync } from 'node:fs';
import { writePrivateFile } from '../config/private-files.ts';

export interface Handed {
  wake_id: string;
  attempt: number;
  /** Missing while it is not known. */
  outcome?: 'ok' | 'failed';
}

/** Entries that are kept, the newest ones. */
const MAX_ENTRIES = 5000;

export interface HandedOver {
  get(sessionKey: string): Handed | undefined;
  /** Throws where it cannot be written: then nothing may be handed over. */
  set(sessionKey: string, handed: Handed): void;
}

export function openHandedOver(file: string): HandedOver {
  const read = (): Map<string, Handed> => {
    try {
      return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, Handed>));
    } catch {
      // Missing or damaged: what it knew is a doubt less.
      return new Map();
    }
  };
  return {
    get: (key) => read().get(key),
    set: (key, handed) => {
      const all = read();
      all.delete(key);
      all.set(key, handed);
      const kept = [...all].slice(-MAX_ENTRIES);
      writePrivateFile(file, `${JSON.stringify(Object.fromEntries(kept))}\n`);
    },
  };
}
