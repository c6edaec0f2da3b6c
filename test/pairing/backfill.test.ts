/** History of a shared room from before it was shared (RLY-60). */
import { expect, it } from 'vitest';
import type { BackfillResult } from '../../src/protocol/pairings.ts';
import { wakeReason } from '../../src/protocol/wake.ts';
import { becomes, SHARED, startNets } from '../support/pairing-lab.ts';

it('RLY-60: is pulled on request, in its order, marked with its time, once, and wakes nobody', async () => {
  const { net_a: a, net_b: b } = await startNets(['net_a', 'net_b', 'net_c'], {
    rooms: (id) => [
      { ...SHARED, federation: id === 'net_a' ? ['net_c'] : 'all' },
      { id: 'private', members: [] },
    ],
  }).then(async (nets) => {
    await nets['net_c']!.say('general', 'far', 'from a third');
    await becomes(async () => expect(await nets['net_a']!.texts('general')).toEqual(['from a third']));
    return nets;
  });
  const words = Array.from({ length: 130 }, (_, i) => `before ${i}`);
  for (const word of words) await a!.say('general', 'alpha', word, { mentions: ['net_b:beta'] });
  await a!.api('PATCH', '/v1/rooms/general', { federation: 'all' });
  await a!.say('general', 'alpha', 'live');
  await becomes(async () => expect(await b!.texts('general')).toContain('live'));
  const pull = (count: number): Promise<BackfillResult> =>
    b!.api('POST', '/v1/pairings/net_a/backfill', { room_id: 'general', count });
  expect(await pull(121)).toEqual({ room_id: 'general', taken: 120, known: 1, refused: 0 });
  expect(await pull(1_000)).toEqual({ room_id: 'general', taken: 10, known: 121, refused: 0 });
  expect(await pull(1_000)).toEqual({ room_id: 'general', taken: 0, known: 131, refused: 0 });
  const history = (await b!.history('general')).filter(({ origin }) => origin.network_id === 'net_a');
  expect(history.map(({ parts }) => parts[0]!.text)).toEqual([
    'live',
    ...words.slice(10),
    ...words.slice(0, 10),
  ]);
  const there = new Map((await a!.history('general')).map((message) => [message.id, message]));
  for (const message of history.slice(1)) {
    expect(message.backfilled).toBe(there.get(message.id)!.created_at);
    expect(message.from.fqid).toBe('molt://net_a/agents/alpha');
  }
  expect(history[0]).not.toHaveProperty('backfilled');
  // As an agent that wakes on everything would see it.
  const bindings = { rooms: [{ id: 'general', wake: 'all' }], dms: { enabled: false } } as never;
  const beta = { network_id: 'net_b', id: 'beta' };
  expect(wakeReason(beta, bindings, history[0]!)).toBe('room');
  expect(wakeReason(beta, bindings, history[1]!)).toBeUndefined();
  // Nobody says of his own words that they are old, and nothing is pulled that is not shared.
  const said = await b!.say('general', 'beta', 'now', { backfilled: '2020-01-01T00:00:00.000Z' });
  expect((await b!.history('general')).find(({ id }) => id === said)).not.toHaveProperty('backfilled');
  await expect(b!.api('POST', '/v1/pairings/net_a/backfill', { room_id: 'private' })).rejects.toThrow(
    'not_shared',
  );
  b!.from.get('net_a')!.cut();
});
