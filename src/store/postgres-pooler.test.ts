/** STO-58: behind a pooler in transaction mode, PgBouncer or the stand-in of test/support/pooler.ts. */
import pg from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { openPostgres } from '../../test/support/postgres-open.ts';
import { startPooler, type Pooler } from '../../test/support/pooler.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import {
  agentRow,
  eventOf,
  messageOf,
  roomOf,
  rowsOf,
  upTo,
  writesOf,
} from '../../test/support/store-writes.ts';
import { ConstraintError, StateMovedError, StorageError } from './errors.ts';
import { searchTerms } from './search-terms.ts';
import type { Store } from './store.ts';

let server: PostgresServer;
let pooler: Pooler;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

let databases = 0;
/** Two servers on a database of their own (a pooler takes no search_path), by way of a pooler of its own. */
async function pooled(said = ''): Promise<{ a: Store; b: Store; dsn: string }> {
  const admin = new pg.Client(server.dsn);
  await admin.connect();
  const name = `pooled${++databases}`;
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const dsn = server.dsn.replace(/\/moltnet$/, `/${name}`);
  pooler = await startPooler(dsn);
  onTestFinished(() => pooler.stop());
  console.log(`pooler: ${pooler.kind}`);
  const [a, b] = [await openPostgres(pooler.dsn + said), await openPostgres(pooler.dsn + said)];
  onTestFinished(async () => void (await Promise.all([a.close(), b.close()])));
  return { a, b, dsn };
}
const idsOf = async (store: Store): Promise<string[]> => {
  await store.catchUp();
  return (await store.events({ all: true }, 0, 500)).map(({ id }) => id);
};

it.each([
  ['said in the address', '?pgbouncer=true'],
  ['found out', ''],
])(
  'STO-58 %s: commits, reads and news of two servers, with one order, without LISTEN and prepared statements',
  async (_, said) => {
    const { a, b, dsn } = await pooled(said);
    const told: string[][] = [[], []];
    for (const [i, store] of [a, b].entries())
      store.follow(({ events }) => void told[i]!.push(...events.map(({ id }) => id)));
    await a.commit([writesOf(roomOf('general')), rowsOf({ op: 'agent', row: agentRow('alpha') })]);
    await Promise.all(
      upTo(60).map((i) =>
        (i % 2 ? a : b).commit([writesOf(messageOf(`m${i}`, 'room:general', { text: `word ${i}` }))]),
      ),
    );
    const ids = await idsOf(a);
    expect(ids).toHaveLength(61);
    expect(await idsOf(b)).toEqual(ids);
    expect(new Set([...told[0]!, ...told[1]!]).size).toBe(61);
    for (const list of told) expect(list).toEqual(ids.filter((id) => list.includes(id)));
    // News come by polling alone.
    await a.commit([writesOf(eventOf('late'))]);
    await eventually(() => told[1]!.includes('late'));
    await expect(b.commit([writesOf(messageOf('m3', 'room:general'))])).rejects.toThrow(ConstraintError);
    const stale = b.position;
    await a.commit([rowsOf({ op: 'agent', row: agentRow('beta') })]);
    await expect(b.commit([rowsOf({ op: 'agent', row: agentRow('gamma') })], 1, stale)).rejects.toThrow(
      StateMovedError,
    );
    expect((await b.loadTopology()).agents.map(({ id }) => id)).toEqual(['alpha', 'beta']);
    const found = await b.search({
      terms: searchTerms('"word 7"'),
      readable: { rooms: 'all', participants: 'all' },
      limit: 9,
    });
    expect(found.rows.map(({ row }) => row.id)).toEqual(['m7']);
    const admin = new pg.Client(dsn);
    await admin.connect();
    const { rows } = await admin.query(
      `SELECT count(*)::INT AS n FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()`,
    );
    await admin.end();
    expect(rows).toEqual([{ n: 0 }]);
  },
);

it('STO-57 STO-58 leases and who is attached where are known through it', async () => {
  const { a, b } = await pooled();
  const gone: string[] = [];
  const follower = { told: () => {}, gone: (id: string) => void gone.push(id), lapsed: () => {} };
  await Promise.all([a.peers!.follow(follower), b.peers!.follow(follower)]);
  expect([await a.peers!.lease('alpha'), await b.peers!.lease('alpha')]).toEqual([true, false]);
  b.peers!.present('beta', 'idle');
  await eventually(() => a.peers!.elsewhere().get('beta') === 'idle');
  await a.close();
  expect(await b.peers!.lease('alpha')).toBe(true);
});

it('STO-51 STO-58 Postgres is killed behind it: what was accepted is there once, and it goes on', async () => {
  const { a, b } = await pooled();
  const stored: string[] = [];
  const say = async (store: Store, id: string): Promise<void> => {
    for (;;) {
      try {
        await store.commit([writesOf(messageOf(id, 'room:general'))]);
        return void stored.push(`evt_${id}`);
      } catch (error) {
        if (error instanceof ConstraintError) return void stored.push(`evt_${id}`);
        expect(error).toBeInstanceOf(StorageError);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  const writing = Promise.all(
    [a, b].map(async (store, k) => {
      for (const i of upTo(40)) await say(store, `k${k}-${i}`);
    }),
  );
  await eventually(() => stored.length > 10);
  await server.kill();
  await server.start();
  await writing;
  const ids = await idsOf(a);
  expect(ids.toSorted()).toEqual(stored.toSorted());
  expect(await idsOf(b)).toEqual(ids);
  for (const k of [0, 1])
    expect(ids.filter((id) => id.startsWith(`evt_k${k}-`))).toEqual(upTo(40).map((i) => `evt_k${k}-${i}`));
}, 60_000);
