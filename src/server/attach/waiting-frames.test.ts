/** Frames that wait for their turn in a crowd, and the socket that is not read meanwhile: neither harms who sent them. */
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { calling } from '../../../test/support/gated-store.ts';
import { AttachClient } from '../../../test/support/attach-client.ts';
import type { AttachLab } from '../../../test/support/attach-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { attach, bind, end, got, say, wake, wakeLab } from '../../../test/support/wake-lab.ts';
import { Connection } from './connection.ts';

const QUICK = { identify: 500, silence: 600, ping: 100, probe: 300, linger: 200 };

/** Makes a fake crowd: frames get no turn until it is let go; `asked`, how many connections wait for one. */
function crowd({ tail: { pace } }: AttachLab): { asked: () => number; letGo: () => void } {
  let asked = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const spies = [
    vi.spyOn(pace, 'free').mockReturnValue(false),
    vi.spyOn(pace, 'turn').mockImplementation((kind) => {
      if (kind !== 'frame') return Promise.resolve();
      asked++;
      return promise;
    }),
  ];
  return {
    asked: () => asked,
    letGo() {
      for (const spy of spies) spy.mockRestore();
      resolve();
    },
  };
}

/** An attachment whose WAKE waits for its turn. */
async function waitingWake() {
  const at = await wakeLab({ times: QUICK });
  const client = await attach(at, bind({ r: 'all' }));
  await say(at, 'm1');
  const cursor = await got(client, 'm1');
  const frames = crowd(at);
  client.send({ op: 'WAKE', wake_id: 'w1', conversation: 'room:r', cursor, attempt: 1 });
  await eventually(() => frames.asked() === 1);
  return { at, client, cursor, frames };
}

/** Opens a connection that says nothing, and waits until it is dropped for that. */
async function silence(at: AttachLab): Promise<void> {
  const silent = new AttachClient({ url: at.url });
  await silent.gone();
}

/** Sends frames so that they come in one piece. */
function together(client: AttachClient, frames: () => void): void {
  const socket = (client.socket as unknown as { _socket: Socket })._socket;
  socket.cork();
  frames();
  socket.uncork();
}

/** Of a wake that was ended before its attachment was dropped nothing is presented to the next one. */
async function expectEnded(at: AttachLab): Promise<void> {
  const next = await attach(at, bind({ r: 'all' }));
  await say(at, 'after');
  await got(next, 'after');
  expect(next.messages).toEqual(['after']);
  expect(next.of('WAKE')).toEqual([]);
}

it('ATT-12 the first attachment lives while its frame waits for its turn, though its PONG is not read', async () => {
  const { at, client: first, cursor, frames } = await waitingWake();
  const second = await attach(at, bind({ r: 'all' }));
  expect(second.error).toMatch(/attached already/);
  frames.letGo();
  await first.until(() => first.of('WAKE').length === 1 || first.closed);
  await end(at, first, cursor, { wake_id: 'w1' });
  expect(first.closed).toBe(false);
});

it('ATT-12 the first attachment that is not read yet, between its claim and READY, is asked when it is', async () => {
  const at = await wakeLab({ times: QUICK });
  await (await attach(at)).drop();
  await eventually(() => at.gateway.connections === 0);
  const probe = vi.spyOn(Connection.prototype, 'probe');
  const pace = at.tail.pace;
  const paced = pace.turn.bind(pace);
  const held = Promise.withResolvers<void>();
  let begins = 0;
  // Its second turn, behind the claim.
  const turns = vi
    .spyOn(pace, 'turn')
    .mockImplementation((kind) => (kind === 'begin' && ++begins === 2 ? held.promise : paced(kind)));
  const first = new AttachClient({ url: at.url });
  await first.until(() => first.has('HELLO'));
  first.identify();
  await eventually(() => begins === 2);
  const second = attach(at);
  await eventually(() => probe.mock.calls.length === 1);
  await silence(at);
  expect(first.closed).toBe(false);
  held.resolve();
  expect((await second).error).toMatch(/attached already/);
  expect(first.frames.map(({ op }) => op).slice(0, 3)).toEqual(['HELLO', 'READY', 'PING']);
  turns.mockRestore();
  probe.mockRestore();
});

it('ATT-12 the first attachment whose replay is looked up, behind READY, is asked when it is read; a dead one is replaced then', async () => {
  const found = Promise.withResolvers<void>();
  const wrap = calling((method) => (method === 'eventSeq' ? found.promise : undefined));
  const at = await wakeLab({ times: QUICK, wrap });
  const probe = vi.spyOn(Connection.prototype, 'probe');
  const cursor = 'evt_of_before';
  const lives = await AttachClient.attach({ url: at.url, agent: 'alpha', cursor });
  const dead = await AttachClient.attach({ url: at.url, agent: 'beta', cursor, pong: false });
  const second = attach(at);
  const other = attach(at, undefined, 'beta');
  await eventually(() => probe.mock.calls.length === 2);
  await silence(at);
  expect([lives.closed, dead.closed]).toEqual([false, false]);
  found.resolve();
  expect((await second).error).toMatch(/attached already/);
  expect((await other).has('READY')).toBe(true);
  await dead.gone();
  expect(lives.closed).toBe(false);
  probe.mockRestore();
});

it('ATT-5 who is not read, because its frame waits for its turn, is not dropped for silence', async () => {
  const { at, client, cursor, frames } = await waitingWake();
  const silent = await AttachClient.attach({ url: at.url, agent: 'beta', pong: false });
  await silent.gone();
  await silence(at);
  expect(client.closed).toBe(false);
  frames.letGo();
  await client.until(() => client.of('WAKE').length === 1 || client.closed);
  await end(at, client, cursor, { wake_id: 'w1' });
  expect(client.closed).toBe(false);
});

it('ATT-7 an ACK that waits for its turn when a bad frame follows it counts', async () => {
  const at = await wakeLab({ times: QUICK });
  const client = await attach(at, bind({ r: 'all' }));
  await say(at, 'm1');
  const cursor = await wake(client, 'w1', 'm1');
  const frames = crowd(at);
  together(client, () => {
    client.ack(cursor, { wake_id: 'w1', outcome: 'ok' });
    client.send({ op: 'PING', capabilities: {} });
    client.sendRaw('no JSON');
  });
  await client.gone();
  expect(client.error).toMatch(/not JSON/);
  expect(client.frames.map(({ op }) => op).slice(-2)).toEqual(['PONG', 'ERROR']);
  frames.letGo();
  await expectEnded(at);
  expect(at.faults).toEqual([]);
});

it('ATT-11 an ACK that waits for its turn when its client is dropped for not reading counts', async () => {
  const at = await wakeLab({ times: { ...QUICK, silence: 60_000, blocked: 200 } });
  const client = await attach(at, bind({ r: 'all' }));
  await say(at, 'm1');
  const cursor = await wake(client, 'w1', 'm1');
  const frames = crowd(at);
  client.ack(cursor, { wake_id: 'w1', outcome: 'ok' });
  await eventually(() => frames.asked() === 1);
  client.socket.pause();
  const big = 'x'.repeat(120_000);
  for (let i = 0; i < 80; i++) await say(at, `b${i}`, big);
  await eventually(() => at.gateway.connections === 0);
  frames.letGo();
  const next = await attach(at, bind({ r: 'all' }));
  await got(next, 'b0');
  expect(next.messages[0]).toBe('b0');
  expect(next.of('WAKE')).toEqual([]);
});

it('ATT-11 a client that asks and does not read is not read either, until there is room for the answers', async () => {
  const at = await wakeLab({ times: { silence: 60_000 } });
  const client = await attach(at);
  client.socket.pause();
  const big = 'x'.repeat(120_000);
  for (let i = 0; i < 100; i++) await say(at, `b${i}`, big);
  const [socket] = at.sockets;
  const before = socket!.writableLength;
  expect(before).toBeGreaterThan(4_000_000);
  for (let i = 0; i < 2_000; i++) client.send({ op: 'PING', capabilities: {} });
  await eventually(() => socket!.isPaused());
  expect(socket!.writableLength - before).toBeLessThan(1_000);
  client.socket.resume();
  await client.until(() => client.of('PONG').length === 2_000 && client.messages.length === 100);
  await client.settle();
  expect(client.closed).toBe(false);
});

it.each(['WAKE', 'BOOTSTRAP'])(
  'ATT-7 of a client that sends %s again and again a few are on their way to storage: who writes is not refused for it',
  async (op) => {
    const opening = Promise.withResolvers<void>();
    let held = false;
    const wrap = calling((method) => (method === 'commit' && held ? opening.promise : undefined));
    const at = await wakeLab({ wrap });
    const client = await attach(at, bind({ r: 'all' }));
    await say(at, 'm1');
    const cursor = await wake(client, 'w1', 'm1');
    held = true;
    const frame =
      op === 'WAKE'
        ? { wake_id: 'w1', conversation: 'room:r', cursor, attempt: 1 }
        : { rooms: ['r'], done: true };
    for (let i = 0; i < 9_000; i++) client.send({ op, ...frame });
    const [socket] = at.sockets;
    await eventually(() => socket!.isPaused());
    // One that does not wait for storage has its frames taken meanwhile, some in each turn of the event loop.
    for (let i = 0; i < 2_000; i++) await turn();
    const said = say(at, 'm2');
    expect(at.network.waiting).toBeLessThan(100);
    held = false;
    opening.resolve();
    await said;
    const answers = op === 'WAKE' ? 9_000 : 0;
    client.send({ op: 'PING', capabilities: {} });
    // HELLO, READY, two messages, the first WAKE, PONG.
    await client.until(() => client.raw.length === 6 + answers || client.closed);
    expect([client.closed, client.of('WAKE').length]).toEqual([false, 1 + answers]);
  },
);

it('ATT-7 STATUS takes turns: one client that repeats it does not keep the others waiting', async () => {
  const at = await wakeLab();
  const client = await attach(at, bind({ r: 'all' }));
  const frames = crowd(at);
  client.send({ op: 'STATUS', cannot_wake: 'resting' });
  await eventually(() => frames.asked() === 1);
  expect(at.presence.of('alpha').state).toBe('connected');
  frames.letGo();
  await client.settle();
  expect(at.presence.of('alpha').state).toBe('cannot_wake');
});
