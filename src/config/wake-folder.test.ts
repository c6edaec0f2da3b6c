import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeEach, expect, it } from 'vitest';
import { temporaryFolder } from '../../test/support/server.ts';
import { beginWake, keepWake, takeSend, wakeFolder, wakeOfTurn } from './wake-folder.ts';
import { wakeMessageId } from '../protocol/ids.ts';

const ROOM = 'room:general';
const wake = { wake_id: 'wake_1', conversation: ROOM };
const nth = (n: number, target = ROOM): string => wakeMessageId('wake_1', target, n);

let folder = '';
beforeEach(async () => {
  folder = wakeFolder(await temporaryFolder(), 'agent:alpha:local:room:general');
  beginWake(folder, wake);
});
/** A send of the run that goes on. */
const send = (text: string, target = ROOM, fresh = false): string | undefined =>
  takeSend(folder, wakeOfTurn(folder)!, target, text, fresh);

it('RT-28 a wake that is begun again is its next run; another wake is a new one, without the sends of the old', () => {
  expect(wakeOfTurn(folder)).toEqual({ ...wake, run: 1 });
  send('hi');
  beginWake(folder, wake);
  expect(wakeOfTurn(folder)).toEqual({ ...wake, run: 2 });
  expect(readdirSync(folder)).toHaveLength(2);
  beginWake(folder, { ...wake, wake_id: 'wake_2' });
  expect(wakeOfTurn(folder)).toEqual({ wake_id: 'wake_2', conversation: ROOM, run: 1 });
  expect(readdirSync(folder)).toEqual(['wake.json']);
  expect([folder, path.dirname(folder)].map((dir) => statSync(dir).mode & 0o777)).toEqual([0o700, 0o700]);
});

it('RT-28 what a failed wake has said is kept over other wakes, until it is run again', () => {
  expect(send('one')).toBe(nth(0));
  keepWake(folder, 'wake_other');
  keepWake(folder, 'wake_1');
  beginWake(folder, { ...wake, wake_id: 'wake_2' });
  send('two');
  beginWake(folder, wake);
  expect(wakeOfTurn(folder)).toEqual({ ...wake, run: 2 });
  expect(send('one')).toBe(nth(0));
  expect(send('three')).toBe(nth(1));
  expect(readdirSync(path.dirname(folder))).toEqual([path.basename(folder)]);
});

it('RT-28 what is kept of failed wakes goes after 30 days', () => {
  keepWake(folder, 'wake_1');
  const [kept] = readdirSync(path.dirname(folder));
  const long = new Date(Date.now() - 31 * 86_400_000);
  utimesSync(path.join(path.dirname(folder), kept!), long, long);
  beginWake(folder, { ...wake, wake_id: 'wake_2' });
  keepWake(folder, 'wake_2');
  expect(readdirSync(path.dirname(folder))).not.toContain(kept);
});

it('CLI-21 sends of a wake are numbered by target, and have ids that anybody can derive', () => {
  expect([send('a'), send('b'), send('a', 'dm:x'), send('a')]).toEqual([
    nth(0),
    nth(1),
    nth(0, 'dm:x'),
    nth(2),
  ]);
  expect(nth(0)).toMatch(/^msg_[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(wakeMessageId('wake_2', ROOM, 0)).not.toBe(nth(0));
});

it('CLI-21 a run again gives the same words their id in any order, and other words the first free number', () => {
  expect([send('a'), send('b'), send('c')]).toEqual([nth(0), nth(1), nth(2)]);
  beginWake(folder, wake);
  expect([send('b'), send('x'), send('c'), send('y')]).toEqual([nth(1), nth(0), nth(2), nth(3)]);
  beginWake(folder, wake);
  // Number 0 was `a` first and `x` then: both are known by it.
  expect([send('y'), send('a'), send('b'), send('c')]).toEqual([nth(3), nth(0), nth(1), nth(2)]);
});

it('CLI-22 a fresh number is one that no run has used, and is known again by its words', () => {
  expect([send('a'), send('b')]).toEqual([nth(0), nth(1)]);
  beginWake(folder, wake);
  expect([send('x', ROOM, true), send('x', ROOM, true)]).toEqual([nth(2), nth(3)]);
  beginWake(folder, wake);
  expect([send('x'), send('x')]).toEqual([nth(2), nth(3)]);
});

it('CLI-21 a send whose writer was killed, or a folder that is gone, hinders nobody', () => {
  send('a');
  const [file] = readdirSync(folder).filter((name) => name !== 'wake.json');
  writeFileSync(path.join(folder, file!), '');
  beginWake(folder, wake);
  expect(send('a')).toBe(nth(0));
  const before = wakeOfTurn(folder)!;
  rmSync(folder, { recursive: true });
  expect(wakeOfTurn(folder)).toBeUndefined();
  expect(takeSend(folder, before, ROOM, 'b')).toBeUndefined();
});

it('CLI-21 sends at the same moment take a number each', async () => {
  const [workers, each] = [4, 25];
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const code = `
    const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.module).then(({ takeSend, wakeOfTurn }) => {
      const { gate, folder, workers, each } = workerData;
      Atomics.add(gate, 0, 1);
      while (Atomics.load(gate, 0) < workers);
      const wake = wakeOfTurn(folder);
      parentPort.postMessage(Array.from({ length: each }, () => takeSend(folder, wake, 'room:general', 'same')));
    });`;
  const module = new URL('wake-folder.ts', import.meta.url).href;
  const taken = await Promise.all(
    Array.from(
      { length: workers },
      () =>
        new Promise<string[]>((resolve, reject) => {
          const worker = new Worker(code, {
            eval: true,
            workerData: { module, gate, folder, workers, each },
          });
          worker.once('message', resolve).once('error', reject);
        }),
    ),
  );
  const all = Array.from({ length: workers * each }, (_, n) => nth(n));
  expect(taken.flat().toSorted()).toEqual(all.toSorted());
});

it('RT-75 where the runtime goes on with a turn by itself, the same words are sent once, unless they are to be again', () => {
  const resumed = { ...wake, wake_id: 'wake_3', resumes: true };
  beginWake(folder, resumed);
  const id = (n: number): string => wakeMessageId('wake_3', ROOM, n);
  expect([send('one'), send('two'), send('one'), send('two')]).toEqual([id(0), id(1), id(0), id(1)]);
  expect(send('one', ROOM, true)).toBe(id(2));
  expect(send('three')).toBe(id(3));
  beginWake(folder, resumed);
  expect([send('two'), send('one'), send('one')]).toEqual([id(1), id(0), id(0)]);
});
