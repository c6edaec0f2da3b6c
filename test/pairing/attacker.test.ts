/** Somebody holds a pair token and means harm: it reaches what the pairing shares, and nothing else (RLY-30 and following). */
import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { RELAY_HEADER } from '../../src/protocol/pairings.ts';
import { DOCUMENT, pairedWithAnything } from '../support/pairing-anything.ts';
import { SseClient } from '../support/sse-client.ts';
import { ask, becomes, OPERATOR, pairSecret, SHARED, startNets, type Net } from '../support/pairing-lab.ts';

const TOKEN = pairSecret('net_b', 'net_a');
const RELAYED = { [RELAY_HEADER]: '1' };

async function victim(): Promise<{ a: Net; b: Net; post: (body: object) => Promise<[number, unknown]> }> {
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b', 'net_c'], {
    edges: [
      ['net_a', 'net_b'],
      ['net_a', 'net_c'],
    ],
    config: () => ({
      auth: { tokens: [{ id: 'agents', value: 'agents-0123456789', scopes: ['write'], agents: ['beta'] }] },
    }),
    rooms: () => [
      SHARED,
      { id: 'private', members: ['beta'] },
      { ...SHARED, id: 'with-c', federation: ['net_c'] },
      { ...SHARED, id: 'orders', write_policy: 'operators' },
    ],
  });
  // It is alone with its token: the real one does not speak meanwhile.
  a!.from.get('net_b')!.cut();
  const post = async (body: object): Promise<[number, unknown]> => {
    const { status, json } = await ask(a!.server.url, 'POST', '/v1/messages', TOKEN, body, RELAYED);
    return [status, json['code'] ?? json['accepted']];
  };
  return { a: a!, b: b!, post };
}

let next = 0;
const message = (more: Record<string, unknown> = {}): Record<string, unknown> => {
  const id = `m${++next}`;
  return {
    id,
    origin: { network_id: 'net_b', message_id: id },
    from: { type: 'agent', id: 'gamma', network_id: 'net_b', fqid: 'molt://net_b/agents/gamma' },
    target: { kind: 'room', room_id: 'general' },
    parts: [{ kind: 'text', text: id }],
    ...more,
  };
};
const of = (network: string, id = 'gamma') => ({
  origin: { network_id: network, message_id: `x${++next}` },
  from: { type: 'agent', id, network_id: network, fqid: `molt://${network}/agents/${id}` },
});

it('RLY-30: it speaks as agents of its own network, in what is shared with it', async () => {
  const { a, post } = await victim();
  expect(await post(message())).toEqual([202, true]);
  const before = (await a.history('general')).length;
  const hidden = { target: { kind: 'thread', room_id: 'private', thread_id: 'hidden' } };
  await a.say('private', 'beta', 'hidden', hidden);
  const refused: [Record<string, unknown>, number, string][] = [
    // as one of ours, in each way that it can be said
    [{ origin: { network_id: '', message_id: '' }, from: { type: 'agent', id: 'beta' } }, 403, 'forbidden'],
    [
      { origin: { network_id: 'net_a', message_id: 'y' }, from: { type: 'agent', id: 'beta' } },
      403,
      'forbidden',
    ],
    [{ from: { type: 'agent', id: 'beta', network_id: 'net_a' } }, 409, 'conflict'],
    [{ from: { type: 'agent', id: 'net_a:beta', network_id: 'net_b' } }, 409, 'conflict'],
    [
      { from: { type: 'agent', id: 'beta', network_id: 'net_b', fqid: 'molt://net_a/agents/beta' } },
      409,
      'conflict',
    ],
    [{ from: { type: 'system', id: 'guard', network_id: 'net_b' } }, 422, 'unprocessable_entity'],
    // as a third network, paired or not
    [of('net_c'), 403, 'pairing_mismatch'],
    [of('net_z'), 403, 'pairing_mismatch'],
    // into what is not shared with it
    [{ target: { kind: 'room', room_id: 'private' } }, 403, 'not_shared'],
    [{ target: { kind: 'room', room_id: 'with-c' } }, 403, 'not_shared'],
    [{ target: { kind: 'room', room_id: 'nowhere' } }, 403, 'not_shared'],
    [{ target: { kind: 'room', room_id: 'orders' } }, 403, 'write_refused'],
    [{ target: { kind: 'thread', room_id: 'private', thread_id: 't1' } }, 403, 'not_shared'],
    // a thread that is in a room which it does not know, as one that is in none
    [{ target: { kind: 'thread', thread_id: 'hidden' } }, 422, 'invalid_target'],
    [{ target: { kind: 'thread', thread_id: 'invented' } }, 422, 'invalid_target'],
    // DMs that it is not in, with people that nobody knows, with a third network
    [
      { target: { kind: 'dm', dm_id: 'd1', participant_ids: ['net_a:beta', 'net_b:other'] } },
      403,
      'not_a_participant',
    ],
    [
      { target: { kind: 'dm', dm_id: 'd2', participant_ids: ['net_b:gamma', 'net_a:invented'] } },
      403,
      'not_shared',
    ],
    [
      { target: { kind: 'dm', dm_id: 'd3', participant_ids: ['net_b:gamma', 'net_c:far'] } },
      403,
      'not_shared',
    ],
    [
      { target: { kind: 'dm', dm_id: 'd4', participant_ids: ['net_b:gamma', 'net_a:beta', 'net_c:far'] } },
      403,
      'not_shared',
    ],
    [
      {
        target: {
          kind: 'dm',
          dm_id: 'd5',
          participant_ids: [
            'net_a:beta',
            ...Array.from({ length: 40 }, (_, i) => `net_b:g${i}`),
            'net_b:gamma',
          ],
        },
      },
      422,
      'too_many_participants',
    ],
    // huge, and not whole
    [{ parts: [{ kind: 'text', text: 'x'.repeat(200_000) }] }, 422, 'text_too_large'],
    [{ parts: Array.from({ length: 65 }, () => ({ kind: 'text', text: 'x' })) }, 422, 'too_many_parts'],
    [{ parts: [] }, 422, 'invalid_part'],
  ];
  for (const [more, status, code] of refused)
    expect([JSON.stringify(more).slice(0, 120), ...(await post(message(more)))]).toEqual([
      JSON.stringify(more).slice(0, 120),
      status,
      code,
    ]);
  // Many at once are each decided the same.
  const items = refused.map(([more]) => ({ message: message(more) }));
  const { status, json } = await ask(a.server.url, 'POST', '/v1/relay', TOKEN, { items: items.slice(0, 20) });
  expect([status, json['code']]).toEqual([422, 'unprocessable_entity']);
  for (const [i, item] of items.entries()) {
    const { json } = await ask(a.server.url, 'POST', '/v1/relay', TOKEN, { items: [item] });
    const code = (json['results'] as { code: string }[] | undefined)?.[0]?.code ?? json['code'];
    // What is said as one of ours is no relay at all.
    expect([i, code]).toEqual([i, i < 2 ? 'unprocessable_entity' : refused[i]![2]]);
  }
  expect(await a.history('general')).toHaveLength(before);
  for (const room of ['private', 'with-c', 'orders']) expect(await a.texts(room)).toEqual([]);
});

it('RLY-75: it removes what its own network has said, and nothing else', async () => {
  const { a, post } = await victim();
  const theirs = message({ id: 'theirs', origin: { network_id: 'net_b', message_id: 'theirs' } });
  await post(theirs);
  const ours = await a.say('general', 'alpha', 'ours');
  const redact = async (network_id: string, message_id: string): Promise<unknown> => {
    const items = [{ redaction: { network_id, message_id } }];
    const { status, json } = await ask(a.server.url, 'POST', '/v1/relay', TOKEN, { items });
    const [result] = (json['results'] ?? []) as { accepted: boolean; code?: string }[];
    return result?.code ?? result?.accepted ?? [status, json['code']];
  };
  expect(await redact('net_a', ours)).toBe('forbidden');
  expect(await redact('', ours)).toBe('invalid_id');
  expect(await redact('net_b', ours)).toBe(true);
  expect(await redact('net_c', ours)).toBe('pairing_mismatch');
  expect(await redact('net_z', 'theirs')).toBe('pairing_mismatch');
  expect(await redact('net_b', 'nowhere')).toBe(true);
  expect((await a.texts('general')).at(-1)).toBe('ours');
  expect(await a.texts('general')).not.toContain('[redacted]');
  expect(await redact('net_b', 'theirs')).toBe(true);
  expect(await redact('net_b', 'theirs')).toBe(true);
  expect(await a.texts('general')).toEqual(['[redacted]', 'ours']);
  // It does not come back by saying it again.
  expect(await post(theirs)).toEqual([202, true]);
  expect(await a.texts('general')).toEqual(['[redacted]', 'ours']);
});

it('RLY-31: a message is taken once, whatever comes again; no id of ours can be taken away', async () => {
  const { a, post } = await victim();
  const once = message();
  expect(await post(once)).toEqual([202, true]);
  expect(await post(once)).toEqual([202, true]);
  expect(await post({ ...once, id: 'another-id' })).toEqual([202, true]);
  expect(await post({ ...once, parts: [{ kind: 'text', text: 'other words' }] })).toEqual([
    409,
    'message_id_conflict',
  ]);
  expect(await a.texts('general')).toHaveLength(1);
  // Ours has the id: theirs stands under another, and keeps its own in origin.
  await a.say('general', 'alpha', 'ours', { id: 'taken' });
  const theirs = message({ id: 'taken', origin: { network_id: 'net_b', message_id: 'taken' } });
  expect(await post(theirs)).toEqual([202, true]);
  expect(await post(theirs)).toEqual([202, true]);
  // Theirs has it: ours is stored all the same, once.
  expect(await post(message({ id: 'early', origin: { network_id: 'net_b', message_id: 'early' } }))).toEqual([
    202,
    true,
  ]);
  const own = await a.say('general', 'alpha', 'ours too', { id: 'early' });
  expect(await a.say('general', 'alpha', 'ours too', { id: 'early' })).toBe(own);
  const all = (await a.history('general')).map(({ id, origin }) => [
    id,
    origin.network_id,
    origin.message_id,
  ]);
  expect(all.slice(1)).toEqual([
    ['taken', 'net_a', 'taken'],
    [expect.stringMatching(/^msg_[0-9a-f]{8}-[0-9a-f]{4}-5/), 'net_b', 'taken'],
    ['early', 'net_b', 'early'],
    [own, 'net_a', 'early'],
  ]);
});

it('RLY-32: it reads the shared rooms and who is in them, and nothing else', async () => {
  const { a } = await victim();
  await a.api('PATCH', '/v1/rooms/general/members', { add: ['beta'] });
  await a.api('PATCH', '/v1/rooms/private/members', { add: ['hidden'] });
  const secret = await a.say('private', 'beta', 'secret');
  const get = async (at: string): Promise<{ status: number; text: string }> => {
    const { status, json } = await ask(a.server.url, 'GET', at, TOKEN);
    return { status, text: JSON.stringify(json) };
  };
  const rooms = await get('/v1/rooms');
  expect(rooms).toMatchObject({ status: 200, text: expect.stringContaining('"general"') });
  expect(rooms.text).not.toMatch(/"private"|with-c|federation/);
  const agents = await get('/v1/agents');
  expect(agents.text).toContain('"beta"');
  expect(agents.text).not.toMatch(/hidden|private/);
  expect((await get('/v1/network')).status).toBe(200);
  for (const at of [
    '/v1/rooms/private',
    '/v1/rooms/private/messages',
    '/v1/rooms/with-c/messages',
    `/v1/messages/${secret}`,
    `/v1/messages/${secret}/relays`,
    '/v1/dms',
    '/v1/artifacts?room_id=private',
    '/v1/search?q=secret&in=room:private',
    '/v1/pairings',
    '/v1/pairings/net_c',
    '/v1/deliveries',
    '/v1/usage',
    '/v1/guard',
    '/metrics',
  ])
    expect([at, (await get(at)).status]).toEqual([at, 403]);
  for (const [method, at, body] of [
    ['POST', '/v1/agents/wake-failed', { agent_id: 'beta', event: { message: { id: secret } } }],
    ['POST', '/v1/rooms', { id: 'mine' }],
    ['PATCH', '/v1/rooms/general', { federation: 'all' }],
    ['DELETE', '/v1/pairings/net_c', undefined],
    ['POST', '/v1/agents/register', { requested_agent_id: 'mine' }],
    ['DELETE', `/v1/messages/${secret}`, undefined],
    ['POST', '/v1/reload', {}],
  ] as const)
    expect([at, (await ask(a.server.url, method, at, TOKEN, body)).status]).toEqual([at, 403]);
});

it('RLY-33: mentions bind by FQID only; an agent of the same name there is another one', async () => {
  const { a, post } = await victim();
  await a.api('PATCH', '/v1/rooms/general/members', { add: ['beta'] });
  const beta = 'molt://net_a/agents/beta';
  await post(message({ mentions: ['beta'], parts: [{ kind: 'text', text: 'hi @beta' }] }));
  await post(message({ mentions: [beta] }));
  await post(message({ from: { type: 'agent', id: 'beta', network_id: 'net_b' } }));
  const said = await a.history('general');
  expect(said.map(({ mentions }) => mentions)).toEqual([undefined, [beta], undefined]);
  expect(said[2]!.from.fqid).toBe('molt://net_b/agents/beta');
});

it('RLY-35: what is over its quota is not stored, is told so, and leaves others theirs', async () => {
  const { net_a: a } = await startNets(['net_a', 'net_b', 'net_c'], {
    edges: [
      ['net_a', 'net_b'],
      ['net_a', 'net_c'],
    ],
    pairingQuota: { messages: 1_000, bytes: 64_000 },
  });
  for (const wire of a!.from.values()) wire.cut();
  const large = { parts: [{ kind: 'text', text: 'x'.repeat(20_000) }] };
  const post = (body: object, headers: Record<string, string> = {}): ReturnType<typeof ask> =>
    ask(a!.server.url, 'POST', '/v1/messages', TOKEN, body, headers);
  for (let i = 0; i < 3; i++) expect((await post(message(large), RELAYED)).status).toBe(202);
  const over = await post(message(large), RELAYED);
  expect([over.status, over.json['code']]).toEqual([429, 'pairing_quota']);
  expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
  const items = [{ message: message(large) }];
  expect((await ask(a!.server.url, 'POST', '/v1/relay', TOKEN, { items })).json['code']).toBe(
    'pairing_quota',
  );
  // One that does not know of refusals goes on, and is not silenced.
  expect(await post(message(large))).toMatchObject({ status: 202, json: { accepted: false } });
  expect(await a!.texts('general')).toHaveLength(3);
  expect((await a!.pairing('net_b')).relay).toMatchObject({
    received: 3,
    last_refusal: { code: 'pairing_quota' },
  });
  // The agents here, and the other pairing, have theirs.
  await a!.say('general', 'alpha', 'ours');
  const other = { ...message(), ...of('net_c') };
  const sent = await ask(
    a!.server.url,
    'POST',
    '/v1/messages',
    pairSecret('net_c', 'net_a'),
    { ...other, id: other.origin.message_id },
    RELAYED,
  );
  expect(sent.status).toBe(202);
});

it('RLY-35: members that it lists, and lists otherwise at each look, count toward what it may fill', async () => {
  const { net, answers } = await pairedWithAnything(DOCUMENT, {
    pairingQuota: { messages: 1_000, bytes: 3_000_000 },
  });
  const stream = new SseClient(net.server.port, { headers: { authorization: `Bearer ${OPERATOR}` } });
  await becomes(async () => expect(stream.status).toBe(200));
  let look = 0;
  answers.set('/v1/rooms', (response: ServerResponse) => {
    look++;
    const crowd = (n: number): string[] =>
      Array.from({ length: 100 }, (_, i) => `g${look}-${n}-${i}-${'x'.repeat(100)}`);
    // The same room many times over.
    const rooms = Array.from({ length: 20 }, (_, n) => ({ id: 'general', members: crowd(n) }));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ rooms, page: { has_more: false } }));
  });
  await becomes(async () => expect(look).toBeGreaterThan(20));
  const changes = stream.events.filter(({ data }) => data?.type === 'room.members.updated');
  stream.close();
  // One of them is 11 KB, and each who goes is counted as one who may come again.
  expect([changes.length > 0, changes.length < 6]).toEqual([true, true]);
  expect(await net.api('GET', '/v1/rooms/general')).toMatchObject({ members: { length: 100 } });
});

it('RLY-34: nobody else speaks for a network that is paired', async () => {
  const { a } = await victim();
  const { status, json } = await ask(
    a.server.url,
    'POST',
    '/v1/messages',
    pairSecret('net_c', 'net_a'),
    message(),
  );
  expect([status, json['accepted']]).toEqual([202, false]);
  await becomes(async () => expect(await a.texts('general')).toEqual([]));
});
