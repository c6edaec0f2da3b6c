import path from 'node:path';
import { describe } from 'vitest';
import { storeContract } from '../../test/contract/store.ts';
import { openFile, openMemory, scratchFolder } from '../../test/support/store-open.ts';
import type { Store } from './store.ts';

describe('SQLite file', () => {
  const files = new WeakMap<Store, string>();
  const open = async (file: string): Promise<Store> => {
    const store = await openFile(file);
    files.set(store, file);
    return store;
  };
  storeContract({
    open: () => open(path.join(scratchFolder(), 'moltnet.db')),
    reopen: async (store) => {
      await store.close();
      return open(files.get(store)!);
    },
  });
});

describe('SQLite in memory', () => storeContract({ open: openMemory }));
