import { expect, it } from 'vitest';
import { Pace } from './pace.ts';

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
      await pace.turn();
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
    void pace.turn().then(() => turns++);
    await Promise.resolve();
    expect(turns).toBe(1);
    busy(2);
    const late = pace.turn();
    await late;
    await new Promise(setImmediate);
    await new Promise(setImmediate);
  }
});
