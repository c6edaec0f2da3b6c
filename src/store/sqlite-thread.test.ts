import path from 'node:path';
import type { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import { eventOf, rowsOf, upTo, writesOf } from '../../test/support/store-writes.ts';
import { StorageError } from './errors.ts';
import type { Store } from './store.ts';

/** Opens a store and gives its thread too, so that it can be killed. */
async function openWithThread(file: string): Promise<{ store: Store; thread: Worker }> {
  let thread: Worker | undefined;
  const seen = (worker: Worker): void => void (thread = worker);
  process.on('worker', seen);
  onTestFinished(() => void process.off('worker', seen));
  const store = await openFile(file);
  return { store, thread: thread! };
}

it('STO-15 when the storage thread dies, all who wait and all who come are told StorageError', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const { store, thread } = await openWithThread(file);
  await store.commit([writesOf(eventOf('before', { room_id: 'general' }))]);
  const waiting = upTo(200).map((i) => store.commit(upTo(50).map((k) => writesOf(eventOf(`e${i}-${k}`)))));
  const results = Promise.allSettled(waiting);
  await thread.terminate();
  const settled = await results;
  const refused = settled.filter((result) => result.status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  for (const { reason } of refused) expect(reason).toBeInstanceOf(StorageError);
  // Those that were answered came first, and nothing was answered after a refusal.
  expect(settled.findLastIndex(({ status }) => status === 'fulfilled')).toBe(
    settled.length - refused.length - 1,
  );

  await expect(store.ping()).rejects.toThrow(/storage thread has ended.*Restart the server/);
  await expect(store.commit([writesOf(eventOf('after'))])).rejects.toThrow(StorageError);
  expect(await store.meta('k')).toBeUndefined();
  await store.close();

  const again = await openFile(file);
  const answered = settled.filter(({ status }) => status === 'fulfilled').length;
  expect(again.head).toBeGreaterThanOrEqual(1 + answered * 50);
  expect((again.head - 1) % 50).toBe(0);
});

it('STO-15 data that cannot cross to the thread refuses its own commit only', async () => {
  const store = await openFile();
  const before = store.commit([writesOf(eventOf('a'))]);
  await expect(
    store.commit([rowsOf({ op: 'meta', key: 'k', value: (() => {}) as never })]),
  ).rejects.toThrow();
  expect(await before).toEqual([[1]]);
  expect(await store.commit([writesOf(eventOf('b'))])).toEqual([[2]]);
});
