/** A paired network with two servers on one Postgres: one of them relays, whoever takes the message and whatever becomes of it. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Message } from '../../src/protocol/messages.ts';
import type { MessageRelays, PairingDetail, PairingInvite } from '../../src/protocol/pairings.ts';
import {
  ask,
  becomes,
  OPERATOR,
  openWire,
  pairSecret,
  SHARED,
  startNet,
  type Net,
} from '../support/pairing-lab.ts';
import { DOCUMENT, pairedWithAnything } from '../support/pairing-anything.ts';
import { testPostgres } from '../support/postgres-open.ts';
import { freePort, startServerProcess, type ServerProcess } from '../support/process.ts';
import { temporaryFolder, testConfig } from '../support/server.ts';

const postgres = testPostgres();
const guard = { turns: 'off', hour_turns: 'off', pair_turns: 'off' } as const;
const TOKEN = {
  id: 'operator',
  value: OPERATOR,
  scopes: ['observe' as const, 'write' as const, 'admin' as const],
};

const textsFrom = async (net: Net, network: string): Promise<string[]> =>
  (await net.history('general'))
    .filter(({ origin }) => origin.network_id === network)
    .map(({ parts }) => parts[0]!.text!);

it('RLY-70: of two servers one relays; when one stands still or is killed the other goes on: nothing lost, twice or out of order', async () => {
  const wire = await openWire();
  const [toB, secret] = [wire.url, pairSecret('net_a', 'net_b')];
  const b = await startNet(
    testConfig({
      network: { id: 'net_b', name: 'B' },
      auth: { mode: 'bearer', tokens: [TOKEN, { id: 'net_a', value: secret, scopes: ['pair'] }] },
      pairings: [{ id: 'net_a', remote_network_id: 'net_a', remote_base_url: 'http://127.0.0.1:9' }],
      rooms: [SHARED],
      guard,
    }),
    new Map([['net_a', wire]]),
  );
  const dsn = await postgres.fresh();
  const start = async (): Promise<ServerProcess> => {
    const port = await freePort();
    const config = path.join(await temporaryFolder(), 'Moltnet');
    writeFileSync(
      config,
      `version: moltnet.v1
network: {id: net_a}
server: {listen_addr: "127.0.0.1:${port}"}
auth: {mode: bearer, tokens: [{id: operator, value: ${OPERATOR}, scopes: [observe, write, admin]}]}
storage: {kind: postgres, postgres: {dsn: ${JSON.stringify(dsn)}}}
guard: {turns: off, hour_turns: off, pair_turns: off}
pairings: [{id: net_b, remote_network_id: net_b, remote_base_url: "${toB}", token: ${secret}}]
rooms: [{id: general, visibility: public, write_policy: registered_agents, federation: all}]
`,
      { mode: 0o600 },
    );
    const server = await startServerProcess({ url: `http://127.0.0.1:${port}`, config });
    onTestFinished(async () => {
      server.child.kill('SIGCONT');
      await server.kill();
    });
    return server;
  };
  const [one, two] = [await start(), await start()];
  let n = 0;
  /** Says it at the server, and waits until it is answered. */
  const say = async (server: ServerProcess): Promise<void> => {
    const { status } = await ask(server.url, 'POST', '/v1/messages', OPERATOR, {
      id: `m${++n}`,
      from: { type: 'agent', id: 'alpha' },
      target: { kind: 'room', room_id: 'general' },
      parts: [{ kind: 'text', text: `${n}` }],
    });
    expect(status).toBe(202);
  };
  const arrived = (): Promise<void> =>
    becomes(async () =>
      expect(await textsFrom(b, 'net_a')).toEqual(Array.from({ length: n }, (_, i) => `${i + 1}`)),
    );
  for (let i = 0; i < 10; i++) await say(i % 2 === 0 ? one : two);
  await arrived();
  // One of the two has sent each of them.
  const sent = async (server: ServerProcess): Promise<number> => {
    const metrics = await fetch(`${server.url}/metrics`, {
      headers: { authorization: `Bearer ${OPERATOR}` },
    });
    const found = /moltnet_relay_total\{result="success"\} (\d+)/.exec(await metrics.text());
    return Number(found![1]);
  };
  await becomes(async () => expect([await sent(one), await sent(two)].toSorted()).toEqual([0, 10]));
  for (const server of [one, two])
    await becomes(async () => {
      const { json } = await ask(server.url, 'GET', '/v1/messages/m10/relays', OPERATOR);
      expect((json as unknown as MessageRelays).relays).toMatchObject([
        { pairing_id: 'net_b', state: 'relayed' },
      ]);
      const pairing = (await ask(server.url, 'GET', '/v1/pairings/net_b', OPERATOR))
        .json as unknown as PairingDetail;
      expect(pairing).toMatchObject({ status: 'connected', relay: { waiting: 0, relayed: 10 } });
    });

  // Each in its turn stands still for longer than its lease is good: one of them has it.
  for (const [still, other] of [
    [one, two],
    [two, one],
  ] as const) {
    still.child.kill('SIGSTOP');
    for (let i = 0; i < 5; i++) await say(other);
    await arrived();
    still.child.kill('SIGCONT');
    for (let i = 0; i < 6; i++) await say(i % 2 === 0 ? one : two);
    await arrived();
  }
  await one.kill();
  for (let i = 0; i < 5; i++) await say(two);
  await arrived();
}, 90_000);

it('RLY-78: words that no database takes as they are keep nothing from being written', async () => {
  const { net, answers } = await pairedWithAnything(DOCUMENT, {
    storage: { kind: 'postgres', postgres: { dsn: await postgres.fresh() } },
  });
  const ids: string[] = [];
  // A zero, halves of a pair, one that is cut in its middle, and what steers a terminal.
  for (const word of [
    'a\u0000b',
    '\ud800',
    'x\udc00',
    `${'x'.repeat(299)}😀`,
    '\u001b[2J',
    `${'x'.repeat(99)}😀`,
  ]) {
    answers.set('/v1/relay', { results: [{ accepted: false, code: word, error: word }] });
    const id = await net.say('general', 'alpha', 'hello');
    ids.push(id);
    await becomes(async () => expect(await net.relays(id)).toMatchObject([{ state: 'refused' }]));
  }
  await net.restart();
  for (const id of ids)
    await becomes(async () => expect(await net.relays(id)).toMatchObject([{ state: 'refused' }]));
  const { refusals } = await net.pairing('net_b');
  expect(refusals.map(({ message_id }) => message_id)).toEqual(ids.toReversed());
  expect(JSON.stringify(refusals)).not.toMatch(/\\u00(00|1b)|\\ud/);
}, 60_000);

it('RLY-71: a link that comes to another server is taken there, and that one relays from then on', async () => {
  const wire = await openWire();
  const dsn = await postgres.fresh();
  const config = testConfig({
    network: { id: 'net_a', name: 'A' },
    auth: { mode: 'bearer', tokens: [TOKEN] },
    rooms: [{ ...SHARED, federation: 'none' }],
    storage: { kind: 'postgres', postgres: { dsn } },
    guard,
  });
  const servers = [await startNet(config, new Map()), await startNet(config, new Map())];
  const [one, two] = servers as [Net, Net];
  wire.port = one.server.port;
  const b = await startNet(
    testConfig({
      network: { id: 'net_b', name: 'B' },
      auth: { mode: 'bearer', tokens: [TOKEN] },
      rooms: [{ ...SHARED, federation: 'none' }],
      guard,
    }),
    new Map(),
  );
  const { code } = await two.api<PairingInvite>('POST', '/v1/pairing-invites', {
    rooms: ['general'],
    url: wire.url,
  });
  await b.api('POST', '/v1/pairings/accept', { code });
  let n = 0;
  const both = async (): Promise<void> => {
    for (const net of [one, two, b]) await net.say('general', 'alpha', `${++n}`);
    const all = Array.from({ length: n }, (_, i) => `${i + 1}`);
    const sorted = (messages: Message[]): string[] =>
      messages.map(({ parts }) => parts[0]!.text!).toSorted((x, y) => Number(x) - Number(y));
    for (const net of [one, two, b])
      await becomes(async () => expect(sorted(await net.history('general'))).toEqual(all));
    for (const net of servers)
      await becomes(async () =>
        expect(await net.pairing('net_b')).toMatchObject({ status: 'connected', link: 'open' }),
      );
  };
  await both();
  wire.port = two.server.port;
  wire.cut();
  wire.mend();
  await both();
  // What is asked of it now is answered where the link is; elsewhere it is said that it is, and nothing is wrong.
  const pull = { room_id: 'general' };
  for (const [method, what, body] of [
    ['GET', 'network', undefined],
    ['GET', 'rooms', undefined],
    ['GET', 'agents', undefined],
    ['POST', 'backfill', pull],
  ] as const) {
    const of = (net: Net): ReturnType<typeof ask> =>
      ask(net.server.url, method, `/v1/pairings/net_b/${what}`, OPERATOR, body);
    expect([what, (await of(two)).status]).toEqual([what, 200]);
    const elsewhere = await of(one);
    expect([what, elsewhere.status, elsewhere.headers.get('retry-after')]).toEqual([what, 503, '1']);
  }
  for (const net of servers) {
    expect((await net.pairing('net_b')).status).toBe('connected');
    expect(await net.api('GET', '/v1/network')).not.toHaveProperty('warnings');
  }
  // The one with the link goes; the next link comes to the other.
  wire.port = one.server.port;
  await two.stop();
  servers.pop();
  await b.say('general', 'alpha', 'and on');
  await one.say('general', 'beta', 'as before');
  await becomes(async () =>
    expect((await b.texts('general')).slice(-2).toSorted()).toEqual(['and on', 'as before']),
  );
  await becomes(async () => expect(await one.texts('general')).toContain('and on'));
}, 60_000);
