import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { openFile, openMemory, scratchFolder } from '../../test/support/store-open.ts';
import { eventOf, messageOf, upTo, writesOf } from '../../test/support/store-writes.ts';
import { RUN } from './sqlite-event-ids.ts';
import { ConstraintError } from './errors.ts';
import type { Store } from './store.ts';

const idOf = (seq: number): string => `e${seq}`;

/** Commits events e1, e2 … up to a seq, in batches of at most `batch`. */
async function fill(store: Store, upToSeq: number, batch = 5_000): Promise<void> {
  while (store.head < upToSeq) {
    const from = store.head + 1;
    const count = Math.min(batch, upToSeq - store.head);
    await store.commit([writesOf(...upTo(count).map((i) => eventOf(idOf(from + i))))]);
  }
}

/** Every event around the ends of the runs is found, and what is not there is not. */
async function expectFound(store: Store, head: number): Promise<void> {
  const around = [1, 2, RUN - 1, RUN, RUN + 1, 2 * RUN, 2 * RUN + 1, head - 1, head];
  for (const seq of around.filter((each) => each >= 1 && each <= head))
    expect([seq, await store.eventSeq(idOf(seq))]).toEqual([seq, seq]);
  for (const id of [idOf(0), idOf(head + 1), '', 'e', 'E1'])
    expect([id, await store.eventSeq(id)]).toEqual([id, undefined]);
}

const runsIn = (file: string): number => {
  const db = new DatabaseSync(file, { readOnly: true });
  const rows = db.prepare('SELECT count(*) AS n FROM event_ids').get()!['n'] as number;
  db.close();
  return rows / 64;
};

it.each([
  ['file', openFile],
  ['memory', openMemory],
] as const)('STO-36 an event is found by its id, in whole runs and in the open one: %s', async (_, open) => {
  const store = await open();
  // Batches end within runs, at the end of one, and one holds the end of a run in its middle.
  for (const head of [3, RUN - 1, RUN, RUN + 1, 2 * RUN + 10]) {
    await fill(store, head);
    await expectFound(store, head);
  }
  for (let seq = 1; seq <= store.head; seq += 101) expect(await store.eventSeq(idOf(seq))).toBe(seq);
});

it('STO-36 one batch of several runs', async () => {
  const store = await openFile();
  await fill(store, 3 * RUN + 5, 3 * RUN + 5);
  await expectFound(store, 3 * RUN + 5);
});

it('STO-36 after a restart in the middle of a run, at its end and behind it', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  for (const head of [10, RUN, RUN + 10, 2 * RUN + 1]) {
    const store = await openFile(file);
    await expectFound(store, store.head);
    await fill(store, head);
    await store.close();
    expect(runsIn(file)).toBe(Math.floor(head / RUN));
    const again = await openFile(file);
    await expectFound(again, head);
    await again.close();
  }
});

it('STO-36 a batch that fails after a run was made whole leaves the ids as they were', async () => {
  const store = await openFile();
  await store.commit([writesOf(messageOf('taken', 'room:general'))]);
  await fill(store, RUN - 5);
  const losers = [...upTo(300).map((i) => eventOf(`lost${i}`)), messageOf('taken', 'room:general')];
  await expect(store.commit([writesOf(...losers)])).rejects.toThrow(ConstraintError);
  await expect(store.commit([writesOf(...losers.slice(-2))])).rejects.toThrow(ConstraintError);
  expect(await store.eventSeq('lost0')).toBeUndefined();
  await fill(store, 2 * RUN + 1, 4);
  for (let seq = 2; seq <= store.head; seq += 7) expect(await store.eventSeq(idOf(seq))).toBe(seq);
});

it('STO-37 a database of a program without runs gets them once, from what is left of its log', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const head = 3 * RUN + 7;
  const first = await openFile(file);
  await fill(first, head);
  await first.close();
  const old = new DatabaseSync(file);
  old.exec('DELETE FROM event_ids; CREATE UNIQUE INDEX events_id ON events (id)');
  // Its oldest run was pruned, and half of the next.
  old.exec(`DELETE FROM events WHERE seq <= ${RUN + RUN / 2}`);
  old.close();

  const store = await openFile(file);
  expect(await store.eventSeq(idOf(1))).toBeUndefined();
  expect(await store.eventSeq(idOf(RUN + 5))).toBeUndefined();
  for (const seq of [RUN + RUN / 2 + 1, 2 * RUN, 2 * RUN + 1, 3 * RUN, head])
    expect(await store.eventSeq(idOf(seq))).toBe(seq);
  await fill(store, 4 * RUN);
  expect(await store.eventSeq(idOf(4 * RUN))).toBe(4 * RUN);
  await store.close();
  expect(runsIn(file)).toBe(3);
});
