/** Two servers of ours, paired by their files (RLY). */
import { expect, it } from 'vitest';
import { AttachClient } from '../support/attach-client.ts';
import { becomes, SHARED, startNets } from '../support/pairing-lab.ts';

it('RLY-1: what is said in a shared room is at the other network, with its id, origin and sender; and back', async () => {
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b']);
  const id = await a!.say('general', 'alpha', 'hello from a');
  await becomes(async () => expect(await b!.texts('general')).toEqual(['hello from a']));
  const [message] = await b!.history('general');
  expect(message).toMatchObject({
    id,
    network_id: 'net_b',
    origin: { network_id: 'net_a', message_id: id },
    from: { type: 'agent', id: 'alpha', network_id: 'net_a', fqid: 'molt://net_a/agents/alpha' },
  });
  await b!.say('general', 'alpha', 'hello from b');
  await becomes(async () => expect(await a!.texts('general')).toEqual(['hello from a', 'hello from b']));
  const { members } = await a!.api<{ members: string[] }>('GET', '/v1/rooms/general');
  expect(members).toEqual(['net_b:alpha']);
  await becomes(async () =>
    expect(await a!.relays(id)).toMatchObject([{ pairing_id: 'net_b', state: 'relayed' }]),
  );
  // What came from there goes nowhere.
  expect(await b!.relays(id)).toEqual([]);
});

it('RLY-2: a room that is not shared stays here, whatever its visibility', async () => {
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b'], {
    rooms: () => [
      SHARED,
      { ...SHARED, id: 'open', federation: 'none' },
      { id: 'plain', members: ['alpha'], visibility: 'public' },
    ],
  });
  const hidden = [await a!.say('open', 'alpha', 'secret'), await a!.say('plain', 'alpha', 'secret')];
  await a!.say('general', 'alpha', 'public');
  await becomes(async () => expect(await b!.texts('general')).toEqual(['public']));
  expect(await b!.texts('open')).toEqual([]);
  expect(await b!.texts('plain')).toEqual([]);
  for (const id of hidden) expect(await a!.relays(id)).toEqual([]);
});

it('RLY-3: sharing begins with the next message, and ends with the last; both by the API, at once', async () => {
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b'], {
    rooms: (id) => [{ ...SHARED, federation: id === 'net_a' ? 'none' : 'all' }],
  });
  await a!.say('general', 'alpha', 'before');
  await a!.api('PATCH', '/v1/rooms/general', { federation: ['net_b'] });
  await a!.say('general', 'alpha', 'during');
  await becomes(async () => expect(await b!.texts('general')).toEqual(['during']));
  await a!.api('PATCH', '/v1/rooms/general', { federation: 'none' });
  const after = await a!.say('general', 'alpha', 'after');
  expect(await a!.relays(after)).toEqual([]);
  expect(await b!.texts('general')).toEqual(['during']);
  await expect(a!.api('PATCH', '/v1/rooms/general', { federation: ['nobody'] })).rejects.toThrow(
    'unprocessable_entity',
  );
});

it('RLY-4: what was said while the other was away, or this one restarted, arrives once and in order', async () => {
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b'], { storage: 'sqlite' });
  await a!.say('general', 'alpha', '0');
  await becomes(async () => expect(await b!.texts('general')).toEqual(['0']));
  b!.from.get('net_a')!.cut();
  for (let i = 1; i <= 20; i++) await a!.say('general', 'alpha', String(i));
  const last = await a!.say('general', 'alpha', '21');
  expect(await a!.relays(last)).toMatchObject([{ state: 'waiting' }]);
  await becomes(async () =>
    expect(await a!.pairing('net_b')).toMatchObject({
      status: 'error',
      diagnostics: { reason: 'remote_request_failed' },
      waiting: [{ conversation: 'room:general' }],
    }),
  );
  await a!.restart();
  expect(await a!.relays(last)).toMatchObject([{ state: 'waiting' }]);
  await b!.restart();
  b!.from.get('net_a')!.mend();
  const all = Array.from({ length: 22 }, (_, i) => String(i));
  await becomes(async () => expect(await b!.texts('general')).toEqual(all));
  await becomes(async () => expect(await a!.relays(last)).toMatchObject([{ state: 'relayed' }]));
  await a!.restart();
  await a!.say('general', 'alpha', '22');
  await becomes(async () => expect(await b!.texts('general')).toEqual([...all, '22']));
});

it('RLY-5: a message that the other will not take is shown with its reason, and the next one goes on', async () => {
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b'], {
    rooms: (id) => [SHARED, { ...SHARED, id: 'lonely' }].slice(0, id === 'net_a' ? 2 : 1),
    storage: 'sqlite',
  });
  const refused = await a!.say('lonely', 'alpha', 'nobody there');
  await a!.say('general', 'alpha', 'somebody here');
  await becomes(async () => expect(await b!.texts('general')).toEqual(['somebody here']));
  await becomes(async () =>
    expect(await a!.relays(refused)).toMatchObject([{ state: 'refused', code: 'not_shared' }]),
  );
  expect(await a!.pairing('net_b')).toMatchObject({
    status: 'connected',
    relay: { waiting: 0, relayed: 1, refused: 1 },
    refusals: [{ message_id: refused, conversation: 'room:lonely', code: 'not_shared' }],
  });
  expect(await b!.pairing('net_a')).toMatchObject({ relay: { received: 1, not_taken: 1 } });
  await a!.restart();
  expect(await a!.relays(refused)).toMatchObject([{ state: 'refused' }]);
});

it('RLY-33: who is mentioned from another network is woken, and nobody of the same name', async () => {
  const tokens = [
    { id: 'agents', value: 'agents-0123456789', scopes: ['write', 'attach'], agents: ['alpha', 'beta'] },
  ];
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b'], {
    config: () => ({ auth: { tokens } }),
  });
  const attach = (agent: string): Promise<AttachClient> =>
    AttachClient.attach({
      url: `${b!.server.url.replace('http', 'ws')}/v1/attach`,
      network: 'net_b',
      agent,
      headers: { authorization: 'Bearer agents-0123456789' },
      bindings: {
        rooms: [{ id: 'general', wake: 'mentions' }],
        dms: { enabled: true, wake: 'all' },
        catch_up: 'all',
      },
    });
  await b!.api('PATCH', '/v1/rooms/general/members', { add: ['alpha', 'beta'] });
  const [alpha, beta] = [await attach('alpha'), await attach('beta')];
  for (const mentions of [
    ['beta'],
    ['molt://net_a/agents/beta'],
    ['molt://net_b/agents/beta'],
    ['net_b:alpha'],
  ])
    await a!.say('general', 'alpha', mentions[0]!.replace('molt', 'to'), { mentions });
  await becomes(async () => expect(await b!.texts('general')).toHaveLength(4));
  const woken = async (client: AttachClient): Promise<unknown[]> => {
    await client.settle();
    return client.events.map(({ event }) => event?.message?.parts[0]?.text);
  };
  await becomes(async () => expect(await woken(beta)).toEqual(['to://net_b/agents/beta']));
  await becomes(async () => expect(await woken(alpha)).toEqual(['net_b:alpha']));
});

it('RLY-6: in a ring of three every message is everywhere once, and goes one hop', async () => {
  const nets = Object.values(await startNets(['net_a', 'net_b', 'net_c']));
  for (const net of nets) await net.say('general', 'alpha', `from ${net.id}`);
  const all = ['from net_a', 'from net_b', 'from net_c'];
  for (const net of nets) await becomes(async () => expect((await net.texts('general')).sort()).toEqual(all));
});
