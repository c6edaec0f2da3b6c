import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import { lastCommitted, startStoreProcess } from '../../test/support/store-process.ts';
import { messageOf, upTo, writesOf } from '../../test/support/store-writes.ts';
import { RUN } from './sqlite-event-ids.ts';
import type { Store } from './store.ts';

const works = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const strace = works('strace', '-f', '-o', '/dev/null', 'true');

/** Every seq from 1 to the head is there, each message has its row of the log, and events are found by their ids. */
async function expectWhole(store: Store): Promise<void> {
  const topology = await store.loadTopology();
  expect(topology.head).toBe(store.head);
  let after = 0;
  for (;;) {
    const events = await store.events({ all: true }, after, 500);
    if (events.length === 0) break;
    expect(events.map(({ seq }) => seq)).toEqual(upTo(events.length).map((i) => after + 1 + i));
    const { rows } = await store.messagePage('room:general', { after, limit: 500 });
    expect(rows.map(({ event_id }) => event_id)).toEqual(events.map(({ id }) => id));
    for (const { id, seq } of [events[0]!, events.at(-1)!]) expect(await store.eventSeq(id)).toBe(seq);
    after = events.at(-1)!.seq;
  }
  expect(after).toBe(store.head);
  expect((await store.conversations(['room:general'])).get('room:general')?.last_seq).toBe(store.head);
}

it('STO-18 kill -9 while it commits: every reported commit is there, whole, and the file opens again', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  let reported = 0;
  for (const round of upTo(8)) {
    const child = startStoreProcess({ file, messages: round % 2 === 0 ? 1 : 40 });
    const mark = reported;
    await child.line(
      (line) => line.startsWith('committed') && lastCommitted([line]) > mark + 20 * (round + 1),
    );
    await child.kill();
    reported = lastCommitted(child.lines);
    const store = await openFile(file);
    expect(store.head).toBeGreaterThanOrEqual(reported);
    // A batch is there as a whole or not at all.
    expect((store.head - mark) % (round % 2 === 0 ? 1 : 40)).toBe(0);
    await expectWhole(store);
    reported = store.head;
    await store.close();
  }
}, 60_000);

it('STO-18 kill -9 around a checkpoint loses nothing', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  // Big batches: the WAL is copied into the database several times a second.
  const child = startStoreProcess({ file, messages: 4_000 });
  await child.line((line) => lastCommitted([line]) >= 24_000);
  await child.kill();
  const store = await openFile(file);
  expect(store.head).toBeGreaterThanOrEqual(lastCommitted(child.lines));
  await expectWhole(store);
}, 60_000);

it('STO-36 kill -9 while a batch ends a run of event ids loses none of them', async () => {
  for (let round = 0; round < 3; round++) {
    const file = path.join(scratchFolder(), 'moltnet.db');
    const child = startStoreProcess({ file, messages: 4_000 });
    // The batch after this one holds the end of the run.
    await child.line((line) => lastCommitted([line]) >= RUN - 4_000);
    await child.kill();
    const store = await openFile(file);
    expect(store.head).toBeGreaterThanOrEqual(lastCommitted(child.lines));
    await expectWhole(store);
    while (store.head < RUN + 10)
      await store.commit([
        writesOf(...upTo(500).map((i) => messageOf(`after-${store.head}-${i}`, 'room:general'))),
      ]);
    await expectWhole(store);
  }
}, 60_000);

it('STO-17 a store that is closed in good order leaves one database file and an unused lock', async () => {
  const folder = scratchFolder();
  const file = path.join(folder, 'moltnet.db');
  const child = startStoreProcess({ file });
  await child.line((line) => line.startsWith('committed'));
  expect(await child.stop()).toBe(0);
  expect(execFileSync('ls', [folder], { encoding: 'utf8' }).trim().split('\n')).toEqual([
    'moltnet.db',
    'moltnet.db.lock',
  ]);
  const store = await openFile(file);
  expect(store.head).toBe(lastCommitted(child.lines));
});

/** Lines of `strace -f -y -o`: `<tid> call(fd</path>, …) = result`, an interrupted call as `<unfinished ...>` and `<... resumed>`. */
interface Call {
  name: string;
  text: string;
}
function callsOf(trace: string): Call[] {
  const open = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of trace.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (rest.endsWith('<unfinished ...>')) {
      open.set(thread, rest.slice(0, -'<unfinished ...>'.length));
      // What a write gives away, it gives away when it begins; a sync has happened when it returns.
      if (rest.startsWith('write(')) calls.push({ name: 'write', text: rest });
      continue;
    }
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest);
    const text = resumed ? `${open.get(thread) ?? ''}${resumed[2]}` : rest;
    const name = /^(\w+)\(/.exec(text)?.[1];
    if (name && !(resumed && name === 'write')) calls.push({ name, text });
  }
  return calls;
}

it.skipIf(!strace)(
  'STO-19 no commit is answered before the WAL of its batch is synced (needs strace)',
  async () => {
    const folder = scratchFolder();
    const file = path.join(folder, 'moltnet.db');
    const trace = path.join(folder, 'trace');
    const under = [
      'strace',
      '-f',
      '-y',
      '-s',
      '64',
      '-o',
      trace,
      '-e',
      'trace=write,pwrite64,pwritev,fdatasync,fsync',
    ];
    const child = startStoreProcess({ file, commits: 25, messages: 3, under });
    expect(await child.exited).toBe(0);
    expect(child.lines.filter((line) => line.startsWith('committed'))).toHaveLength(25);

    const answers: { written: number; unsynced: boolean }[] = [];
    let written = 0;
    let unsynced = false;
    for (const { name, text } of callsOf(readFileSync(trace, 'utf8'))) {
      const wal = text.includes('moltnet.db-wal>');
      if (wal && name.startsWith('pwrite')) {
        written++;
        unsynced = true;
      } else if (wal && (name === 'fdatasync' || name === 'fsync') && text.trimEnd().endsWith('= 0'))
        unsynced = false;
      else if (name === 'write' && /^write\(1[<,]/.test(text) && text.includes('"committed ')) {
        answers.push({ written, unsynced });
        written = 0;
      }
    }
    expect(answers).toHaveLength(25);
    for (const answer of answers) {
      expect(answer.written).toBeGreaterThan(0);
      expect(answer.unsynced).toBe(false);
    }
  },
  60_000,
);

it.skipIf(!works('prlimit', '--version'))(
  'STO-14 when the disk takes no more, commits are refused with StorageError, and go on when it does (needs prlimit)',
  async () => {
    const file = path.join(scratchFolder(), 'moltnet.db');
    const child = startStoreProcess({ file, messages: 20 });
    await child.line((line) => lastCommitted([line]) >= 100);
    const limit = (bytes: string): void =>
      void execFileSync('prlimit', ['--pid', String(child.child.pid), `--fsize=${bytes}:unlimited`]);
    const mark = child.lines.length;
    limit(String(400_000));
    const refused = await child.line((line) => line.startsWith('refused'), mark);
    expect(refused).toMatch(/^refused StorageError: .*moltnet\.db: (the disk|there is)/);
    await child.line((line) => line.startsWith('refused'));
    const free = child.lines.length;
    limit('unlimited');
    await child.line((line) => line.startsWith('committed'), free);
    await child.line((line) => line.startsWith('committed'));
    expect(await child.stop()).toBe(0);
    const committed = child.lines.filter((line) => line.startsWith('committed')).length;
    const store = await openFile(file);
    // Neither did a refused batch leave anything, nor did it take a seq.
    expect(store.head).toBe(committed * 20);
    await expectWhole(store);
  },
  60_000,
);

const mounts = works('unshare', '-Urm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt');
it.skipIf(!mounts)(
  'STO-14 a full disk is StorageError, and the store recovers when there is space (needs unshare and a tmpfs)',
  async () => {
    const folder = scratchFolder();
    const disk = path.join(folder, 'disk');
    mkdirSync(disk);
    const file = path.join(disk, 'moltnet.db');
    const script = `mount -t tmpfs -o size=2m tmpfs ${disk} && head -c 1400000 /dev/zero > ${disk}/ballast && exec "$@"`;
    const child = startStoreProcess({
      file,
      messages: 5,
      ballast: path.join(disk, 'ballast'),
      under: ['unshare', '-Urm', 'sh', '-c', script, 'sh'],
    });
    const refused = await child.line((line) => line.startsWith('refused'), 0);
    expect(refused).toMatch(/StorageError: .*the disk is full/);
    const mark = child.lines.length;
    // By the process itself: nobody else sees this disk.
    child.release();
    await child.line((line) => line.startsWith('committed'), mark);
  },
  60_000,
);
