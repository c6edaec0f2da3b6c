/** A network chooses its id itself, and so does whoever makes a code: a name gives nothing that was meant for another (PAIR-13). */
import { expect, it } from 'vitest';
import { decodePairingCode, encodePairingCode } from '../../src/pairing/code.ts';
import { newPairToken } from '../../src/protocol/credentials.ts';
import type { Pairing, PairingInvite } from '../../src/protocol/pairings.ts';
import { accept, alone, invite, type Alone } from '../support/pairing-alone.ts';
import { ask } from '../support/pairing-lab.ts';

const GENERAL = { id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' };
/** Written down for a network that is not paired yet. */
const PLANS = { id: 'plans', members: ['alpha'], federation: ['net_q'] };

const pairings = async (net: Alone): Promise<Pairing[]> =>
  (await net.api<{ pairings: Pairing[] }>('GET', '/v1/pairings')).pairings;
const exchange = async (net: Alone, code: PairingInvite, network_id: string): Promise<[number, string]> => {
  const { secret } = decodePairingCode(code.code);
  const body = { secret, network_id, token: newPairToken() };
  const { status, json } = await ask(net.server.url, 'POST', '/v1/pairings/exchange', undefined, body);
  return [status, JSON.stringify(json)];
};

it('PAIR-13: whoever calls itself as the file does gets no room that its code does not name, and is not told which', async () => {
  const a = await alone('net_a', { rooms: [GENERAL, PLANS, { ...PLANS, id: 'money' }] });
  const code = await invite(a);
  const [status, told] = await exchange(a, code, 'net_q');
  expect([status, told]).toEqual([409, expect.stringContaining('moltnet pair invite --room')]);
  expect(told).not.toMatch(/plans|money/);
  expect(await pairings(a)).toEqual([]);
  // The code is still good for somebody else, who gets what it names.
  expect((await exchange(a, code, 'net_r'))[0]).toBe(201);
  expect((await pairings(a)).map(({ id, rooms }) => [id, rooms])).toEqual([['net_r', ['general']]]);
  // Of several rooms all have to be named.
  const some = await invite(a, { rooms: ['general', 'plans'] });
  expect((await exchange(a, some, 'net_q'))[0]).toBe(409);
  // The one that it is meant for: its code names them.
  const q = await alone('net_q');
  await accept(q, (await invite(a, { rooms: ['general', 'plans', 'money'] })).code);
  expect((await pairings(a))[0]).toMatchObject({ id: 'net_q', rooms: ['general', 'money', 'plans'] });
});

it('PAIR-13: a code that says it is of the network that the file names gets no room that it does not name', async () => {
  const b = await alone('net_b', { rooms: [GENERAL, PLANS] });
  const q = await alone('net_q', { rooms: [GENERAL, PLANS] });
  const { code } = await invite(q);
  await expect(accept(b, code)).rejects.toThrow(/409.*plans/);
  expect(await pairings(b)).toEqual([]);
  // Nothing was said to the other side: the code is as good as before.
  expect(await pairings(q)).toEqual([]);
  await b.api('PATCH', '/v1/rooms/plans', { federation: 'none' });
  await accept(b, code);
  expect((await pairings(b))[0]).toMatchObject({ id: 'net_q', rooms: ['general'] });
  // Paired, it is the same network, and goes on with what it has, by a code that names less.
  await b.api('PATCH', '/v1/rooms/plans', { federation: ['net_q'] });
  await accept(b, (await invite(q)).code);
  expect((await pairings(b))[0]).toMatchObject({ rooms: ['general', 'plans'] });
});

it('PAIR-13: a network that looks like this one or a paired one is not paired by a code', async () => {
  const [a, b] = [await alone('net_a'), await alone('net_b1')];
  await accept(b, (await invite(a)).code);
  const code = await invite(a);
  for (const look_alike of ['NET_A', 'net-a', 'Net_b1', 'net.bl', 'NET-BI'])
    expect([look_alike, ...(await exchange(a, code, look_alike))]).toEqual([
      look_alike,
      409,
      expect.stringContaining('look the same'),
    ]);
  // So at the side that is invited, by a code that says so.
  const parts = decodePairingCode(code.code);
  await expect(accept(b, encodePairingCode({ ...parts, network_id: 'NET_A' }))).rejects.toThrow(
    /409.*look the same/,
  );
  expect((await exchange(a, code, 'net_b2'))[0]).toBe(201);
});

it('PAIR-13: after a pairing was revoked its name has no room that the code does not name', async () => {
  const a = await alone('net_a', { rooms: [GENERAL, PLANS] });
  const q = await alone('net_q', { rooms: [GENERAL, PLANS] });
  await accept(q, (await invite(a, { rooms: ['plans'] })).code, { rooms: ['plans'] });
  await a.api('DELETE', '/v1/pairings/net_q');
  // What was shared with it is shared with nobody, and what stands in the file as before does not share it anew.
  await a.restart();
  expect((await exchange(a, await invite(a), 'net_q'))[0]).toBe(201);
  expect((await pairings(a))[0]).toMatchObject({ id: 'net_q', rooms: ['general'] });
});
