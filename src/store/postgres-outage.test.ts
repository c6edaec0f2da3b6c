import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { openPostgres } from '../../test/support/postgres-open.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import { eventOf, messageOf, upTo, writesOf } from '../../test/support/store-writes.ts';
import { openStore } from './open.ts';
import { postgresTarget } from './postgres-dsn.ts';
import { StorageError } from './errors.ts';
import type { Store } from './store.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

const allIds = async (store: Store): Promise<string[]> => {
  const ids: string[] = [];
  for (let after = 0; ;) {
    const page = await store.events({ all: true }, after, 500);
    if (page.length === 0) return ids;
    ids.push(...page.map(({ id }) => id));
    after = page.at(-1)!.seq;
  }
};

it('STO-51 what was committed while Postgres is killed again and again is there once, and what was refused is not', async () => {
  const store = await openPostgres(server.dsn);
  const stored: string[] = [];
  const refused: string[] = [];
  const stop = new AbortController();
  const writing = (async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      const id = `k${i}`;
      await store.commit([writesOf(messageOf(id, 'room:general'))]).then(
        () => stored.push(`evt_${id}`),
        (error: unknown) => {
          expect(error).toBeInstanceOf(StorageError);
          // One that may have been stored says so, and counts as neither.
          if (!/may have been stored/.test((error as Error).message)) refused.push(`evt_${id}`);
        },
      );
      if (refused.length > 0) await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (const round of upTo(3)) {
    const reached = stored.length + 20;
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
  await store.ping();
});

it('STO-51 a database that is away refuses at once, and one that stands still within seconds; both come back', async () => {
  const store = await openPostgres(server.dsn);
  await store.commit([writesOf(eventOf('before'))]);
  const head = store.head;
  await server.kill();
  await expect(store.commit([writesOf(eventOf('away'))])).rejects.toThrow(StorageError);
  await expect(store.ping()).rejects.toThrow(StorageError);
  await server.start();
  await vi.waitFor(() => store.ping(), 20_000);
  await vi.waitFor(() => store.commit([writesOf(eventOf('again'))]), 20_000);
  server.signal('SIGSTOP');
  try {
    await expect(store.ping()).rejects.toThrow(/does not answer/);
  } finally {
    server.signal('SIGCONT');
  }
  await vi.waitFor(() => store.ping(), 20_000);
  await store.commit([writesOf(eventOf('on'))]);
  expect((await store.events({ all: true }, head, 9)).map(({ id }) => id)).toEqual(['again', 'on']);
});

it('STO-53 a Postgres that is not there yet is waited for, with a word, and without its password', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  const port = await new Promise<number>((resolve) =>
    closed.once('listening', () => resolve((closed.address() as AddressInfo).port)),
  );
  await new Promise((resolve) => closed.close(resolve));
  const said: string[] = [];
  const patience = new AbortController();
  const dsn = `postgres://moltnet:s3cret@127.0.0.1:${port}/moltnet`;
  const opening = openStore({
    kind: 'postgres',
    dsn,
    networkId: 'local',
    signal: patience.signal,
    log: { warn: (_, message) => void said.push(message) },
  });
  const outcome = opening.then(
    (store) => store.close(),
    (error: unknown) => error,
  );
  await eventually(() => said.length === 1);
  expect(said[0]).toMatch(/127\.0\.0\.1:\d+\/moltnet as moltnet.*waiting for it/);
  expect(said[0]).not.toContain('s3cret');
  patience.abort();
  expect(await outcome).toBeInstanceOf(StorageError);
});

it('STO-53 servers that start together make the schema once; another network is refused, a wrong database ends the start', async () => {
  const admin = await openPostgres(server.dsn);
  await admin.close();
  const url = new URL(server.dsn);
  url.searchParams.set('options', '-c search_path=together');
  const pg = (await import('pg')).default;
  const client = new pg.Client(server.dsn);
  await client.connect();
  await client.query('CREATE SCHEMA together');
  await client.end();
  const stores = await Promise.all(upTo(4).map(() => openPostgres(url.href)));
  await Promise.all(stores.map((store, i) => store.commit([writesOf(eventOf(`e${i}`))])));
  await Promise.all(stores.map((store) => store.catchUp()));
  for (const store of stores) expect(store.head).toBe(4);
  await expect(openPostgres(url.href, { networkId: 'other' })).rejects.toThrow(
    /belongs to the network "local"/,
  );
  await expect(openPostgres(server.dsn.replace('/moltnet', '/nowhere'))).rejects.toThrow(StorageError);
});

describe('STO-52 the address of a database', () => {
  it('is a URL or keywords, and says TLS as libpq has it', () => {
    expect(postgresTarget('postgres://u:p%40ss@h:5433/d').client).toMatchObject({
      user: 'u',
      password: 'p@ss',
      host: 'h',
      port: 5433,
      database: 'd',
    });
    expect(
      postgresTarget(`host=h port=5433 user=u password='p\\'s s' dbname=d sslmode=disable`).client,
    ).toMatchObject({
      user: 'u',
      password: "p's s",
      host: 'h',
      port: 5433,
      database: 'd',
    });
    const ssl = (query: string) => postgresTarget(`postgres://u@h/d?${query}`).client.ssl;
    expect(ssl('')).toBeUndefined();
    expect(ssl('sslmode=disable')).toBeUndefined();
    expect(ssl('sslmode=require')).toMatchObject({ rejectUnauthorized: false });
    expect(ssl('sslmode=verify-full')).toEqual({ rejectUnauthorized: true });
    expect(postgresTarget('postgres://u@h/d?sslmode=prefer').prefersTls).toBe(true);
    expect(postgresTarget('postgres://u@h/d?pgbouncer=true').pooled).toBe(true);
  });

  it.each([
    ['postgres://u:secret@h/d?sslmode=maybe', /sslmode "maybe"/],
    ['postgres://u:secret@h/d?sslmode=verify-ca', /no sslrootcert/],
    ['postgres://u:secret@h/d?sslmode=verify-full&sslrootcert=/nowhere/ca.pem', /\/nowhere\/ca\.pem.*ENOENT/],
    ['postgres://u:secret@h:port/d', /is not an address/],
    ['a secret without form', /is not an address/],
  ])('refuses %s, and does not repeat it', (dsn, expected) => {
    expect(() => postgresTarget(dsn)).toThrow(expected);
    expect(() => postgresTarget(dsn)).not.toThrow(/secret/);
  });
});
