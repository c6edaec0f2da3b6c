import { expect, it } from 'vitest';
import { Turns, type Turn } from './turns.ts';

interface Asked {
  name: string;
  turn?: Turn;
}
/** Asks for a turn, and notes the order in which they are given. */
function asker(turns: Turns, order: string[]) {
  return (
    name: string,
    { workspace = name, workspaceMax = 1, urgent = false, signal = new AbortController().signal } = {},
  ): Asked => {
    const asked: Asked = { name };
    void (async () => {
      const turn = await turns.acquire({ workspace, workspaceMax, urgent: () => urgent, signal });
      if (!turn) return;
      asked.turn = turn;
      order.push(name);
    })();
    return asked;
  };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('NODE-8 one workspace runs as many turns at once as it may, and the node as many as it may', async () => {
  const order: string[] = [];
  const turns = new Turns(3);
  const ask = asker(turns, order);
  const [a1, a2, b, c, d] = [
    ask('a1', { workspace: 'a' }),
    ask('a2', { workspace: 'a' }),
    ask('b'),
    ask('c'),
    ask('d'),
  ];
  await settled();
  expect(order).toEqual(['a1', 'b', 'c']);
  expect(turns.running).toBe(3);
  b.turn!.release();
  b.turn!.release();
  await settled();
  // a2 was before d, but its workspace is taken.
  expect(order).toEqual(['a1', 'b', 'c', 'd']);
  a1.turn!.release();
  await settled();
  expect(order).toEqual(['a1', 'b', 'c', 'd', 'a2']);
  for (const one of [a2, c, d]) one.turn!.release();
  expect(turns.running).toBe(0);
});

it('NODE-8 who asks again goes to the end of the line: a round robin', async () => {
  const order: string[] = [];
  const turns = new Turns(1);
  const ask = asker(turns, order);
  let running = ask('a', { workspace: 'w' });
  const waiting = [ask('b', { workspace: 'w' }), ask('c', { workspace: 'w' })];
  for (let i = 0; i < 6; i++) {
    await settled();
    waiting.push(ask(running.name, { workspace: 'w' }));
    running.turn!.release();
    running = waiting.shift()!;
  }
  await settled();
  expect(order).toEqual(['a', 'b', 'c', 'a', 'b', 'c', 'a']);
});

it('NODE-8 urgent ones go first, but nobody waits for ever behind them', async () => {
  const order: string[] = [];
  const turns = new Turns(1);
  const ask = asker(turns, order);
  let running = ask('first');
  await settled();
  ask('room');
  const urgent = Array.from({ length: 20 }, (_, i) => ask(`dm${i}`, { urgent: true }));
  for (let i = 0; i < 12; i++) {
    running.turn!.release();
    await settled();
    running =
      order.at(-1) === 'room' ? running : (urgent.find(({ name }) => name === order.at(-1)) ?? running);
    if (order.at(-1) === 'room') break;
  }
  expect(order.indexOf('room')).toBe(9);
});

it('NODE-8 a place in line can be given up', async () => {
  const order: string[] = [];
  const turns = new Turns(1);
  const ask = asker(turns, order);
  const first = ask('first');
  const away = new AbortController();
  ask('away', { signal: away.signal });
  ask('next');
  await settled();
  away.abort();
  first.turn!.release();
  await settled();
  expect(order).toEqual(['first', 'next']);
  expect(
    await turns.acquire({ workspace: 'x', workspaceMax: 1, urgent: () => true, signal: AbortSignal.abort() }),
  ).toBeUndefined();
});
