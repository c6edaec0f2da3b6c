/** What is special to SQLite's index: a file beside the database, made from the log, and never in the way of it. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import { eventOf, messageOf, upTo, writesOf } from '../../test/support/store-writes.ts';
import { searchTerms } from './search-terms.ts';
import type { Store } from './store.ts';

const search = (store: Store, q: string) =>
  store.search({
    terms: searchTerms(q),
    readable: { rooms: 'all', participants: 'all' },
    limit: 100,
  });
const found = async (store: Store, q: string) => (await search(store, q)).rows.map(({ row }) => row.id);
const said = (id: string, text: string) => writesOf(messageOf(id, 'room:general', { text }));
const holds = (file: string, text: string): boolean =>
  spawnSync('grep', ['-q', '-a', '-i', '-F', text, file, `${file}-wal`]).status === 0;

it('SEARCH-7 STO-16 the text of a redacted message is in no file of the index when that is answered', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const store = await openFile(file);
  await store.commit(upTo(300).map((i) => said(`n${i}`, `neighbour ${i} of the sekretword${i}`)));
  await store.commit([said('m1', 'my key is zebraSECRETzebra, keep it')]);
  expect(await found(store, 'zebrasecretzebra')).toEqual(['m1']);
  expect(holds(`${file}-search`, 'zebrasecretzebra')).toBe(true);
  await store.commit([
    writesOf(
      eventOf('evt_r', {
        type: 'message.redacted',
        payload: '{"message_id":"m1"}',
        rows: [{ op: 'redact', message_id: 'm1', payload: '{"id":"m1","parts":[],"redacted_at":"x"}' }],
      }),
    ),
  ]);
  expect(holds(`${file}-search`, 'zebrasecretzebra')).toBe(false);
  expect(await found(store, 'zebrasecretzebra')).toEqual([]);
  expect(await found(store, 'sekretword7')).toEqual(['n7']);
});

it('SEARCH-9 a damaged index, one of another database and one that is gone are made anew; nobody else reads it', async () => {
  const folder = scratchFolder();
  const file = path.join(folder, 'moltnet.db');
  const first = await openFile(file);
  await first.commit([said('m1', 'here')]);
  expect(await found(first, 'here')).toEqual(['m1']);
  expect(statSync(`${file}-search`).mode & 0o777).toBe(0o600);
  await first.close();

  writeFileSync(`${file}-search`, 'no database at all, but long enough to be looked at as if it were one');
  const second = await openFile(file);
  await expect(search(second, 'here')).rejects.toThrow('the search index is not available now');
  expect(await found(second, 'here')).toEqual(['m1']);
  await second.close();

  const other = path.join(folder, 'other.db');
  const third = await openFile(other);
  await third.commit([said('x1', 'there'), said('x2', 'there')]);
  expect(await found(third, 'there')).toEqual(['x2', 'x1']);
  await third.close();
  const swapped = spawnSync('sh', [
    '-c',
    'cp "$1-search" "$2-search"; rm -f "$2-search-wal" "$2-search-shm"',
    'sh',
    other,
    file,
  ]);
  expect(swapped.status).toBe(0);
  const fourth = await openFile(file);
  expect(await found(fourth, 'there')).toEqual([]);
  expect(await found(fourth, 'here')).toEqual(['m1']);
});

it('SEARCH-8 a search says how much of the log it does not know yet, and knows it later', async () => {
  const store = await openFile();
  for (let i = 0; i < 24; i++)
    await store.commit(upTo(500).map((j) => said(`m${i}-${j}`, i === 0 && j === 0 ? 'first' : 'filler')));
  const early = await search(store, 'first');
  // 12,000 messages, 10,000 of them at once; the thread itself may have begun before.
  expect(early.unindexed).toBeGreaterThan(0);
  expect(early.unindexed).toBeLessThanOrEqual(2_000);
  expect(early.rows.map(({ row }) => row.id)).toEqual(['m0-0']);
  expect((await search(store, 'first')).unindexed).toBe(0);
});

it('SEARCH-8 a store that nobody searches or writes has no index', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const store = await openFile(file);
  await store.close();
  expect(existsSync(`${file}-search`)).toBe(false);
});
