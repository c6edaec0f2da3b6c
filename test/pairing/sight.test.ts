/** What two paired networks see of each other: members, DMs, lists, statuses (RLY-50 and following). */
import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { decodePairingCode } from '../../src/pairing/code.ts';
import { newPairToken } from '../../src/protocol/credentials.ts';
import type { PairingInvite } from '../../src/protocol/pairings.ts';
import { DOCUMENT, pairedWithAnything } from '../support/pairing-anything.ts';
import { SseClient } from '../support/sse-client.ts';
import { ask, becomes, OPERATOR, pairSecret, SHARED, startNets } from '../support/pairing-lab.ts';

const AGENTS = (id: string) => ({
  auth: {
    tokens: [
      {
        id: 'agents',
        value: `agents-of-${id}-0123456789`,
        scopes: ['write', 'attach'],
        agents: ['alpha', 'beta'],
      },
    ],
  },
});

it('RLY-50: members of a shared room appear on the other side as network:agent, and go when they go there', async () => {
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b'], {
    membersEvery: 50,
    storage: 'sqlite',
  });
  const members = async (): Promise<string[]> =>
    (await b!.api<{ members?: string[] }>('GET', '/v1/rooms/general')).members ?? [];
  await a!.api('PATCH', '/v1/rooms/general/members', { add: ['alpha', 'gamma', 'net_z:far'] });
  await becomes(async () => expect(await members()).toEqual(['net_a:alpha', 'net_a:gamma']));
  await a!.api('PATCH', '/v1/rooms/general/members', { remove: ['gamma'] });
  await becomes(async () => expect(await members()).toEqual(['net_a:alpha']));
  // Whom an operator of this side named, stays.
  await b!.api('PATCH', '/v1/rooms/general/members', { add: ['net_a:guest'] });
  await a!.api('PATCH', '/v1/rooms/general/members', { add: ['delta'] });
  await becomes(async () => expect(await members()).toEqual(['net_a:alpha', 'net_a:delta', 'net_a:guest']));
  // Who goes while this side is down is gone when it is back.
  await b!.stop();
  await a!.api('PATCH', '/v1/rooms/general/members', { remove: ['delta'] });
  await b!.start();
  await becomes(async () => expect(await members()).toEqual(['net_a:alpha', 'net_a:guest']));
  // Then they can be mentioned from here.
  await b!.say('general', 'beta', 'hi @net_a:alpha, and @alpha');
  await becomes(async () =>
    expect((await a!.history('general'))[0]).toMatchObject({ mentions: ['molt://net_a/agents/alpha'] }),
  );
});

it('RLY-51: a DM with an agent of the other network goes there and back, and to no third one', async () => {
  const { net_a: a, net_b: b, net_c: c } = await startNets(['net_a', 'net_b', 'net_c'], { config: AGENTS });
  const dm = (from: string, text: string, participant_ids: string[]) => ({
    from: { type: 'agent', id: from },
    target: { kind: 'dm', participant_ids },
    parts: [{ kind: 'text', text }],
  });
  const post = (net: typeof a, body: object) =>
    net!.api<{ message_id: string }>('POST', '/v1/messages', body);
  const { message_id } = await post(a, dm('alpha', 'psst', ['alpha', 'net_b:beta']));
  const texts = async (net: typeof a): Promise<[string, string[]][]> => {
    const { dms } = await net!.api<{ dms: { id: string; participant_ids: string[] }[] }>('GET', '/v1/dms');
    return Promise.all(
      dms.map(async ({ id, participant_ids }) => {
        const { messages } = await net!.api<{ messages: { parts: { text: string }[] }[] }>(
          'GET',
          `/v1/dms/${id}/messages`,
        );
        return [participant_ids.join(' '), messages.map(({ parts }) => parts[0]!.text)] as [string, string[]];
      }),
    );
  };
  await becomes(async () => expect(await texts(b)).toEqual([['beta net_a:alpha', ['psst']]]));
  // The id of the DM of two is the same on both sides, so an answer is in it.
  await post(b, dm('beta', 'what?', ['beta', 'net_a:alpha']));
  await becomes(async () => expect(await texts(a)).toEqual([['alpha net_b:beta', ['psst', 'what?']]]));
  expect(await texts(c)).toEqual([]);
  expect(await a!.relays(message_id)).toMatchObject([{ pairing_id: 'net_b', state: 'relayed' }]);
  // Of one who is not there, the sender is told.
  const lost = await post(a, dm('alpha', 'anybody?', ['alpha', 'net_b:nobody']));
  await becomes(async () =>
    expect(await a!.relays(lost.message_id)).toMatchObject([{ state: 'refused', code: 'not_shared' }]),
  );
});

it('RLY-52: rooms and agents of the other side are listed, all pages of them; what fails there is 502', async () => {
  const many = Array.from({ length: 520 }, (_, i) => ({ ...SHARED, id: `r${String(i).padStart(3, '0')}` }));
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b'], {
    rooms: (id) => (id === 'net_b' ? [...many, { id: 'private', members: [] }] : [SHARED]),
    config: AGENTS,
  });
  await b!.api('PATCH', '/v1/rooms/r000/members', { add: ['alpha'] });
  type Page = { rooms: { id: string }[]; page: { next_after?: string; has_more: boolean } };
  const first = await a!.api<Page>('GET', '/v1/pairings/net_b/rooms?limit=500');
  const second = await a!.api<Page>(
    'GET',
    `/v1/pairings/net_b/rooms?limit=500&after=${first.page.next_after}`,
  );
  expect([...first.rooms, ...second.rooms].map(({ id }) => id)).toEqual(many.map(({ id }) => id));
  expect(await a!.api('GET', '/v1/pairings/net_b/agents')).toMatchObject({
    agents: [{ id: 'alpha', network_id: 'net_b' }],
  });
  expect(await a!.api('GET', '/v1/pairings/net_b/network')).toMatchObject({ id: 'net_b' });
  b!.from.get('net_a')!.cut();
  for (const what of ['network', 'rooms', 'agents'])
    expect((await ask(a!.server.url, 'GET', `/v1/pairings/net_b/${what}`, OPERATOR)).status).toBe(502);
  await becomes(async () => expect((await a!.pairing('net_b')).status).toBe('error'));
});

it('RLY-53: the status says what is wrong, in the list, in warnings, in metrics and as an event; not for a new time of the same', async () => {
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b'], { membersEvery: 30 });
  const stream = new SseClient(a!.server.port, { headers: { authorization: `Bearer ${OPERATOR}` } });
  await becomes(async () => expect(stream.status).toBe(200));
  const statuses = (): unknown[] =>
    stream.events
      .filter(({ data }) => data?.type === 'pairing.updated')
      .map(({ data }) => (data!['pairing'] as { status: string }).status);
  await a!.say('general', 'alpha', 'hi');
  await becomes(async () => expect((await a!.pairing('net_b')).status).toBe('connected'));
  b!.from.get('net_a')!.cut();
  await a!.say('general', 'alpha', 'ho');
  await becomes(async () => expect((await a!.pairing('net_b')).status).toBe('error'));
  const { warnings } = await a!.api<{ warnings?: { code: string }[] }>('GET', '/v1/network');
  expect(warnings?.map(({ code }) => code)).toEqual(['pairings.error']);
  const checked = async (): Promise<string | undefined> =>
    (await a!.pairing('net_b')).diagnostics?.checked_at;
  const before = await checked();
  await becomes(async () => expect(await checked()).not.toBe(before));
  b!.from.get('net_a')!.mend();
  await becomes(async () => expect(await b!.texts('general')).toEqual(['hi', 'ho']));
  await becomes(async () => expect(statuses().filter((one) => one !== 'connected')).toEqual(['error']));
  expect(stream.text).not.toContain(pairSecret('net_a', 'net_b'));
  stream.close();
  const metrics = await fetch(`${a!.server.url}/metrics`, {
    headers: { authorization: `Bearer ${OPERATOR}` },
  });
  const lines = (await metrics.text()).split('\n');
  expect(lines).toContain('moltnet_relay_total{result="success"} 2');
  expect(lines).toContain('moltnet_relay_waiting 0');
});

it('RLY-53: each status as it comes to be, the warning of it, and what goes meanwhile', async () => {
  let answer = (_text: string): void => {};
  const { net, answers } = await pairedWithAnything((response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    answer = (text) => void response.end(text);
  });
  const stands = async (): Promise<unknown[]> => {
    const { status, diagnostics } = await net.pairing('net_b');
    const { warnings = [] } = await net.api<{ warnings?: { code: string }[] }>('GET', '/v1/network');
    return [status, diagnostics?.reason, ...warnings.map(({ code }) => code)];
  };
  const becoming = async (document: unknown, ...wanted: unknown[]): Promise<void> => {
    answers.set('/v1/network', document);
    await ask(net.server.url, 'GET', '/v1/pairings/net_b/network', OPERATOR);
    expect(await stands()).toEqual(wanted);
  };
  // Nothing has been heard of it.
  expect(await stands()).toEqual(['unknown', undefined]);
  answer(JSON.stringify(DOCUMENT));
  await becomes(async () => expect(await stands()).toEqual(['connected', undefined]));
  const capabilities = { ...DOCUMENT.capabilities, direct_messages: false };
  await becoming({ ...DOCUMENT, capabilities }, 'degraded', 'direct_messages_disabled', 'pairings.degraded');
  // Rooms go, DMs wait.
  answers.set('/v1/relay', { results: [{ accepted: true }] });
  const dm = await net.say('general', 'alpha', 'psst', {
    target: { kind: 'dm', participant_ids: ['alpha', 'net_b:beta'] },
  });
  const room = await net.say('general', 'alpha', 'hello');
  await becomes(async () => expect(await net.relays(room)).toMatchObject([{ state: 'relayed' }]));
  expect(await net.relays(dm)).toMatchObject([{ state: 'waiting' }]);
  const protocols = { http: ['moltnet.http.v2'] };
  await becoming(
    { ...DOCUMENT, protocols },
    'incompatible',
    'unsupported_http_protocol',
    'pairings.incompatible',
  );
  await becoming(
    { ...DOCUMENT, id: 'net_z' },
    'incompatible',
    'network_id_mismatch',
    'pairings.incompatible',
  );
  await becoming('no document', 'error', 'remote_request_failed', 'pairings.error');
  answers.set('/v1/network', DOCUMENT);
  answers.set('/v1/relay', { results: [{ accepted: false, code: 'not_shared', error: 'no' }] });
  const refused = await net.say('general', 'alpha', 'no');
  await becomes(async () => expect(await net.relays(refused)).toMatchObject([{ state: 'refused' }]));
  const { url } = net.server;
  const metrics = await (
    await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${OPERATOR}` } })
  ).text();
  expect(metrics).toContain('moltnet_relay_total{result="refused"} 1');
  // One that was made by a code and was never reached.
  const { code } = await net.api<PairingInvite>('POST', '/v1/pairing-invites', { rooms: ['general'] });
  await ask(net.server.url, 'POST', '/v1/pairings/exchange', undefined, {
    secret: decodePairingCode(code).secret,
    network_id: 'net_c',
    token: newPairToken(),
    base_url: 'http://127.0.0.1:1',
  });
  expect((await net.pairing('net_c')).status).toBe('pending');
  await becomes(async () => expect((await net.pairing('net_c')).diagnostics).toBeDefined());
  expect((await net.pairing('net_c')).status).toBe('pending');
});

it.each([
  [{ id: 'net_z' }, 'incompatible', 'network_id_mismatch'],
  [
    { protocols: { http: ['other'], pair: ['moltnet.pair.v1'] } },
    'incompatible',
    'unsupported_http_protocol',
  ],
  [
    { protocols: { http: ['moltnet.http.v1'], pair: ['other'] } },
    'incompatible',
    'unsupported_pair_protocol',
  ],
  [{ protocols: { http: ['moltnet.http.v1'] } }, 'connected', undefined],
  [{ protocols: {} }, 'connected', undefined],
  [
    { capabilities: { direct_messages: false, message_pagination: 'cursor' } },
    'degraded',
    'direct_messages_disabled',
  ],
])('RLY-54: %j is %s', async (more, status, reason) => {
  const { compatibilityOf } = await import('../../src/pairing/compatibility.ts');
  const document = {
    id: 'net_b',
    protocols: { http: ['moltnet.http.v1'], attach: [], pair: ['moltnet.pair.v1'] },
    capabilities: { direct_messages: true, message_pagination: 'cursor' },
    ...more,
  };
  expect(compatibilityOf(document as never, 'net_b', 'net_a', true)).toMatchObject({
    status,
    ...(reason !== undefined && { reason }),
  });
});
