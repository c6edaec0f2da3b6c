/** A paired network whose server answers anything at all: ours goes on, says so, and takes no harm. */
import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { decodePairingCode } from '../../src/pairing/code.ts';
import { newPairToken } from '../../src/protocol/credentials.ts';
import type { PairingInvite } from '../../src/protocol/pairings.ts';
import { ask, becomes, OPERATOR } from '../support/pairing-lab.ts';
import { DOCUMENT, pairedWithAnything } from '../support/pairing-anything.ts';

const RUBBISH = [null, 7, 'text', [], [[]], {}, { rooms: null }, { rooms: 7, agents: 'x', messages: {} }];

it('RLY-77: whatever its document is, the status says how it stands', async () => {
  const { net, answers } = await pairedWithAnything();
  for (const document of [
    ...RUBBISH,
    { ...DOCUMENT, id: 7 },
    { ...DOCUMENT, id: 'x'.repeat(100_000) },
    { ...DOCUMENT, protocols: null },
    { ...DOCUMENT, protocols: { http: 'moltnet.http.v1' } },
    { ...DOCUMENT, protocols: { http: [null] } },
    { ...DOCUMENT, capabilities: 'all' },
    { ...DOCUMENT, version: ['1'] },
  ]) {
    answers.set('/v1/network', document);
    const { status } = await ask(net.server.url, 'GET', '/v1/pairings/net_b/network', OPERATOR);
    expect([JSON.stringify(document)?.slice(0, 60), [200, 502].includes(status)]).toEqual([
      JSON.stringify(document)?.slice(0, 60),
      true,
    ]);
    const shown = JSON.stringify(await net.pairing('net_b'));
    expect(shown.length).toBeLessThan(5_000);
  }
  answers.set('/v1/network', DOCUMENT);
  await ask(net.server.url, 'GET', '/v1/pairings/net_b/network', OPERATOR);
  expect((await net.pairing('net_b')).status).toBe('connected');
});

it('RLY-77: whatever it lists, a list of it is 502 or what of it is one, and nobody becomes a member who has no name', async () => {
  const { net, answers } = await pairedWithAnything();
  const page = { page: { has_more: false } };
  for (const list of [
    ...RUBBISH,
    { rooms: [null, 7, { id: 7 }, { id: 'general', members: 'all' }], agents: [null, { id: null }], ...page },
    { rooms: [{ id: 'general', members: [null, 7, {}, 'a:b', '', 'gamma'] }], agents: [], ...page },
  ]) {
    answers.set('/v1/rooms', list);
    answers.set('/v1/agents', list);
    answers.set('/v1/rooms/general/messages', list);
    for (const what of ['rooms', 'agents']) {
      const { status } = await ask(net.server.url, 'GET', `/v1/pairings/net_b/${what}`, OPERATOR);
      expect([JSON.stringify(list), what, [200, 502].includes(status)]).toEqual([
        JSON.stringify(list),
        what,
        true,
      ]);
    }
    const { status } = await ask(net.server.url, 'POST', '/v1/pairings/net_b/backfill', OPERATOR, {
      room_id: 'general',
    });
    expect([JSON.stringify(list), [200, 502].includes(status)]).toEqual([JSON.stringify(list), true]);
  }
  await becomes(async () =>
    expect(await net.api('GET', '/v1/rooms/general')).toMatchObject({ members: ['net_b:gamma'] }),
  );
});

it('RLY-77: a history without an end, or of anything, ends a backfill', async () => {
  const { net, answers, asked } = await pairedWithAnything();
  let n = 0;
  answers.set('/v1/rooms/general/messages', (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        messages: [
          null,
          { id: 7 },
          { origin: { network_id: 'net_b' }, from: { type: 'agent' }, parts: 7 },
        ].slice(n % 3 === 0 ? 1 : 2),
        page: { has_more: true, next_before: `c${++n}` },
      }),
    );
  });
  const { status } = await ask(net.server.url, 'POST', '/v1/pairings/net_b/backfill', OPERATOR, {
    room_id: 'general',
    count: 1_000,
  });
  expect([200, 502]).toContain(status);
  expect(asked.filter((path) => path.endsWith('/messages')).length).toBeLessThanOrEqual(500);
  expect(await net.texts('general')).toEqual([]);
});

it('RLY-77: whatever it says of what it was sent, nothing is lost, and it is not asked without a pause', async () => {
  const { net, answers, asked } = await pairedWithAnything();
  const posts = (): number => asked.filter((path) => path === '/v1/relay').length;
  for (const results of [
    [null],
    [7],
    [{ accepted: 'yes' }],
    [{ accepted: false, code: 7, error: {} }],
    [{ accepted: false, code: 'x'.repeat(10_000), error: 'y'.repeat(10_000) }],
  ]) {
    answers.set('/v1/relay', { results });
    const id = await net.say('general', 'alpha', 'hello');
    await becomes(async () => expect(await net.relays(id)).toMatchObject([{ state: 'refused' }]));
  }
  // It wants to be asked again at once, for ever.
  answers.set('/v1/relay', (response: ServerResponse) => {
    response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '0' });
    response.end(JSON.stringify({ code: 'rate_limited', error: 'later' }));
  });
  const before = posts();
  const id = await net.say('general', 'alpha', 'waits');
  await becomes(async () => expect(posts()).toBeGreaterThan(before));
  const [relay] = await net.relays(id);
  expect(relay).toMatchObject({ state: 'waiting' });
  await becomes(async () => expect(posts()).toBeGreaterThan(before + 1));
  expect(posts()).toBeLessThan(before + 10);
  for (const answer of [...RUBBISH, { results: [] }, { results: [{}, {}] }]) {
    answers.set('/v1/relay', answer);
    expect(await net.relays(id)).toMatchObject([{ state: 'waiting' }]);
  }
  answers.set('/v1/relay', { results: [{ accepted: true }] });
  await becomes(async () => expect(await net.relays(id)).toMatchObject([{ state: 'relayed' }]));
});

it('PAIR-11: whoever pairs from another machine is not reached at an address that means this one', async () => {
  const { net } = await pairedWithAnything();
  const elsewhere = { 'x-forwarded-for': '203.0.113.7' };
  for (const base_url of [
    'http://localhost:8787',
    'http://127.0.0.1',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::1]:80',
    'http://[::ffff:127.0.0.1]/',
    'http://0.0.0.0:1',
    'http://169.254.169.254/latest',
    'http://[fe80::1]/',
    'http://x.localhost/',
    'http://localhost./',
  ]) {
    const { code } = await net.api<PairingInvite>('POST', '/v1/pairing-invites', { rooms: ['general'] });
    const body = {
      secret: decodePairingCode(code).secret,
      network_id: 'net_x',
      token: newPairToken(),
      base_url,
    };
    const { status } = await ask(net.server.url, 'POST', '/v1/pairings/exchange', undefined, body, elsewhere);
    expect([base_url, status]).toEqual([base_url, 422]);
  }
});
