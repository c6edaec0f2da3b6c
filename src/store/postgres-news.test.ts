/** News of other servers that come at a bad moment, or not at all: between two answers of ours, or forgotten meanwhile. */
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { faults } from '../../test/support/faults.ts';
import { openPostgres, testPostgres } from '../../test/support/postgres-open.ts';
import { messageOf, writesOf } from '../../test/support/store-writes.ts';
import { startProxy } from '../../test/support/tcp-proxy.ts';
import { StorageError } from './errors.ts';
import type { Store } from './store.ts';

const postgres = testPostgres();
afterEach(() => vi.useRealTimers());
const say = (id: string) => [writesOf(messageOf(id, 'room:general'))];
const idsOf = async (store: Store): Promise<string[]> =>
  (await store.events({ all: true }, 0, 500)).map(({ id }) => id);

interface Teller {
  dsn: string;
  /** Answers to commits and to looks for news, as they came; they wait while `holds`. */
  held: { of: 'commit' | 'news'; go: () => void }[];
  holds: boolean;
  /** What it says in the place of the answer to the next commit; then it ends the connection. */
  instead: Buffer | undefined;
}

/** Stands before a database and knows what it is asked. */
async function startTeller(dsn: string): Promise<Teller> {
  const { hostname, port } = new URL(dsn);
  const server = createServer((client) => {
    const database = connect(Number(port), hostname);
    let of: 'commit' | 'news' | undefined;
    let last: Buffer | undefined;
    client.on('data', (data) => {
      const text = (data as Buffer).toString('latin1');
      of = text.includes('moltnet_commit_3')
        ? 'commit'
        : text.includes('moltnet_feed_news')
          ? 'news'
          : undefined;
      if (of === 'commit') [last, teller.instead] = [teller.instead, undefined];
      database.write(data);
    });
    database.on('data', (data) => {
      if (last) client.end(last);
      else if (teller.holds && of) teller.held.push({ of, go: () => client.write(data) });
      else client.write(data);
    });
    client.on('error', () => {}).on('close', () => database.destroy());
    database.on('error', () => {}).on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = new URL(dsn);
  url.port = String((server.address() as AddressInfo).port);
  const teller: Teller = { dsn: url.href, held: [], holds: false, instead: undefined };
  return teller;
}

it('STO-54 STO-56 news that are read between the answers of two commits under way wait for the second, and whoever waits for news waits with them', async () => {
  const dsn = await postgres.fresh();
  const teller = await startTeller(dsn);
  const far = await openPostgres(teller.dsn);
  const near = await openPostgres(dsn);
  const order: string[] = [];
  far.follow(({ events }) => void order.push(...events.map(({ id }) => id)));
  await far.commit(say('first'), 1);
  await far.catchUp();
  teller.holds = true;
  const of = (kind: string) => teller.held.filter((each) => each.of === kind);
  const a = far.commit(say('a'), 2).then(() => void order.push('evt_a'));
  await eventually(() => of('commit').length === 1);
  const b = far.commit(say('b'), 2).then(() => void order.push('evt_b'));
  await eventually(() => of('commit').length === 2);
  await near.commit(say('c'));
  const caught = far.catchUp()!.then(() => void order.push('caught up'));
  await eventually(() => of('news').length === 1);
  of('commit')[0]!.go();
  await a;
  of('news')[0]!.go();
  // It was taken once the same connection answers again.
  teller.holds = false;
  await far.meta('nothing');
  expect(order).toEqual(['evt_a']);
  of('commit')[1]!.go();
  await Promise.all([b, caught]);
  expect(order).toEqual(['evt_a', 'evt_b', 'evt_c', 'caught up']);
  expect(await idsOf(near)).toEqual(['evt_first', 'evt_a', 'evt_b', 'evt_c']);
});

it.each(['a look for news', 'a commit of its own'])(
  'STO-54 a server that was away until what it missed is forgotten does not go on without it: %s finds that',
  async (how) => {
    const dsn = await postgres.fresh();
    const proxy = await startProxy(dsn);
    const found = faults();
    const far = await openPostgres(proxy.url);
    const near = await openPostgres(dsn);
    const told: string[] = [];
    await far.commit(say('f'));
    proxy.stall(true);
    await near.commit(say('missed'));
    await postgres.query(dsn, 'DELETE FROM changes');
    proxy.flow();
    if (how !== 'a commit of its own')
      far.follow(({ events }) => void told.push(...events.map(({ id }) => id)));
    else await expect(far.commit(say('g'))).rejects.toThrow(StorageError);
    await eventually(() => found.length > 0);
    expect(found[0]).toMatch(/away for so long/);
    expect(far.head).toBe(1);
    expect(told).toEqual([]);
    await expect(far.catchUp()).rejects.toThrow(/away for so long/);
  },
);

it('STO-54 what is ten minutes old is forgotten, however much a minute had', async () => {
  const dsn = await postgres.fresh();
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const store = await openPostgres(dsn);
  await store.commit(say('new'));
  await postgres.query(
    dsn,
    `INSERT INTO changes (stamp, batch, server, after_seq, last_seq, at, rows)
      SELECT -i, gen_random_uuid(), 1, 0, 0, clock_timestamp() - interval '11 minutes', '' FROM generate_series(1, 12000) i`,
  );
  vi.advanceTimersByTime(60_000);
  await vi.waitFor(async () =>
    expect(await postgres.query(dsn, 'SELECT stamp FROM changes')).toEqual([{ stamp: '1' }]),
  );
});

it('STO-51 STO-58 a pooler whose session broke after the commit says so with an error of its own: the commit is looked up', async () => {
  const dsn = await postgres.fresh();
  const teller = await startTeller(dsn);
  const store = await openPostgres(teller.dsn);
  await store.commit(say('a'));
  for (const code of ['08P01', '58000', 'XX000']) {
    const text = Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mserver conn crashed?\0\0`);
    const head = Buffer.from('E0000');
    head.writeInt32BE(4 + text.length, 1);
    teller.instead = Buffer.concat([head, text]);
    await store.commit(say(code));
    expect(teller.instead).toBe(undefined);
  }
  expect(await idsOf(store)).toEqual(['evt_a', 'evt_08P01', 'evt_58000', 'evt_XX000']);
});

it('STO-51 a session of a server that takes no writes any more is not asked again: after a failover a new one is', async () => {
  const dsn = await postgres.fresh();
  const store = await openPostgres(dsn);
  const name = new URL(dsn).pathname.slice(1);
  // Of sessions that begin from now on: as those are that stay with a primary that was made a standby.
  await postgres.query(dsn, `ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  await expect(store.commit(say('a'))).rejects.toThrow(/takes no writes/);
  await store.peers!.follow({ told: () => {}, gone: () => {}, lapsed: () => {} });
  expect(await store.peers!.lease('alpha')).toBe(false);
  const url = new URL(dsn);
  url.searchParams.set('options', '-c default_transaction_read_only=off');
  await postgres.query(url.href, `ALTER DATABASE ${name} RESET default_transaction_read_only`);
  await store.commit(say('b'));
  await vi.waitFor(async () => expect(await store.peers!.lease('alpha')).toBe(true), 4_000);
});
