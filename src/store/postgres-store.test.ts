import { describe, expect, it } from 'vitest';
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
    another: (store) => open(addresses.get(store)!),
  });

  it('STO-11 STO-13 a schema that a newer program left for newer ones only is refused, one that it left for us too is opened', async () => {
    const dsn = await postgres.fresh();
    await (await openPostgres(dsn)).close();
    const newer = (min_reader: number) =>
      postgres.query(
        dsn,
        `INSERT INTO schema_versions (version, name, min_reader) VALUES (999, 'newer', $1)
         ON CONFLICT (version) DO UPDATE SET min_reader = excluded.min_reader`,
        [min_reader],
      );
    await newer(1);
    await (await openPostgres(dsn)).close();
    await newer(999);
    await expect(openPostgres(dsn)).rejects.toThrow(/needs a program that knows schema 999/);
    await postgres.query(dsn, 'DELETE FROM schema_versions WHERE version = 999');
  });
});
