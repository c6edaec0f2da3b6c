import { expect, it } from 'vitest';
import { limits } from '../protocol/limits.ts';
import { codeOf, openLab, sendRequest } from '../../test/support/network-lab.ts';
import { pairingIdentity } from './identity.ts';
import { federationOf, sharedSince, sharesAfter, shareRows } from './sharing.ts';

it('RLY-37 a change of sharing keeps where it began for those who have it still', () => {
  const of = (entries: Record<string, number>) => new Map(Object.entries(entries));
  const change = (before: Record<string, number>, wanted: 'none' | 'all' | string[]) =>
    Object.fromEntries(sharesAfter(of(before), shareRows('r', of(before), wanted)));
  // 0 stands for the seq of the event that is not written yet.
  expect(change({}, ['b'])).toEqual({ b: 0 });
  expect(change({ b: 5 }, ['b', 'c'])).toEqual({ b: 5, c: 0 });
  expect(change({ b: 5 }, 'all')).toEqual({ b: 5, '*': 0 });
  expect(change({ b: 5, '*': 9 }, ['b', 'c'])).toEqual({ b: 5, c: 9 });
  expect(change({ '*': 9 }, 'all')).toEqual({ '*': 9 });
  expect(change({ b: 5, '*': 9 }, 'none')).toEqual({});
  expect(() => shareRows('r', new Map(), ['not an id'])).toThrow('federation');
  expect(sharedSince(of({ b: 5, '*': 9 }), 'b')).toBe(5);
  expect(sharedSince(of({ '*': 9 }), 'b')).toBe(9);
  expect(sharedSince(of({ b: 5 }), 'c')).toBeUndefined();
  expect(federationOf(of({ c: 1, b: 2 }))).toEqual(['b', 'c']);
  expect(federationOf(of({ c: 1, '*': 2 }))).toBe('all');
  expect(federationOf(of({}))).toBeUndefined();
});

it('RLY-36 one network fills no room with names, and is heard all the same', async () => {
  const pairing = { id: 'net_b', network: 'net_b', bound: true };
  const lab = await openLab({ settings: { pairings: new Map([['net_b', pairing]]) } });
  await lab.createRoom({ id: 'shared', federation: ['net_b'] });
  const identity = pairingIdentity('hash', pairing);
  const say = (n: number) => {
    const request = sendRequest(`agent:a${n}`, 'room:shared', {
      id: `m${n}`,
      origin: { network_id: 'net_b', message_id: `m${n}` },
      from: { type: 'agent', id: `a${n}`, network_id: 'net_b' },
    });
    return lab.execute('message.send', { request }, identity);
  };
  const most = limits.pairing_members.value;
  await Promise.all(Array.from({ length: most + 3 }, (_, n) => say(n)));
  expect(lab.network.topology.room('shared')!.members.size).toBe(most);
  expect(await codeOf(say(most + 5))).toBe('accepted');
});

it('RLY-73 what retention has removed is not taken again: not by relay, not by a backfill, under no other id', async () => {
  const pairing = { id: 'net_b', network: 'net_b', bound: true };
  const lab = await openLab({ settings: { pairings: new Map([['net_b', pairing]]) } });
  await lab.createRoom({ id: 'shared', federation: ['net_b'] });
  const identity = pairingIdentity('hash', pairing);
  const request = (id: string, text = id) =>
    sendRequest('agent:gamma', 'room:shared', {
      id,
      origin: { network_id: 'net_b', message_id: id },
      from: { type: 'agent', id: 'gamma', network_id: 'net_b' },
      parts: [{ kind: 'text', text }],
    });
  const relay = (id: string, text?: string) =>
    lab.execute('message.send', { request: request(id, text) }, identity);
  const stored = async () =>
    (await lab.store.messagePage('room:shared', { limit: 500 })).rows.map(({ id }) => id);
  // One of ours has the id: theirs stands under another, and is known by its own all the same.
  await lab.send('human:ann', 'room:shared', { id: 'taken' });
  for (const id of ['m1', 'taken', 'm2']) await relay(id);
  await lab.send('human:ann', 'room:shared', { id: 'newest' });
  const seqs = (await lab.store.messagePage('room:shared', { limit: 500 })).rows.map(({ seq }) => seq);
  await lab.execute('history.prune', { seqs: seqs.slice(0, -1) });
  expect(await stored()).toEqual(['newest']);
  const { head } = lab.store;
  for (const id of ['m1', 'taken', 'm2'])
    expect(await relay(id, 'other words')).toMatchObject({ message_id: id, accepted: true });
  const said_at = '2026-11-01T00:00:00.000Z';
  expect(await lab.execute('message.backfill', { request: request('m1'), said_at }, identity)).toEqual({
    known: true,
  });
  expect(lab.store.head).toBe(head);
  // What is ours is not theirs to use up, and what is new is taken.
  await relay('m3');
  await lab.send('human:ann', 'room:shared', { id: 'm1' });
  expect(await stored()).toEqual(['newest', 'm3', 'm1']);
});
