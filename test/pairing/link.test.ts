/** The link of a paired network, at whose other end somebody means harm (PAIR-7, PAIR-9). */
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { decodePairingCode } from '../../src/pairing/code.ts';
import { newPairToken } from '../../src/protocol/credentials.ts';
import type { PairingExchanged, PairingInvite } from '../../src/protocol/pairings.ts';
import { ask, becomes, OPERATOR, startNet, type Net } from '../support/pairing-lab.ts';
import { testConfig } from '../support/server.ts';

interface End {
  socket: WebSocket;
  frames: Record<string, unknown>[];
  closed: Promise<unknown>;
  send(frame: unknown): void;
  /** The answer to a question. */
  ask(method: string, path: string, body?: string): Promise<{ status: number; text: string }>;
}

async function world(): Promise<{ net: Net; ours: string; theirs: string; dial(): Promise<End> }> {
  const net = await startNet(
    testConfig({
      network: { id: 'net_a', name: 'A' },
      auth: {
        mode: 'bearer',
        tokens: [{ id: 'operator', value: OPERATOR, scopes: ['observe', 'write', 'admin'] }],
      },
      rooms: [
        { id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' },
        { id: 'private', members: ['alpha'] },
      ],
    }),
    new Map(),
  );
  const { code } = await net.api<PairingInvite>('POST', '/v1/pairing-invites', { rooms: ['general'] });
  const theirs = newPairToken();
  const { json } = await ask(net.server.url, 'POST', '/v1/pairings/exchange', undefined, {
    secret: decodePairingCode(code).secret,
    network_id: 'net_b',
    token: theirs,
  });
  const ours = (json as unknown as PairingExchanged).token;
  async function dial(): Promise<End> {
    const socket = new WebSocket(`${net.server.url.replace('http', 'ws')}/v1/pair-link`, {
      headers: { authorization: `Bearer ${ours}` },
    });
    onTestFinished(() => socket.terminate());
    const frames: Record<string, unknown>[] = [];
    socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as never));
    socket.on('error', () => {});
    const closed = once(socket, 'close');
    await once(socket, 'open');
    const send = (frame: unknown): void =>
      socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
    let last = 0;
    return {
      socket,
      frames,
      closed,
      send,
      async ask(method, path, body) {
        const id = ++last;
        send({ t: 'req', id, method, path, ...(body !== undefined && { body }) });
        let found: Record<string, unknown> | undefined;
        await becomes(async () => {
          found = frames.find((frame) => frame['t'] === 'res' && frame['id'] === id);
          expect(found).toBeDefined();
        });
        return { status: found!['status'] as number, text: found!['text'] as string };
      },
    };
  }
  return { net, ours, theirs, dial };
}

it('PAIR-9: over a link is asked what a pairing needs, as the holder of its token, and nothing else', async () => {
  const { net, ours, theirs, dial } = await world();
  await net.say('private', 'alpha', 'secret');
  const end = await dial();
  // Each end says who it is.
  await becomes(async () => expect(end.frames[0]).toEqual({ t: 'hello', token: theirs }));
  end.send({ t: 'hello', token: ours });
  expect((await end.ask('GET', '/v1/network')).status).toBe(200);
  const rooms = await end.ask('GET', '/v1/rooms?limit=10');
  expect(rooms.text).toContain('"general"');
  expect(rooms.text).not.toContain('"private"');
  for (const [method, path] of [
    ['GET', '/v1/rooms/private/messages'],
    ['GET', '/v1/dms'],
    ['GET', '/v1/pairings'],
    ['GET', '/v1/rooms/../pairings'],
    ['GET', '/v1/rooms?x=1 HTTP/1.1\r\nx: y'],
    ['GET', '/metrics'],
    ['GET', '//127.0.0.1/v1/network'],
    ['POST', '/v1/reload'],
    ['DELETE', '/v1/rooms/general'],
    ['POST', '/v1/pairings/accept'],
  ] as const)
    expect([path, (await end.ask(method, path)).status]).toEqual([path, 403]);
  const forged = JSON.stringify({
    id: 'm',
    from: { type: 'agent', id: 'alpha' },
    target: { kind: 'room', room_id: 'private' },
    parts: [{ kind: 'text', text: 'x' }],
  });
  expect((await end.ask('POST', '/v1/messages', forged)).status).toBe(403);
  expect((await end.ask('POST', '/v1/messages', 'no json')).status).toBe(400);
  expect(await net.texts('private')).toEqual(['secret']);
});

it('PAIR-9: an end that does not say who it is, is somebody else, or sends what is no frame, is hung up on', async () => {
  const { net, ours, theirs, dial } = await world();
  for (const frame of [
    { t: 'req', id: 1, method: 'GET', path: '/v1/network' },
    { t: 'hello', token: theirs },
    { t: 'hello', token: OPERATOR },
    { t: 'hello' },
    { t: 'other' },
    'no json',
    'null',
    '[]',
    JSON.stringify({ t: 'hello', token: 'x'.repeat(4 * 1_048_576) }),
  ]) {
    const end = await dial();
    end.send(frame);
    await end.closed;
  }
  const twice = await dial();
  twice.send({ t: 'hello', token: ours });
  twice.send({ t: 'hello', token: ours });
  await twice.closed;
  // A later link takes the place of an earlier one, and a revoked pairing has none.
  const first = await dial();
  const second = await dial();
  await first.closed;
  second.send({ t: 'hello', token: ours });
  await becomes(async () => expect((await net.pairing('net_b')).link).toBe('open'));
  await net.api('DELETE', '/v1/pairings/net_b');
  await second.closed;
});

it('PAIR-12: an end that asks and takes no answers is hung up on, before they fill the memory', async () => {
  const { net, ours, dial } = await world();
  for (let i = 0; i < 10; i++) await net.say('general', 'alpha', `${i}${'x'.repeat(100_000)}`);
  const end = await dial();
  end.send({ t: 'hello', token: ours });
  await becomes(async () => expect((await net.pairing('net_b')).link).toBe('open'));
  (end.socket as unknown as { _socket: { pause(): void } })._socket.pause();
  let id = 0;
  await becomes(async () => {
    // It goes on asking, and so it is not silent.
    end.send({ t: 'req', id: ++id, method: 'GET', path: '/v1/rooms/general/messages?limit=500' });
    expect((await net.pairing('net_b')).link).toBe('closed');
  });
  expect(id).toBeLessThan(500);
});

it('PAIR-7: an end that answers what it was not asked is hung up on, and one that answers with anything takes nothing along', async () => {
  const { net, ours, dial } = await world();
  const end = await dial();
  let answer: object = {};
  end.socket.on('message', (data: Buffer) => {
    const { t, id } = JSON.parse(data.toString()) as { t: string; id: number };
    if (t === 'req') end.send({ t: 'res', id, type: 'x', retry_after: -1e300, ...answer });
  });
  end.send({ t: 'hello', token: ours });
  await becomes(async () => expect((await net.pairing('net_b')).link).toBe('open'));
  for (const [status, text] of [
    [-1, '{}'],
    [1e300, '{}'],
    [200.5, 'null'],
    [200, '"x"'],
    [200, '{}'],
    [204, ''],
    [302, ''],
    [599, '{"code":7}'],
    [429, '{"code":"rate_limited","error":"x"}'],
  ] as const) {
    answer = { status, text };
    const asked = await ask(net.server.url, 'GET', '/v1/pairings/net_b/rooms', OPERATOR);
    expect([status, asked.status]).toEqual([status, 502]);
  }
  for (let i = 0; i < 100; i++) end.send({ t: 'res', id: -i, status: 200, text: '{}', type: 'x' });
  await end.closed;
  await becomes(async () => expect((await net.pairing('net_b')).link).toBe('closed'));
});
