/** A paired network whose server answers without a measure: ours reads so much of it and no more (RLY-78, PAIR-14). */
import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { decodePairingCode, encodePairingCode } from '../../src/pairing/code.ts';
import { newPairToken } from '../../src/protocol/credentials.ts';
import { limits } from '../../src/protocol/limits.ts';
import type { Pairing } from '../../src/protocol/pairings.ts';
import { accept, alone, invite } from '../support/pairing-alone.ts';
import { anything, DOCUMENT, pairedWithAnything } from '../support/pairing-anything.ts';
import { ask, becomes, OPERATOR } from '../support/pairing-lab.ts';

/** Text as it is. */
const raw =
  (text: string, status = 200, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(text);
  };
const deep = '['.repeat(100_000) + ']'.repeat(100_000);

it('RLY-78: what is nested without an end is no answer, wherever it stands', async () => {
  const { net, answers } = await pairedWithAnything();
  const read = async (what: string): Promise<number> =>
    (await ask(net.server.url, 'GET', `/v1/pairings/net_b/${what}`, OPERATOR)).status;
  const page = '"page":{"has_more":false}';
  // Brackets in a text are none.
  answers.set('/v1/rooms', raw(`{"rooms":[{"id":"r","name":"\\\\\\"${'['.repeat(500)}"}],${page}}`));
  expect(await read('rooms')).toBe(200);
  answers.set('/v1/rooms', raw(`{"rooms":[{"id":"r","x":${deep}}],${page}}`));
  answers.set('/v1/agents', raw(`{"agents":[{"id":"r","x":${deep}}],${page}}`));
  answers.set(
    '/v1/rooms/general/messages',
    raw(
      `{"messages":[{"id":"m","target":{},"from":{"type":"agent"},"origin":{"network_id":"net_b"},"x":${deep}}],${page}}`,
    ),
  );
  expect([await read('rooms'), await read('agents')]).toEqual([502, 502]);
  const backfill = { room_id: 'general' };
  expect((await ask(net.server.url, 'POST', '/v1/pairings/net_b/backfill', OPERATOR, backfill)).status).toBe(
    502,
  );
  const { id, ...rest } = DOCUMENT;
  answers.set('/v1/network', raw(`{"id":"${id}","x":${deep},${JSON.stringify(rest).slice(1)}`));
  expect(await read('network')).toBe(502);
  expect((await net.pairing('net_b')).diagnostics?.message).toContain('nested too deep');
});

it('RLY-78: of an answer, of a list and of its members so much is read', async () => {
  const { net, answers, asked } = await pairedWithAnything();
  const times = (path: string): number => asked.filter((one) => one === path).length;
  const list = (what: string): ReturnType<typeof ask> =>
    ask(net.server.url, 'GET', `/v1/pairings/net_b/${what}`, OPERATOR);
  // One that never ends.
  answers.set('/v1/agents', (response: ServerResponse) => {
    const more = (): void => {
      while (!response.destroyed && response.write('"x",'.repeat(20_000)));
    };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.on('drain', more);
    response.write('{"agents":[');
    more();
  });
  expect(await list('agents')).toMatchObject({
    status: 502,
    json: { error: expect.stringContaining('bytes') },
  });
  // Page after page, each of them large.
  let n = 0;
  answers.set('/v1/agents', (response: ServerResponse) =>
    raw(
      JSON.stringify({
        agents: [{ id: `a${++n}`, name: 'x'.repeat(6_000_000) }],
        page: { has_more: true, next_after: `a${n}` },
      }),
    )(response),
  );
  const before = times('/v1/agents');
  expect((await list('agents')).status).toBe(502);
  expect(times('/v1/agents') - before).toBeLessThan(8);
  // Many who are in one room.
  const crowd = JSON.stringify(Array.from({ length: 400_000 }, (_, i) => `g${i}`));
  answers.set('/v1/rooms', raw(`{"rooms":[{"id":"general","members":${crowd}}],"page":{"has_more":false}}`));
  const members = async (): Promise<string[]> =>
    (await net.api<{ members: string[] }>('GET', '/v1/rooms/general')).members;
  await becomes(async () => expect(await members()).toHaveLength(limits.pairing_members.value));
  answers.set('/v1/rooms', { rooms: [{ id: 'general', members: ['gamma'] }], page: { has_more: false } });
  await becomes(async () => expect(await members()).toEqual(['net_b:gamma']));
});

it('RLY-78: nobody is led elsewhere, and what it says is told in few words', async () => {
  const { net, answers } = await pairedWithAnything();
  const elsewhere = await anything();
  const away = raw('{}', 307, { location: `${elsewhere.url}/v1/network` });
  for (const path of ['/v1/relay', '/v1/rooms', '/v1/network']) answers.set(path, away);
  const id = await net.say('general', 'alpha', 'hello');
  await becomes(async () => expect((await net.pairing('net_b')).status).toBe('error'));
  expect(elsewhere.asked).toEqual([]);
  expect(await net.relays(id)).toMatchObject([{ state: 'waiting' }]);
  // Nor is a terminal steered by the name that it says it has.
  answers.set('/v1/network', { ...DOCUMENT, id: 'net\u001b[2J\n_b' });
  await ask(net.server.url, 'GET', '/v1/pairings/net_b/network', OPERATOR);
  const { diagnostics } = await net.pairing('net_b');
  expect(diagnostics).toMatchObject({ remote_network_id: 'net [2J _b', reason: 'network_id_mismatch' });
  expect(diagnostics!.message).toBe('the network there is net [2J _b, not net_b');
  answers.set('/v1/network', DOCUMENT);
  await ask(net.server.url, 'GET', '/v1/pairings/net_b/network', OPERATOR);
  answers.set('/v1/relay', raw(JSON.stringify({ code: 'c'.repeat(1e6), error: 'e'.repeat(1e6) }), 400));
  await becomes(async () => expect(await net.relays(id)).toMatchObject([{ state: 'refused' }]));
  answers.set('/v1/relay', raw(JSON.stringify({ code: 'broken', error: 'e'.repeat(1e6) }), 500));
  await net.say('general', 'alpha', 'again');
  await becomes(async () => expect((await net.pairing('net_b')).waiting[0]?.error).toContain('eee'));
  expect(JSON.stringify(await net.pairing('net_b')).length).toBeLessThan(5_000);
});

it('PAIR-14: whoever made a code may answer its acceptance with anything: nothing of it is stored but a pairing that is one', async () => {
  const [b, evil] = [await alone('net_b'), await anything()];
  const code = encodePairingCode({
    url: evil.url,
    network_id: 'net_e',
    secret: 'x'.repeat(30),
    fingerprint: 'f',
    rooms: ['general', 'new'],
    expires_at: '2999-01-01T00:00:00.000Z',
  });
  const whole = {
    pairing_id: 'net_b',
    network_id: 'net_e',
    network_name: 'E',
    token: newPairToken(),
    fingerprint: 'f',
    rooms: [{ id: 'general', name: 'General' }],
  };
  const body = async (): Promise<[number, unknown]> => {
    const { status, json } = await ask(b.server.url, 'POST', '/v1/pairings/accept', OPERATOR, { code });
    return [status, json['code']];
  };
  for (const answer of [
    {},
    { ...whole, rooms: null },
    { ...whole, rooms: [null] },
    { ...whole, rooms: 'general' },
    { ...whole, network_name: 7 },
    { ...whole, token: { toString: 'x' } },
    raw('x'.repeat(2_000_000)),
    raw(deep),
    raw('', 302, { location: 'http://127.0.0.1:1/' }),
    raw(JSON.stringify({ code: 'conflict', error: 'e'.repeat(1e5) }), 409),
    raw(JSON.stringify({ code: 'internal_error', error: 'x' }), 500),
  ]) {
    evil.answers.set('/v1/pairings/exchange', answer);
    const [status, what] = await body();
    expect([typeof answer === 'function' ? 'text' : answer, status, what]).toEqual([
      typeof answer === 'function' ? 'text' : answer,
      expect.toSatisfy((one) => one === 502 || one === 409),
      what,
    ]);
  }
  for (const answer of [
    { ...whole, token: 'short' },
    { ...whole, network_name: 'x'.repeat(10_000) },
    { ...whole, rooms: [{ id: 'new', name: 'x'.repeat(10_000) }] },
  ]) {
    evil.answers.set('/v1/pairings/exchange', answer);
    expect((await body())[0]).toBe(422);
  }
  const { pairings } = await b.api<{ pairings: Pairing[] }>('GET', '/v1/pairings');
  expect(pairings).toEqual([]);
  // One room, told a hundred thousand times, and rooms that the code does not name.
  const rooms = [...Array.from({ length: 10_000 }, () => whole.rooms[0]), { id: 'private', name: 'P' }];
  evil.answers.set('/v1/pairings/exchange', { ...whole, rooms });
  evil.answers.set('/v1/network', { ...DOCUMENT, id: 'net_e' });
  expect(await accept(b, code)).toMatchObject({ rooms: ['general'], pairing: { rooms: ['general'] } });
});

it('PAIR-14: an address is one of a server: nothing is asked by it of any other path', async () => {
  const a = await alone('net_a');
  const parts = decodePairingCode((await invite(a)).code);
  for (const url of [
    'http://127.0.0.1:1/admin?x=',
    'http://127.0.0.1:1/?',
    'http://127.0.0.1:1/secret#',
    'http://user@127.0.0.1:1',
    'http://:word@127.0.0.1:1',
    'file:///etc/passwd',
    'gopher://127.0.0.1:1/',
    `http://${'x'.repeat(3_000)}`,
  ]) {
    await expect(accept(a, encodePairingCode({ ...parts, network_id: 'net_z', url }))).rejects.toThrow('403');
    const base_url = url;
    const body = { secret: parts.secret, network_id: 'net_x', token: newPairToken(), base_url };
    const { status } = await ask(a.server.url, 'POST', '/v1/pairings/exchange', undefined, body);
    expect([url.slice(0, 40), status]).toEqual([url.slice(0, 40), 422]);
  }
  // What steers a terminal is not kept in it.
  const base_url = 'http://127.0.0.1:1/\u001b[2J/x//';
  const body = { secret: parts.secret, network_id: 'net_x', token: newPairToken(), base_url };
  await ask(a.server.url, 'POST', '/v1/pairings/exchange', undefined, body);
  expect((await a.pairing('net_x')).remote_base_url).toBe('http://127.0.0.1:1/%1B[2J/x');
});
