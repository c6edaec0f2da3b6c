import { expect, it } from 'vitest';
import { openPostgres, testPostgres } from '../../test/support/postgres-open.ts';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import path from 'node:path';
import { MoltnetError } from '../protocol/errors.ts';
import type { Store } from '../store/store.ts';
import { costOf, costOfJoining, Quota } from './quota.ts';

const postgres = testPostgres();

/** Undefined when it was taken; else the seconds to wait. */
async function take(quota: Quota, id: string, bytes: number, messages = 1): Promise<number | undefined> {
  try {
    await quota.take(id, bytes, messages);
    return undefined;
  } catch (error) {
    expect((error as MoltnetError).code).toBe('pairing_quota');
    return (error as MoltnetError).retry_after;
  }
}
const memory = async (): Promise<Store> => openFile(path.join(scratchFolder(), 'moltnet.db'));

it('RLY-35: a pairing brings so many messages in a minute and so many bytes in a day, and is told when to go on', async () => {
  let now = Date.UTC(2026, 10, 30, 23, 59, 30);
  const quota = new Quota({ store: await memory(), most: { messages: 3, bytes: 100 }, clock: () => now });
  expect(await take(quota, 'b', 60)).toBeUndefined();
  expect(await take(quota, 'b', 60)).toBe(30);
  expect(await take(quota, 'b', 40)).toBeUndefined();
  quota.giveBack('b', 40);
  expect(await take(quota, 'b', 1)).toBe(30);
  expect(await take(quota, 'c', 1)).toBeUndefined();
  now += 30_000;
  expect(await take(quota, 'b', 100)).toBeUndefined();
  expect(await take(quota, 'b', 1)).toBe(86_400);
});

it('RLY-35: a restart gives no fresh day; it loses no more than the server has used and a first share', async () => {
  const store = await memory();
  const most = { messages: 1_000_000, bytes: 6_400 };
  let taken = 0;
  // Each of these is a server that has just started.
  for (let starts = 0; starts < 200; starts++)
    if ((await take(new Quota({ store, most }), 'b', 10)) === undefined) taken += 10;
  expect(taken).toBe(2_000);
  for (let starts = 0; starts < 1_000; starts++)
    if ((await take(new Quota({ store, most }), 'b', 10)) === undefined) taken += 10;
  expect(taken).toBe(6_400);
  // One that ends after some use.
  taken = 0;
  for (let starts = 0; starts < 1_000; starts++) {
    const quota = new Quota({ store, most });
    for (let i = 0; i < 7; i++) if ((await take(quota, 'd', 10)) === undefined) taken += 10;
  }
  expect(taken).toBeGreaterThan(6_400 / 2);
  // One that goes on has all of it.
  const quota = new Quota({ store, most });
  let whole = 0;
  while ((await take(quota, 'c', 10)) === undefined) whole += 10;
  expect(whole).toBe(6_400);
});

it('RLY-35: servers of one database share the count, also when many come at once', async () => {
  const dsn = await postgres.fresh();
  const most = { messages: 1_000, bytes: 6_400_000 };
  const now = Date.now();
  const quotas = await Promise.all(
    [0, 1].map(async () => new Quota({ store: await openPostgres(dsn), most, clock: () => now })),
  );
  const all = await Promise.all(Array.from({ length: 1_400 }, (_, i) => take(quotas[i % 2]!, 'b', 1)));
  const taken = all.filter((wait) => wait === undefined).length;
  // What one has in hand the other cannot use: at most a share.
  expect(taken).toBeLessThanOrEqual(1_000);
  expect(taken).toBeGreaterThan(1_000 - 2 * Math.ceil(1_000 / 64));
});

it('RLY-35: what a message counts is about what storing it takes: rows for participants, mentions, artifacts too', () => {
  const base = { from: { type: 'agent', id: 'a' }, parts: [{ kind: 'text', text: 'x' }] };
  const of = (more: object): number => costOf({ ...base, ...more } as never);
  const plain = of({ target: { kind: 'room', room_id: 'r' } });
  expect(plain).toBeGreaterThan(512);
  // The participants of a DM that is known need not be named again.
  expect(of({ target: { kind: 'dm', dm_id: 'd' } })).toBeGreaterThan(plain + 3_000);
  const target = { kind: 'room', room_id: 'r' };
  expect(of({ target, mentions: Array.from({ length: 50 }, (_, i) => `a${i}`) })).toBeGreaterThan(
    plain + 5_000,
  );
  const parts = Array.from({ length: 60 }, () => ({ kind: 'url', url: 'u:x' }));
  expect(of({ target, parts })).toBeGreaterThan(plain + 60 * 400);
});

it('RLY-35: who speaks in a room for the first time counts what telling all its members takes', () => {
  const members = new Map(Array.from({ length: 100 }, (_, i) => [`net_b:agent-${i}`, 1]));
  const rooms: Record<string, unknown> = { r: { members } };
  const topology = {
    room: (id: string) => rooms[id],
    conversation: (key: string) => (key === 'thread:t' ? { room_id: 'r' } : undefined),
  };
  const of = (id: string, target: object, type = 'agent'): number =>
    costOfJoining(topology as never, 'net_b', { from: { type, id }, target } as never);
  const room = { kind: 'room', room_id: 'r' };
  expect(of('new', room)).toBeGreaterThan(2_000);
  expect(of('net_b:new', { kind: 'thread', thread_id: 't' })).toBe(of('new', room));
  for (const [id, target, type] of [
    ['agent-7', room],
    ['net_b:agent-7', room],
    [' agent-7 ', { kind: 'thread', thread_id: 't' }],
    ['new', { kind: 'room', room_id: 'other' }],
    ['new', { kind: 'dm', dm_id: 'd' }],
    ['new', room, 'human'],
  ] as const)
    expect([id, target, of(id, target, type)]).toEqual([id, target, 0]);
  // Nobody comes into it any more.
  for (let i = 0; i < 1_000; i++) members.set(`net_b:more-${i}`, 1);
  expect(of('new', room)).toBe(0);
});
