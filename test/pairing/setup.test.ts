/** Pairing in two commands: a code, and both servers are at work (PAIR). */
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { decodePairingCode, encodePairingCode } from '../../src/pairing/code.ts';
import { newPairToken } from '../../src/protocol/credentials.ts';
import type { Pairing } from '../../src/protocol/pairings.ts';
import { accept, alone, invite } from '../support/pairing-alone.ts';
import { ask, becomes, OPERATOR, type Net } from '../support/pairing-lab.ts';

const GENERAL = { id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' };

async function talk(a: Net, b: Net, mark: string): Promise<void> {
  await a.say('general', 'alpha', `${mark} from a`);
  await becomes(async () => expect(await b.texts('general')).toContain(`${mark} from a`));
  await b.say('general', 'beta', `${mark} from b`);
  await becomes(async () => expect(await a.texts('general')).toContain(`${mark} from b`));
}

it('PAIR-1: a code, its acceptance, and both relay at once, over a link when one side has no address; over restarts too', async () => {
  const [a, b] = [await alone('net_a'), await alone('net_b')];
  const made = await invite(a);
  expect(made.code).toMatch(/^moltnet-pair:[\w-]+$/);
  const accepted = await accept(b, made.code);
  expect(accepted).toMatchObject({
    pairing: { id: 'net_a', status: 'connected', source: 'store' },
    rooms: ['general'],
  });
  await talk(a, b, 'first');
  expect(await a.pairing('net_b')).toMatchObject({ status: 'connected', link: 'open', rooms: ['general'] });
  expect(await b.pairing('net_a')).toMatchObject({ link: 'open', remote_base_url: a.wire.url });
  // Both sides see who is there.
  const { members } = await a.api<{ members: string[] }>('GET', '/v1/rooms/general');
  expect(members).toEqual(['net_b:beta']);
  await b.restart();
  await talk(a, b, 'second');
  await a.restart();
  await talk(a, b, 'third');
  // Cut in the middle: what is said meanwhile comes, once.
  a.wire.cut();
  await a.say('general', 'alpha', 'while cut');
  await b.say('general', 'beta', 'while cut too');
  await becomes(async () => expect((await a.pairing('net_b')).link).toBe('closed'));
  a.wire.mend();
  await talk(a, b, 'fourth');
  const words = (list: string[]): string[] => list.toSorted();
  expect(words(await a.texts('general'))).toEqual(words(await b.texts('general')));
  expect(new Set(await a.texts('general')).size).toBe(10);
});

it('PAIR-2: with an address on both sides no link is kept', async () => {
  const [a, b] = [await alone('net_a'), await alone('net_b')];
  const { pairing } = await accept(b, (await invite(a)).code, { url: b.wire.url });
  expect(pairing.link).toBeUndefined();
  await talk(a, b, 'direct');
  expect(await a.pairing('net_b')).toMatchObject({ remote_base_url: b.wire.url, status: 'connected' });
});

it('PAIR-3: a code is good once, until it expires or is revoked, for this network, whole', async () => {
  const [a, b, c] = [await alone('net_a'), await alone('net_b'), await alone('net_c')];
  const refused = async (net: Net, code: string, status: string, more: object = {}): Promise<void> => {
    await expect(accept(net, code, more)).rejects.toThrow(status);
    expect((await net.api<{ pairings: Pairing[] }>('GET', '/v1/pairings')).pairings).toEqual([]);
  };
  const used = await invite(a);
  await accept(b, used.code);
  await refused(c, used.code, '403');
  const revoked = await invite(a);
  await a.api('DELETE', `/v1/pairing-invites/${revoked.id}`);
  await refused(c, revoked.code, '403');
  const parts = decodePairingCode((await invite(a)).code);
  await refused(c, encodePairingCode({ ...parts, expires_at: '2020-01-01T00:00:00.000Z' }), '403');
  await refused(c, encodePairingCode({ ...parts, network_id: 'net_c' }), '409');
  await refused(c, encodePairingCode({ ...parts, secret: 'guessed-guessed-guessed' }), '403');
  await refused(c, encodePairingCode({ ...parts, url: 'http://127.0.0.1:1' }), '502');
  await refused(c, encodePairingCode(parts).slice(0, 60), '403');
  await refused(c, 'nonsense', '403');
  await refused(a, (await invite(a)).code, '409').catch(async () => {
    // It has a pairing already; the refusal is what counts.
    await expect(accept(a, encodePairingCode(parts))).rejects.toThrow('409');
  });
  await expect(a.api('POST', '/v1/pairing-invites', { rooms: [] })).rejects.toThrow('422');
  await expect(a.api('POST', '/v1/pairing-invites', { rooms: ['nowhere'] })).rejects.toThrow('404');
  await expect(a.api('POST', '/v1/pairing-invites', { rooms: ['general'], expires_in: 1 })).rejects.toThrow(
    '422',
  );
  // The code names no credential of the pairing, and neither does anything that is shown.
  const shown = JSON.stringify([await a.pairing('net_b'), await a.api('GET', '/v1/pairing-invites')]);
  expect(shown).not.toMatch(/mpair_v1_|token/);
  expect(shown).not.toContain(parts.secret);
});

it('PAIR-3: who made a code says when it is over, whatever stands in the code', async () => {
  let now = Date.now();
  const a = await alone('net_a', {}, { clock: () => now });
  const b = await alone('net_b');
  const made = await invite(a, { expires_in: 3_600 });
  const code = encodePairingCode({ ...decodePairingCode(made.code), expires_at: '2999-01-01T00:00:00.000Z' });
  now += 3_600_000;
  await expect(accept(b, code)).rejects.toThrow('403');
  const { pairings } = await b.api<{ pairings: Pairing[] }>('GET', '/v1/pairings');
  expect(pairings).toEqual([]);
  // Its secret is good for nothing else, used or not.
  const { secret } = decodePairingCode(made.code);
  expect((await ask(a.server.url, 'GET', '/v1/rooms', secret)).status).toBe(401);
});

it('PAIR-4: two accept one code at the same time: one has it', async () => {
  const a = await alone('net_a');
  const others = await Promise.all(['net_b', 'net_c', 'net_d'].map((id) => alone(id)));
  const { code } = await invite(a);
  const won = (await Promise.allSettled(others.map((net) => accept(net, code)))).filter(
    ({ status }) => status === 'fulfilled',
  );
  expect(won).toHaveLength(1);
  expect((await a.api<{ pairings: Pairing[] }>('GET', '/v1/pairings')).pairings).toHaveLength(1);
});

it('PAIR-5: a private room that is here is shared only when it is named; one that is not here is made', async () => {
  const a = await alone('net_a', { rooms: [GENERAL, { id: 'plans', members: ['alpha'] }] });
  const b = await alone('net_b', { rooms: [{ id: 'general', members: ['beta'] }] });
  const { code } = await invite(a, { rooms: ['general', 'plans'] });
  await expect(accept(b, code)).rejects.toThrow('--room general');
  expect((await accept(b, code, { rooms: ['general'] })).rooms).toEqual(['general', 'plans']);
  await b.say('plans', 'beta', 'hello');
  await becomes(async () => expect(await a.texts('plans')).toEqual(['hello']));
  expect(await b.api('GET', '/v1/rooms/plans')).toMatchObject({
    visibility: 'private',
    federation: ['net_a'],
  });
});

it('PAIR-6: revoked, the token is worth nothing at once, the link ends, no room is shared; and the other side says so', async () => {
  const [a, b] = [await alone('net_a'), await alone('net_b')];
  await accept(b, (await invite(a)).code);
  await talk(a, b, 'before');
  await a.api('DELETE', '/v1/pairings/net_b');
  await expect(a.pairing('net_b')).rejects.toThrow('404');
  expect(await a.api('GET', '/v1/rooms/general')).not.toHaveProperty('federation');
  const lost = await b.say('general', 'beta', 'anybody?');
  await becomes(async () =>
    expect(await b.pairing('net_a')).toMatchObject({
      status: 'error',
      diagnostics: { reason: 'unauthorized' },
    }),
  );
  expect(await b.relays(lost)).toMatchObject([{ state: 'waiting' }]);
  // Paired again, it is a new pairing: nothing of before comes with it here. That it is the same its operator says.
  await expect(accept(b, (await invite(a)).code)).rejects.toThrow('--again');
  await a.api('DELETE', '/v1/pairings/net_b');
  await accept(b, (await invite(a)).code, { again: true });
  await talk(a, b, 'again');
  expect(await a.texts('general')).toContain('anybody?');
});

it('PAIR-10: who holds a code takes nobody’s pairing away: only a network that is paired pairs again as the same', async () => {
  const [a, b, evil] = [await alone('net_a'), await alone('net_b'), await alone('net_b')];
  await accept(b, (await invite(a)).code, { url: b.wire.url });
  await talk(a, b, 'before');
  // With a code of its own it says that it is net_b.
  await expect(accept(evil, (await invite(a)).code, { url: evil.wire.url })).rejects.toThrow('409');
  const parts = decodePairingCode((await invite(a)).code);
  for (const proof of [undefined, 'guessed', '']) {
    const body = { secret: parts.secret, network_id: 'net_b', token: newPairToken(), proof };
    const { status, json } = await ask(a.server.url, 'POST', '/v1/pairings/exchange', undefined, body);
    expect([status, json['code']]).toEqual([409, 'conflict']);
  }
  // A code that says net_a, and leads elsewhere.
  const fake = await alone('net_a');
  await expect(accept(b, (await invite(fake)).code)).rejects.toThrow('--again');
  await talk(a, b, 'still');
  expect(await a.pairing('net_b')).toMatchObject({ status: 'connected', remote_base_url: b.wire.url });
  expect(await b.pairing('net_a')).toMatchObject({ status: 'connected', remote_base_url: a.wire.url });
  // The same network may: its pairing gets new credentials, and goes on where it stood.
  b.wire.cut();
  const waiting = await a.say('general', 'alpha', 'waits');
  b.wire.mend();
  await accept(b, (await invite(a)).code, { url: b.wire.url });
  await talk(a, b, 'again');
  expect(await a.relays(waiting)).toMatchObject([{ state: 'relayed' }]);
});

it('PAIR-7: a link is kept by a paired network that has no address, and by nobody else', async () => {
  const [a, b] = [await alone('net_a'), await alone('net_b')];
  await accept(b, (await invite(a)).code, { url: b.wire.url });
  const status = (token?: string): Promise<number> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${a.server.url.replace('http', 'ws')}/v1/pair-link`, {
        ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
      });
      socket.on('unexpected-response', (_request, response) => {
        resolve(response.statusCode!);
        socket.terminate();
      });
      socket.on('open', () => resolve(101));
      socket.on('error', () => {});
    });
  expect(await status()).toBe(403);
  expect(await status(OPERATOR)).toBe(403);
  expect(await status('mpair_v1_nobody')).toBe(401);
});

it('PAIR-8: in auth mode none a pairing is held to what it shares, and nobody else speaks for its network', async () => {
  const [a, b] = [
    await alone('net_a', { auth: { mode: 'none', tokens: [] } }),
    await alone('net_b', { auth: { mode: 'none', tokens: [] } }),
  ];
  await accept(b, (await invite(a)).code);
  await talk(a, b, 'none');
  const forged = await ask(a.server.url, 'POST', '/v1/messages', undefined, {
    id: 'forged',
    origin: { network_id: 'net_b', message_id: 'forged' },
    from: { type: 'agent', id: 'beta', network_id: 'net_b' },
    target: { kind: 'room', room_id: 'general' },
    parts: [{ kind: 'text', text: 'I am not beta' }],
  });
  expect(forged.json).toMatchObject({ accepted: false });
  expect(await a.texts('general')).not.toContain('I am not beta');
});
