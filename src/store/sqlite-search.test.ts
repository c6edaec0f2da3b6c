/** What is special to SQLite's index: a file beside the database, made from the log, and never in the way of it. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  rmdirSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import { eventOf, messageOf, upTo, writesOf } from '../../test/support/store-writes.ts';
import { searchTerms } from './search-terms.ts';
import { wordsOf } from './search-words.ts';
import { SearchIndex, TOKENIZER } from './sqlite-search-index.ts';
import type { Store } from './store.ts';

const search = (store: Store, q: string) =>
  store.search({
    terms: searchTerms(q),
    readable: { rooms: 'all', participants: 'all' },
    limit: 100,
  });
const found = async (store: Store, q: string) => (await search(store, q)).rows.map(({ row }) => row.id);
/** Whoever asks while the index is being thrown away is told so, and asks again. */
const foundSoon = async (store: Store, q: string): Promise<string[]> => {
  for (let i = 0; i < 10; i++) {
    const ids = await found(store, q).catch(() => undefined);
    if (ids) return ids;
  }
  return found(store, q);
};
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

it('SEARCH-7 a redaction does not wait behind the searches that were asked before it', async () => {
  const store = await openFile();
  await store.commit(upTo(2_000).map((i) => said(`m${i}`, `word${i} common`)));
  const order: string[] = [];
  const searches = upTo(300).map(() => search(store, 'common').then(() => order.push('search')));
  const redaction = eventOf('evt_r', {
    type: 'message.redacted',
    payload: '{"message_id":"m7"}',
    rows: [{ op: 'redact', message_id: 'm7', payload: '{"id":"m7","parts":[],"redacted_at":"x"}' }],
  });
  const redacted = store.commit([writesOf(redaction)]).then(() => order.push('redaction'));
  await Promise.all([...searches, redacted]);
  expect(order).toHaveLength(301);
  expect(order.indexOf('redaction')).toBeLessThan(150);
  expect(await found(store, 'word7')).toEqual([]);
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

it('SEARCH-8 RET-5 a search says how much of the log it does not know yet, and knows it later; what is pruned meanwhile waits for nothing', async () => {
  const store = await openFile();
  for (let i = 0; i < 24; i++)
    await store.commit(upTo(500).map((j) => said(`m${i}-${j}`, i === 0 && j === 0 ? 'first' : 'filler')));
  const order: string[] = [];
  const [early] = await Promise.all([
    search(store, 'first').finally(() => order.push('search')),
    store.commit([{ events: [], rows: [{ op: 'prune', seqs: [2, 3] }] }]).finally(() => order.push('prune')),
  ]);
  // Nobody's commit waits for the index.
  expect(order).toEqual(['prune', 'search']);
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

const asked = (q: string) => ({
  terms: searchTerms(q),
  readable: { rooms: 'all', participants: 'all' } as const,
  limit: 10,
});

it('SEARCH-8 a step that fails is taken again: nothing is passed over', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const store = await openFile(file);
  await store.commit([said('m1', 'the first')]);
  const log = new DatabaseSync(file, { readOnly: true });
  const index = new SearchIndex(log, `${file}-aside`);
  const disk = new DatabaseSync(`${file}-aside`);
  disk.exec(`CREATE TRIGGER full BEFORE INSERT ON state BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`);
  expect(() => index.search(asked('first'))).toThrow('the disk is full');
  disk.exec('DROP TRIGGER full');
  disk.close();
  for (const q of ['first', 'fir*'])
    expect(index.search(asked(q)).rows.map(({ row }) => row.id)).toEqual(['m1']);
  index.close();
  log.close();
});

it('RET-2 SEARCH-7 what a crash left in the index of what was removed is gone soon after the next start', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const first = await openFile(file);
  await first.commit(upTo(30).map((i) => said(`m${i}`, `message of zebraword${i}`)));
  expect(await found(first, 'zebraword7')).toEqual(['m7']);
  await first.close();
  // As a process leaves it that is killed between the commit and the index.
  const db = new DatabaseSync(file);
  db.exec(
    "PRAGMA foreign_keys = ON; DELETE FROM events WHERE seq IN (SELECT seq FROM messages WHERE id = 'm7')",
  );
  db.close();
  expect(holds(`${file}-search`, 'zebraword7')).toBe(true);
  const second = await openFile(file);
  await eventually(() => !holds(`${file}-search`, 'zebraword7'));
  expect(await found(second, 'zebraword8')).toEqual(['m8']);
});

it('SEARCH-9 an index that is damaged inside is made anew', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const first = await openFile(file);
  await first.commit(upTo(2_000).map((i) => said(`m${i}`, `number${i} ${'filler '.repeat(20)}`)));
  expect(await found(first, 'number77')).toEqual(['m77']);
  await first.close();
  const [size, page] = [statSync(`${file}-search`).size, Buffer.alloc(4_096, 0x5a)];
  const disk = openSync(`${file}-search`, 'r+');
  for (let at = 4_096 * 20; at < size; at += 4_096) writeSync(disk, page, 0, 4_096, at);
  closeSync(disk);
  const second = await openFile(file);
  expect(await foundSoon(second, 'number77')).toEqual(['m77']);
});

it('SEARCH-9 an index that cannot be made takes nothing else down', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const store = await openFile(file);
  mkdirSync(`${file}-search`);
  await expect(search(store, 'here')).rejects.toThrow('the search index is not available now');
  await store.commit([said('m1', 'here')]);
  await store.commit([said('m2', 'gone'), { events: [], rows: [{ op: 'prune', seqs: [2] }] }]);
  rmdirSync(`${file}-search`);
  expect(await foundSoon(store, 'here')).toEqual(['m1']);
});

it('SEARCH-2 to the index a word is what it is to us, whatever the script', () => {
  const db = new DatabaseSync(':memory:');
  db.exec(`CREATE VIRTUAL TABLE documents USING fts5(text, ${TOKENIZER})`);
  const add = db.prepare('INSERT INTO documents (rowid, text) VALUES (?, ?)');
  const find = db.prepare('SELECT 1 FROM documents WHERE documents MATCH ? AND rowid = CAST(? AS INTEGER)');
  const lost: string[] = [];
  db.exec('BEGIN');
  for (let code = 0x21; code < 0x3_0000; code += code < 0x2000 ? 1 : 37) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const said = `a${String.fromCodePoint(code)}b`;
    const words = wordsOf(said);
    add.run(code, words.join(' '));
    for (const word of words) if (!find.get(`"${word}"`, code)) lost.push(said);
    // And is that whole word: its beginning is none.
    if (words.length === 1 && words[0] !== 'a' && find.get('"a"', code)) lost.push(said);
  }
  expect(lost).toEqual([]);
  db.close();
});
