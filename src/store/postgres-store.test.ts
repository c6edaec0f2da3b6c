import { describe } from 'vitest';
import { storeContract } from '../../test/contract/store.ts';
import { openPostgres, testPostgres } from '../../test/support/postgres-open.ts';
import type { Store } from './store.ts';

describe('Postgres', () => {
  const postgres = testPostgres();
  const addresses = new WeakMap<Store, string>();
  const open = async (dsn: string): Promise<Store> => {
    const store = await openPostgres(dsn);
    addresses.set(store, dsn);
    return store;
  };
  storeContract({
    open: async () => open(await postgres.fresh()),
    reopen: async (store) => {
      await store.close();
      return open(addresses.get(store)!);
    },
  });
});
