/** Commits that are on their way together on one connection: what becomes of each when something breaks in between. */
import pg from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { setImmediate as turn } from 'node:timers/promises';
import { eventually } from '../../test/support/eventually.ts';
import { openPostgres } from '../../test/support/postgres-open.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import { messageOf, rowsOf, upTo, writesOf } from '../../test/support/store-writes.ts';
import { ConstraintError, StateMovedError, StorageError } from './errors.ts';
import { IN_TURN } from './postgres-commit-sql.ts';
import type { Store } from './store.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

let runs = 0;
const commit = (store: Store, id: string, run: number) =>
  store.commit([writesOf(messageOf(id, 'room:general'))], run);
const allIds = async (store: Store): Promise<string[]> => {
  const ids: string[] = [];
  for (let after = 0; ;) {
    const page = await store.events({ all: true }, after, 500);
    if (page.length === 0) return ids;
    ids.push(...page.map(({ id }) => id));
    after = page.at(-1)!.seq;
  }
};

/** A store, and a way to keep its next commits from going on in the database. */
async function heldCommits(): Promise<{ store: Store; admin: pg.Client; sent: () => number }> {
  const admin = new pg.Client(server.dsn);
  await admin.connect();
  onTestFinished(() => admin.end());
  await admin.query('DROP SCHEMA IF EXISTS held CASCADE; CREATE SCHEMA held; SET search_path = held');
  const store = await openPostgres(`${server.dsn}?options=-c%20search_path%3Dheld`);
  await commit(store, 'first', ++runs);
  const query = vi.spyOn(pg.Client.prototype, 'query');
  onTestFinished(() => query.mockRestore());
  const sent = () =>
    query.mock.calls.filter(([statement]) => (statement as { name?: string }).name === 'moltnet_commit_3')
      .length;
  await admin.query('BEGIN; SELECT * FROM log_head FOR UPDATE');
  return { store, admin, sent };
}

it('STO-42 a batch does not wait for the answer of the one it was decided over, and is not stored when that one is not', async () => {
  const { store, admin, sent } = await heldCommits();
  const run = ++runs;
  const one = commit(store, 'a', run);
  await eventually(() => sent() === 1);
  const others = [commit(store, 'first', run), commit(store, 'b', run), commit(store, 'c', run)].map((each) =>
    each.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
  expect(sent()).toBe(4);
  await admin.query('ROLLBACK');
  expect(await one).toEqual([[2]]);
  const [taken, ...over] = await Promise.all(others);
  expect(taken).toBeInstanceOf(ConstraintError);
  for (const error of over) expect(error).toBeInstanceOf(StateMovedError);
  expect(await commit(store, 'b', ++runs)).toEqual([[3]]);
  expect(await allIds(store)).toEqual(['evt_first', 'evt_a', 'evt_b']);
});

it('STO-51 two that are on their way when the connection breaks are each stored once, in their order', async () => {
  const { store, admin, sent } = await heldCommits();
  const run = ++runs;
  const one = commit(store, 'a', run);
  await eventually(() => sent() === 1);
  const two = commit(store, 'b', run);
  const waiting = async () =>
    (
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
      )
    ).rowCount;
  while ((await waiting()) === 0) await turn();
  await admin.query('ROLLBACK');
  expect([await one, await two]).toEqual([[[2]], [[3]]]);
  expect(await allIds(store)).toEqual(['evt_first', 'evt_a', 'evt_b']);
});

it('STO-54 commits of two servers are in the order in which they were asked for, whatever one has on its way behind', async () => {
  const { store: a, admin } = await heldCommits();
  const b = await openPostgres(`${server.dsn}?options=-c%20search_path%3Dheld`);
  await admin.query('ROLLBACK');
  await commit(b, 'b0', ++runs);
  await admin.query(`BEGIN; SELECT ${IN_TURN}`);
  const waiting = async () =>
    (await admin.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).rowCount;
  const run = ++runs;
  const all = [commit(a, 'a1', run)];
  while ((await waiting()) !== 1) await turn();
  all.push(commit(b, 'b1', ++runs));
  while ((await waiting()) !== 2) await turn();
  all.push(...['a2', 'a3', 'a4'].map((id) => commit(a, id, run)));
  await admin.query('ROLLBACK');
  await Promise.all(all);
  expect((await allIds(a)).slice(2)).toEqual(['evt_a1', 'evt_b1', 'evt_a2', 'evt_a3', 'evt_a4']);
});

it('STO-54 while it is another server’s turn a decision waits; a turn of a server that is not heard of ends by itself', async () => {
  const { store: a, admin } = await heldCommits();
  await admin.query('ROLLBACK');
  const b = await openPostgres(`${server.dsn}?options=-c%20search_path%3Dheld`);
  await commit(b, 'b0', ++runs);
  await a.catchUp();
  await admin.query(
    `INSERT INTO commit_turns (server, since, until) VALUES (1, clock_timestamp(), clock_timestamp() + interval '400 ms')`,
  );
  const first = a.commit([writesOf(messageOf('a1', 'room:general'))], ++runs, a.position);
  const inLine = async () =>
    (await admin.query(`SELECT 1 FROM commit_turns WHERE until > clock_timestamp()`)).rowCount;
  while ((await inLine()) !== 2) await turn();
  // What decides nothing waits for nobody.
  await commit(b, 'b1', ++runs);
  await first;
  const { rows } = await admin.query(
    `SELECT clock_timestamp() > until AS over FROM commit_turns WHERE server = 1`,
  );
  expect(rows).toEqual(rows.map(() => ({ over: true })));
  expect((await allIds(a)).slice(2)).toEqual(['evt_b1', 'evt_a1']);
});

const fencesOf = (holder: number) =>
  rowsOf(...['z', 'a'].map((name) => ({ op: 'fence', name, holder }) as const));
it.each<[string, (store: Store) => Promise<unknown>, number]>([
  ['a commit', (store) => store.commit([fencesOf(store.peers!.holder)]), 2],
  ['what lets them go', ({ peers }) => Promise.all([peers!.release('z'), peers!.release('a')]), 0],
  ['the end of their server', (store) => store.close(), 0],
])(
  'STO-57 leases are locked in the order of their names by %s: two never wait for each other',
  async (_, act, left) => {
    const { store, admin } = await heldCommits();
    await admin.query('ROLLBACK');
    // Where nothing says in which order, it is that in which they were made.
    for (const name of ['z', 'a']) expect(await store.peers!.lease(name)).toBe(true);
    // So that it knows how small the table is, and reads it as it lies there.
    await admin.query('ANALYZE leases');
    await expectInOrder(admin, () => act(store));
    expect((await admin.query('SELECT 1 FROM leases')).rowCount).toBe(left);
  },
);

it('STO-57 leases of a server that is dead are locked in the order of their names by who takes it out', async () => {
  const { store, admin } = await heldCommits();
  await admin.query(`ROLLBACK; INSERT INTO servers (server, until) VALUES (99, clock_timestamp() - interval '1 hour');
    INSERT INTO leases (name, server) VALUES ('z', 99), ('a', 99)`);
  await expectInOrder(admin, () => store.peers!.lease('mine'));
  expect((await admin.query('SELECT name FROM leases')).rows).toEqual([{ name: 'mine' }]);
});

/** While another has the lease `a`, and then wants `z`: that one it has not locked yet, so it is not broken off. */
async function expectInOrder(admin: pg.Client, act: () => Promise<unknown>): Promise<void> {
  await admin.query(`BEGIN; SELECT 1 FROM leases WHERE name = 'a' FOR UPDATE`);
  const acting = act();
  const waiting = async () =>
    (await admin.query('SELECT virtualtransaction FROM pg_locks WHERE NOT granted')).rows;
  while ((await waiting()).length === 0) await turn();
  const before = await waiting();
  await admin.query(`SELECT 1 FROM leases WHERE name = 'z' FOR UPDATE`);
  expect(await waiting()).toEqual(before);
  await admin.query('ROLLBACK');
  await acting;
}

it('STO-51 STO-42 of pairs on their way while Postgres is killed again and again, what was answered is there once and what was refused is not', async () => {
  const store = await openPostgres(server.dsn);
  const [stored, refused]: [string[], string[]] = [[], []];
  const stop = new AbortController();
  const writing = (async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      const run = ++runs;
      const pair = ['a', 'b'].map(async (of, k) => {
        // The second is asked for when the first is on its way.
        if (k > 0) await turn();
        const id = `${of}${i}`;
        await commit(store, id, run).then(
          () => stored.push(`evt_${id}`),
          (error: unknown) => {
            expect([StorageError, StateMovedError].some((known) => error instanceof known)).toBe(true);
            // One that may have been stored says so, and counts as neither.
            if (!/may have been stored/.test((error as Error).message)) refused.push(`evt_${id}`);
          },
        );
      });
      await Promise.all(pair);
    }
  })();
  for (const round of upTo(4)) {
    const reached = stored.length + 50;
    await eventually(() => stored.length > reached);
    await server.kill();
    if (round === 1) await eventually(() => refused.length > 0);
    await server.start();
  }
  const reached = stored.length + 20;
  await eventually(() => stored.length > reached);
  stop.abort();
  await writing;
  const there = await allIds(store);
  expect(new Set(there).size).toBe(there.length);
  expect(stored.filter((id) => !there.includes(id))).toEqual([]);
  expect(refused.filter((id) => there.includes(id))).toEqual([]);
  expect(stored).toEqual(there.filter((id) => stored.includes(id)));
});
