import { afterEach, expect, it, vi } from 'vitest';
import { Pace, type Work } from './pace.ts';

afterEach(() => void vi.restoreAllMocks());

/** Work that takes so many milliseconds. */
const busy = (ms: number): void => {
  for (const until = performance.now() + ms; performance.now() < until;);
};

it('LOG-10 of many that read what they missed a slice runs, then the event loop serves the others; each has its turn, in order', async () => {
  const pace = new Pace();
  const done: number[] = [];
  /** How many had their turn when the event loop came round. */
  const between: number[] = [];
  const look = (): void => {
    between.push(done.length);
    if (done.length < 200) setImmediate(look);
  };
  setImmediate(look);
  await Promise.all(
    Array.from({ length: 200 }, async (_, reader) => {
      await pace.turn('read');
      busy(0.3);
      done.push(reader);
    }),
  );
  expect(done).toEqual(Array.from({ length: 200 }, (_, reader) => reader));
  const most = between.reduce((sum, count, i) => Math.max(sum, count - (between[i - 1] ?? 0)), 0);
  expect(most).toBeLessThan(20);
});

it('LOG-10 one alone does not wait, and nobody is forgotten after a pause', async () => {
  const pace = new Pace();
  for (let round = 0; round < 3; round++) {
    let turns = 0;
    void pace.turn('read').then(() => turns++);
    await Promise.resolve();
    expect(turns).toBe(1);
    busy(2);
    const late = pace.turn('read');
    await late;
    await new Promise(setImmediate);
    await new Promise(setImmediate);
  }
});

it('LOG-10 what was begun goes before what is to begin, and of each kind something is done in every slice', async () => {
  const pace = new Pace();
  // Used up: whoever comes now waits.
  pace.free();
  busy(2);
  const done: Work[] = [];
  const take = async (kind: Work): Promise<void> => {
    await pace.turn(kind);
    done.push(kind);
    busy(2);
  };
  const kinds: Work[] = ['upgrade', 'begin', 'read', 'frame'];
  await Promise.all(kinds.flatMap((kind) => Array.from({ length: 3 }, () => take(kind))));
  // Each slice is used up by the first of it, and has one of every kind all the same.
  expect(done).toEqual([...kinds, ...kinds, ...kinds]);

  // And in one slice that lasts: no time passes in it.
  pace.free();
  busy(2);
  const still = performance.now();
  vi.spyOn(performance, 'now').mockReturnValue(still);
  done.length = 0;
  await Promise.all(
    kinds.flatMap((kind) => Array.from({ length: 3 }, () => pace.turn(kind).then(() => done.push(kind)))),
  );
  expect(done.slice(0, 4)).toEqual(kinds);
  expect(done.slice(4)).toEqual(['frame', 'frame', 'read', 'read', 'begin', 'begin', 'upgrade', 'upgrade']);
});

it('LOG-10 a slice lets what is due in this turn of the event loop go first, but not twice in a row', async () => {
  let turns = 0;
  const count = (): void => void (turns++, setImmediate(count).unref());
  const pace = new Pace(() => true);
  pace.free();
  busy(2);
  setImmediate(count);
  const at: number[] = [];
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      await pace.turn('read');
      at.push(turns);
      busy(2);
    }),
  );
  expect(at[1]! - at[0]!).toBe(2);
  expect(at[2]! - at[1]!).toBe(2);
});

/** How often a crowd rests; each of its pieces of work takes a slice. */
async function restsOf(pace: Pace, crowd: number): Promise<number> {
  // The run of slices before is over one turn after its last work.
  for (let i = 0; i < 2; i++) await new Promise(setImmediate);
  const timers = vi.spyOn(globalThis, 'setTimeout');
  pace.free();
  busy(2);
  await Promise.all(Array.from({ length: crowd }, () => pace.turn('read').then(() => busy(2))));
  const rests = timers.mock.calls.filter(([, milliseconds]) => milliseconds === 4).length;
  timers.mockRestore();
  return rests;
}

it('LOG-10 while somebody writes a crowd rests between two slices; a few do not, and nobody does when none writes', async () => {
  const writing = new Pace(undefined, () => true);
  // The last 15 are no crowd any more.
  expect(await restsOf(writing, 30)).toBe(15);
  expect(await restsOf(writing, 15)).toBe(0);
  expect(await restsOf(new Pace(), 30)).toBe(0);
});

it('LOG-10 a crowd rests for five seconds at most, one that comes again and again too, and the next one again', async () => {
  const { now } = performance;
  let passed = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + passed);
  const pace = new Pace(undefined, () => {
    // Asked at each slice of a crowd: at the third one the time is over.
    passed += 2_600;
    return true;
  });
  const rests: number[] = [];
  for (const after of [0, 3_000, 3_000, 6_000]) {
    passed += after;
    rests.push(await restsOf(pace, 30));
  }
  expect(rests).toEqual([2, 0, 0, 2]);
});
