/**
 * A network between server and database that stands still: as a cable that is pulled, with what was sent on its way. Ten
 * minutes are a tenth of the usual waiting times here (`patience`): what matters is that a gap is longer than all of them.
 */
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { openPostgres } from '../../test/support/postgres-open.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import { messageOf, upTo, writesOf } from '../../test/support/store-writes.ts';
import { startProxy, type Proxy } from '../../test/support/tcp-proxy.ts';
import { ConstraintError, StorageError } from './errors.ts';
import type { ForeignBatch } from './peers.ts';
import type { Store } from './store.ts';

const patience = 0.1;
let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

let schemas = 0;
/** Two servers on a schema of their own: one behind the proxy, one on the database itself. */
async function twoServers(): Promise<{ far: Store; near: Store; proxy: Proxy; told: string[] }> {
  const { default: pg } = await import('pg');
  const client = new pg.Client(server.dsn);
  await client.connect();
  const schema = `gap${++schemas}`;
  await client.query(`CREATE SCHEMA ${schema}`);
  await client.end();
  const proxy = await startProxy(server.dsn);
  const at = (dsn: string): string => {
    const url = new URL(dsn);
    url.searchParams.set('options', `-c search_path=${schema}`);
    return url.href;
  };
  const far = await openPostgres(at(proxy.url), { patience });
  const near = await openPostgres(at(server.dsn));
  const told: string[] = [];
  const follow = ({ events }: ForeignBatch): void => void told.push(...events.map(({ id }) => id));
  far.follow(follow);
  near.follow(() => {});
  onTestFinished(() => proxy.flow());
  return { far, near, proxy, told };
}
const say = (id: string) => [writesOf(messageOf(id, 'room:general'))];
const allIds = async (store: Store): Promise<string[]> => {
  await store.catchUp();
  return (await store.events({ all: true }, 0, 500)).map(({ id }) => id);
};
const isCommit = (data: Buffer): boolean => data.includes('moltnet_commit_3');

/** Says it under the same id until it is stored, as clients do. */
async function sayUntilStored(store: Store, id: string): Promise<StorageError[]> {
  const errors: StorageError[] = [];
  for (;;) {
    try {
      await store.commit(say(id));
      return errors;
    } catch (error) {
      // It was stored the first time.
      if (error instanceof ConstraintError) return errors;
      expect(error).toBeInstanceOf(StorageError);
      errors.push(error as StorageError);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

it.each(['before', 'after'] as const)(
  'STO-51 a long gap that begins %s the COMMIT reaches the database: the write is refused or unsure, nothing is lost, doubled or out of order',
  async (when) => {
    const { far, near, proxy, told } = await twoServers();
    for (const i of upTo(3)) await far.commit(say(`f${i}`));
    let fell = false;
    proxy.onData = (data) => {
      if (fell || !isCommit(data)) return;
      fell = true;
      if (when === 'before') proxy.stall(true);
      // What was sent arrives; its answer does not.
      else setImmediate(() => proxy.stall(true));
    };
    const cut = sayUntilStored(far, 'cut');
    await eventually(() => fell);
    // The other server goes on, in the middle of it.
    for (const i of upTo(5)) await near.commit(say(`n${i}`));
    await expect(far.ping()).rejects.toThrow(/does not answer/);
    await expect(far.commit(say('during'))).rejects.toThrow(StorageError);
    expect(far.behind).toBeGreaterThan(0);
    proxy.flow();
    const errors = await cut;
    if (when === 'before') expect(errors.length).toBeGreaterThan(0);
    await vi.waitFor(() => far.ping(), 10_000);
    await sayUntilStored(far, 'after');
    await near.commit(say('last'));
    const ids = await allIds(near);
    expect(await allIds(far)).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    const wanted = ['f0', 'f1', 'f2', 'n0', 'n1', 'n2', 'n3', 'n4', 'cut', 'after', 'last'];
    expect(ids.filter((id) => id !== 'evt_during').toSorted()).toEqual(
      wanted.map((id) => `evt_${id}`).toSorted(),
    );
    // What the other one has said was told once, in its order; and what was unsure at most once.
    const others = told.filter((id) => id.startsWith('evt_n') || id === 'evt_last');
    expect(others).toEqual(['n0', 'n1', 'n2', 'n3', 'n4', 'last'].map((id) => `evt_${id}`));
    expect(new Set(told).size).toBe(told.length);
    expect(far.head).toBe(near.head);
  },
  60_000,
);

it('STO-51 a COMMIT that comes late, when another connection has found that it was not stored, is not stored', async () => {
  const { far, near, proxy } = await twoServers();
  await far.commit(say('first'));
  let fell = false;
  proxy.onData = (data) => {
    if (fell || !isCommit(data)) return;
    fell = true;
    // This connection alone stands still: new ones get through.
    proxy.stall();
  };
  await far.commit(say('cut'));
  expect(fell).toBe(true);
  expect(await allIds(near)).toEqual(['evt_first', 'evt_cut']);
  proxy.onData = undefined;
  proxy.flow();
  await far.commit(say('second'));
  await near.commit(say('third'));
  for (const store of [far, near])
    expect(await allIds(store)).toEqual(['evt_first', 'evt_cut', 'evt_second', 'evt_third']);
}, 30_000);

it('STO-57 a lease that could not be let go while the database was away is let go when it is back: its server lives on', async () => {
  const { far, near, proxy } = await twoServers();
  const follower = { told: () => {}, gone: () => {}, lapsed: () => {} };
  await far.peers!.follow(follower);
  await near.peers!.follow(follower);
  expect([await far.peers!.lease('alpha'), await near.peers!.lease('alpha')]).toEqual([true, false]);
  expect(await far.peers!.lease('beta')).toBe(true);
  proxy.refuse();
  proxy.cut();
  await far.peers!.release('alpha');
  await far.peers!.release('beta');
  expect(await near.peers!.lease('alpha')).toBe(false);
  proxy.admit();
  await vi.waitFor(async () => expect(await near.peers!.lease('alpha')).toBe(true), 4_000);
  // It lives on, and takes again what it wants.
  expect(await far.peers!.lease('beta')).toBe(true);
  expect([far.peers!.alive, near.peers!.others]).toEqual([true, 1]);
});
