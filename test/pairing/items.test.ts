/** Many messages at once between two servers of ours, and what was removed on one side (RLY-74 to RLY-76). */
import { expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages.ts';
import { ask, becomes, OPERATOR, pairSecret, startNets, type Net } from '../support/pairing-lab.ts';

const guard = { turns: 'off', hour_turns: 'off', pair_turns: 'off' } as const;
const two = async (): Promise<{ a: Net; b: Net; toB: { cut(): void; mend(): void } }> => {
  const { net_a, net_b } = await startNets(['net_a', 'net_b'], { config: () => ({ guard }) });
  return { a: net_a!, b: net_b!, toB: net_b!.from.get('net_a')! };
};
const metric = async (net: Net, route: string): Promise<number> => {
  const answer = await fetch(`${net.server.url}/metrics`, {
    headers: { authorization: `Bearer ${OPERATOR}` },
  });
  const lines = (await answer.text())
    .split('\n')
    .filter((line) => line.includes(route) && /requests_total/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
};
/** Waits until it is known to be away: then what is said waits. */
const away = (net: Net): Promise<void> =>
  becomes(async () => expect((await net.pairing('net_b')).status).toBe('error'));
const redact = (net: Net, id: string): Promise<unknown> => net.api('DELETE', `/v1/messages/${id}`);

it('RLY-74: what has gathered goes many at a time, in order; one that is refused is told so and stops no other', async () => {
  const { a, b, toB } = await two();
  // Somebody has its id there already, in the name of this network.
  const squat = { id: 'squatted', origin: { network_id: 'net_a', message_id: 'squatted' } };
  const posted = await ask(b.server.url, 'POST', '/v1/messages', pairSecret('net_a', 'net_b'), {
    ...squat,
    from: { type: 'agent', id: 'alpha', network_id: 'net_a' },
    target: { kind: 'room', room_id: 'general' },
    parts: [{ kind: 'text', text: 'squatting' }],
  });
  expect(posted.status).toBe(202);
  toB.cut();
  const wanted: string[] = ['squatting'];
  for (let i = 0; i < 150; i++) {
    const id = await a.say('general', 'alpha', `${i}`, i === 70 ? { id: 'squatted' } : {});
    if (id !== 'squatted') wanted.push(`${i}`);
  }
  // A long one goes alone, and those beside it as they stand.
  const long = 'x'.repeat(120_000);
  for (let i = 0; i < 4; i++) {
    wanted.push(long);
    await a.say('general', 'alpha', long);
  }
  await away(a);
  const before = await metric(b, '/v1/relay');
  toB.mend();
  await becomes(async () => expect(await b.texts('general')).toEqual(wanted));
  expect(await a.relays('squatted')).toMatchObject([{ state: 'refused', code: 'message_id_conflict' }]);
  expect(await a.pairing('net_b')).toMatchObject({ relay: { waiting: 0, refused: 1 } });
  const requests = (await metric(b, '/v1/relay')) - before;
  expect(requests).toBeGreaterThan(2);
  expect(requests).toBeLessThan(30);
});

it('RLY-75: a message that is removed on its own network is removed at the other, once, after it', async () => {
  const { a, b, toB } = await two();
  const secret = await a.say('general', 'alpha', 'secret');
  await a.say('general', 'alpha', 'plain');
  await becomes(async () => expect(await b.texts('general')).toEqual(['secret', 'plain']));
  await redact(a, secret);
  await becomes(async () => expect(await b.texts('general')).toEqual(['[redacted]', 'plain']));
  const [first] = await b.history('general');
  expect(first!.redacted_at).toBeDefined();
  await becomes(async () =>
    expect(await a.relays(secret)).toMatchObject([{ state: 'relayed', redaction: 'told' }]),
  );
  // Theirs stays theirs: what is removed here of it is not told.
  const theirs = await b.say('general', 'beta', 'of b');
  await becomes(async () => expect(await a.texts('general')).toContain('of b'));
  await redact(a, theirs);
  await a.say('general', 'alpha', 'and on');
  await becomes(async () => expect(await b.texts('general')).toContain('and on'));
  expect(await b.texts('general')).toContain('of b');

  // One that waits: what was said never goes.
  toB.cut();
  const waiting = await a.say('general', 'alpha', 'another secret');
  const after = await a.say('general', 'alpha', 'after it');
  await redact(a, waiting);
  await away(a);
  expect(await a.relays(waiting)).toMatchObject([{ state: 'waiting', redaction: 'waiting' }]);
  toB.mend();
  await becomes(async () => expect((await b.texts('general')).slice(-2)).toEqual(['[redacted]', 'after it']));
  await becomes(async () =>
    expect(await a.relays(waiting)).toMatchObject([{ state: 'relayed', redaction: 'told' }]),
  );
  await becomes(async () => expect((await blanked(b)).at(-1)).toMatchObject({ id: waiting }));
  expect((await b.history('general')).at(-1)!.id).toBe(after);
});

it('RLY-75: a redaction goes over restarts of both sides, and for DMs and threads too', async () => {
  const { net_a, net_b } = await startNets(['net_a', 'net_b'], {
    storage: 'sqlite',
    config: () => ({ guard }),
  });
  const [a, b] = [net_a!, net_b!];
  await b.api('PATCH', '/v1/rooms/general/members', { add: ['beta'] });
  const thread = await a.say('general', 'alpha', 'in a thread', {
    target: { kind: 'thread', room_id: 'general', thread_id: 't1' },
  });
  const dm = await a.say('', 'alpha', 'in a dm', {
    target: { kind: 'dm', dm_id: 'd1', participant_ids: ['alpha', 'net_b:beta'] },
  });
  const message = (id: string): Promise<Message> => b.api('GET', `/v1/messages/${id}`);
  for (const id of [thread, dm]) await becomes(async () => expect((await message(id)).id).toBe(id));
  await b.stop();
  await redact(a, thread);
  await redact(a, dm);
  await a.restart();
  await b.start();
  for (const id of [thread, dm])
    await becomes(async () => expect((await message(id)).parts[0]!.text).toBe('[redacted]'));
});

const blanked = async (net: Net): Promise<Message[]> =>
  (await net.history('general')).filter(({ redacted_at }) => redacted_at !== undefined);
