/** The strict client of the original's wire against our server (wire.md 0.1). */
import { expect, it, onTestFinished } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { StrictClient } from './strict-client.ts';

async function attach(url: string, agent: string, cursor?: string): Promise<StrictClient> {
  const client = new StrictClient({
    url,
    network: 'local',
    agent,
    ...(cursor === undefined ? {} : { cursor }),
  });
  onTestFinished(() => client.drop());
  await client.ready();
  return client;
}
async function post(url: string, body: Record<string, unknown>): Promise<Response> {
  return fetch(`${url}/v1/messages`, {
    method: 'POST',
    body: JSON.stringify({
      origin: { network_id: '', message_id: '' },
      from: { type: 'human', id: 'ann' },
      parts: [{ kind: 'text', text: 'hello' }],
      ...body,
    }),
  });
}
const general = [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }];

it('ATT-1 the network document is one that an existing node starts on', async () => {
  const { url } = await startTestServer({ rooms: general });
  const document = (await (await fetch(`${url}/v1/network`)).json()) as Record<string, never>;
  expect(document).toMatchObject({
    id: 'local',
    protocols: {
      http: expect.arrayContaining(['moltnet.http.v1']),
      attach: expect.arrayContaining(['moltnet.attach.v1']),
      pair: ['moltnet.pair.v1'],
    },
    capabilities: {
      event_stream: 'sse',
      attachment_protocol: 'websocket',
      human_ingress: true,
      direct_messages: true,
      message_pagination: 'cursor',
    },
  });
});

it(
  'ATT-1 a strict client attaches, is pinged in time, receives in order and acknowledges',
  { timeout: 40_000 },
  async () => {
    const { url } = await startTestServer({ rooms: general });
    const client = await attach(url, 'cody');
    for (let i = 0; i < 20; i++)
      expect((await post(url, { id: `m${i}`, target: { kind: 'room', room_id: 'general' } })).status).toBe(
        202,
      );
    await client.until(
      () =>
        client.events.filter((event) => event.type === 'message.created').length === 20 && client.pings >= 2,
    );
    expect(client.events.filter((event) => event.message).map((event) => event.message!.id)).toEqual(
      Array.from({ length: 20 }, (_, i) => `m${i}`),
    );
    expect(client.longestSilenceMs).toBeLessThan(10_000);
    expect(client.broken).toEqual([]);
  },
);

it('ATT-1 the event id of a message is the hash that both sides of a pairing compute', async () => {
  const { url } = await startTestServer({ rooms: general });
  const client = await attach(url, 'cody');
  const answer = (await (
    await post(url, { id: 'm1', target: { kind: 'room', room_id: 'general' } })
  ).json()) as { event_id: string };
  expect(answer.event_id).toBe('evt_ca0df2c9-5aa1-44c1-90ff-2ff3c8f967fd');
  await client.until(() => client.events.some((event) => event.id === answer.event_id));
});

it('ATT-1 a message of 300 kB of markup cannot break the readers (W19)', async () => {
  const { url } = await startTestServer({ rooms: general });
  const client = await attach(url, 'cody');
  const big = await post(url, {
    target: { kind: 'room', room_id: 'general' },
    parts: [{ kind: 'text', text: '<'.repeat(300_000) }],
  });
  expect(big.status).toBe(422);
  expect(
    (
      await post(url, {
        target: { kind: 'room', room_id: 'general' },
        parts: [{ kind: 'text', text: '<'.repeat(100_000) }],
      })
    ).status,
  ).toBe(202);
  await client.until(() => client.events.some((event) => event.message));
  expect(client.broken).toEqual([]);
});

it('ATT-1 a stop of the server closes with a code that makes an existing node come back (W20)', async () => {
  const server = await startTestServer({ rooms: general });
  const client = await attach(server.url, 'cody');
  await server.stop();
  await client.until(() => client.state === 'closed');
  expect(client.closeCode).toBe(1012);
  expect(client.broken).toEqual([]);
});

it('ATT-1 a cursor of before a restart gives exactly what was missed, in order', async () => {
  const config = { rooms: general, storage: { kind: 'sqlite' as const } };
  const first = await startTestServer(config);
  const path = first.config.storage.sqlite.path;
  const client = await attach(first.url, 'cody');
  await post(first.url, { id: 'seen', target: { kind: 'room', room_id: 'general' } });
  await client.until(() => client.events.some((event) => event.message?.id === 'seen'));
  await client.drop();
  for (let i = 0; i < 300; i++)
    await post(first.url, { id: `missed-${i}`, target: { kind: 'room', room_id: 'general' } });
  await first.stop();
  const second = await startTestServer({ rooms: general, storage: { kind: 'sqlite', sqlite: { path } } });
  const again = await attach(second.url, 'cody', client.cursor);
  await again.until(() => again.events.filter((event) => event.message).length === 300);
  expect(again.events.filter((event) => event.message).map((event) => event.message!.id)).toEqual(
    Array.from({ length: 300 }, (_, i) => `missed-${i}`),
  );
  expect(again.broken).toEqual([]);
});

it('ATT-1 an unknown cursor draws one gap event that can be acknowledged, and then live events', async () => {
  const { url } = await startTestServer({ rooms: general });
  await post(url, { id: 'old', target: { kind: 'room', room_id: 'general' } });
  const client = await attach(url, 'cody', 'evt_from-another-life');
  await client.until(() => client.events.length > 0);
  expect(client.events.map((event) => event.type)).toEqual(['stream.replay_gap']);
  await post(url, { id: 'new', target: { kind: 'room', room_id: 'general' } });
  await client.until(() => client.events.length > 1);
  expect(client.events[1]!.message?.id).toBe('new');
  expect(client.broken).toEqual([]);
});

it('ATT-1 an existing client in a held conversation is held as well', async () => {
  const { url } = await startTestServer({ rooms: [{ ...general[0]!, guard: { turns: 2 } }] });
  const client = await attach(url, 'cody');
  for (const [id, agent] of [
    ['a1', 'alpha'],
    ['b1', 'beta'],
    ['a2', 'alpha'],
    ['b2', 'beta'],
  ] as const) {
    expect(
      (
        await post(url, {
          id,
          from: { type: 'agent', id: agent },
          target: { kind: 'room', room_id: 'general' },
        })
      ).status,
    ).toBe(202);
  }
  await post(url, { id: 'person', target: { kind: 'room', room_id: 'general' } });
  await client.until(() => client.events.some((event) => event.message?.id === 'person'));
  // What was held comes when a person lets it go on, before that person's word.
  expect(client.events.filter((event) => event.message).map((event) => event.message!.id)).toEqual([
    'a1',
    'b1',
    'a2',
    'b2',
    'person',
  ]);
  expect(client.broken).toEqual([]);
});
