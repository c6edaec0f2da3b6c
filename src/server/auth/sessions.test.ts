import { expect, it } from 'vitest';
import { openLab } from '../../../test/support/network-lab.ts';
import { limits } from '../../protocol/limits.ts';
import { openSessions, type SessionToken } from './sessions.ts';

const token = (n: number): SessionToken => ({ token_id: `t${n}`, token_hash: `hash-${n}` });
const onFault = (error: unknown): never => {
  throw error as Error;
};

it('SESS-6 a session is found by its cookie until it expires, also by the next process', async () => {
  const { network, store } = await openLab();
  let now = Date.parse('2026-01-01T00:00:00Z');
  const open = () => openSessions({ network, store, onFault, clock: () => now });
  const sessions = await open();
  const { value, session } = await sessions.begin(token(1));
  expect(JSON.stringify(await store.sessions(''))).not.toContain(value);
  expect(session.expires_at).toBe('2026-01-31T00:00:00.000Z');
  expect(sessions.find(value)).toBe(session);
  expect(sessions.find(`${value}x`)).toBeUndefined();
  expect(sessions.find('')).toBeUndefined();
  const again = await open();
  expect(again.find(value)).toEqual(session);
  now += limits.session.value;
  expect(sessions.find(value)).toBeUndefined();
  expect(sessions.isAlive(session)).toBe(false);
  // Expired ones are taken out of the storage at start, and when another begins.
  await again.begin(token(2));
  expect((await store.sessions('')).map((row) => row.token_id)).toEqual(['t2']);
  now += limits.session.value;
  expect((await open()).size).toBe(0);
  expect(await store.sessions('')).toEqual([]);
});

it('SESS-6 a session ends at logout and with its token, in memory and in the storage', async () => {
  const { network, store } = await openLab();
  const sessions = await openSessions({ network, store, onFault });
  const made = [];
  for (const n of [1, 2, 2, 3]) made.push(await sessions.begin(token(n)));
  await sessions.end(made[0]!.session);
  expect(sessions.find(made[0]!.value)).toBeUndefined();
  sessions.keepOnly(({ token_id }) => token_id === 't3');
  expect(made.map(({ session }) => sessions.isAlive(session))).toEqual([false, false, false, true]);
  await network.close();
  expect((await store.sessions('')).map((row) => row.token_id)).toEqual(['t3']);
});

it('SESS-6 a session that cannot be stored is none', async () => {
  const { network, store } = await openLab();
  const sessions = await openSessions({ network, store, onFault });
  await network.close();
  await expect(sessions.begin(token(1))).rejects.toMatchObject({ code: 'stopping' });
  expect(sessions.size).toBe(0);
});

it('SESS-6 a token that logs in without end ends its own sessions, and nobody else’s', async () => {
  const { network, store } = await openLab();
  const sessions = await openSessions({ network, store, onFault });
  const other = await sessions.begin(token(1));
  const first = await sessions.begin(token(2));
  const most = limits.sessions_per_token.value;
  for (let i = 1; i < most; i++) await sessions.begin(token(2));
  expect([sessions.size, sessions.isAlive(first.session)]).toEqual([most + 1, true]);
  await sessions.begin(token(2));
  expect([sessions.size, sessions.isAlive(first.session)]).toEqual([most + 1, false]);
  expect(sessions.isAlive(other.session)).toBe(true);
  expect(await store.sessions('')).toHaveLength(most + 1);
});

it('SESS-6 beyond the limit the oldest ends', async () => {
  const { network, store } = await openLab();
  const sessions = await openSessions({ network, store, onFault });
  const first = await sessions.begin(token(0));
  const second = await sessions.begin(token(1));
  while (sessions.size < limits.sessions.value) {
    const missing = Math.min(1_000, limits.sessions.value - sessions.size);
    await Promise.all(Array.from({ length: missing }, (_, i) => sessions.begin(token(10 + (i % 150)))));
  }
  expect([sessions.size, sessions.isAlive(first.session)]).toEqual([limits.sessions.value, true]);
  await sessions.begin(token(3));
  expect([sessions.size, sessions.isAlive(first.session), sessions.isAlive(second.session)]).toEqual([
    limits.sessions.value,
    false,
    true,
  ]);
  expect(await store.sessions('')).toHaveLength(limits.sessions.value);
});
