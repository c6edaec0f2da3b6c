/** One of ours, paired with a server of the original that knows only wire.md 8 (RLY-20 and following). */
import { expect, it } from 'vitest';
import { StrictRelay } from '../peer/strict-relay.ts';
import { startStrictPaired } from '../peer/strict-paired.ts';
import { seeded } from '../support/pairing-storm.ts';
import { becomes, OPERATOR, SHARED, startNet, type Net } from '../support/pairing-lab.ts';
import { testConfig } from '../support/server.ts';

const TOKENS = [
  { id: 'operator', value: OPERATOR, scopes: ['observe', 'write', 'admin'] },
  { id: 'from-go', value: 'go-speaks-to-us-0123456789', scopes: ['pair'] },
];
const AGENTS = { id: 'agents', value: 'agents-0123456789', scopes: ['write'], agents: ['beta'] };

async function pairedWithGo(): Promise<{
  ours: Net;
  go: Awaited<ReturnType<typeof startStrictPaired>>;
  speak: StrictRelay;
}> {
  const token = 'we-speak-to-go-0123456789';
  const go = await startStrictPaired({ network: 'net_go', remote: 'net_a', token, rooms: ['general'] });
  const config = testConfig({
    network: { id: 'net_a', name: 'Network A' },
    auth: { mode: 'bearer', tokens: [...TOKENS, AGENTS] },
    rooms: [SHARED, { ...SHARED, id: 'only-here' }, { id: 'private', members: ['beta'] }],
    pairings: [{ id: 'go', remote_network_id: 'net_go', remote_base_url: go.url, token }],
  });
  const ours = await startNet(config, new Map());
  return { ours, go, speak: new StrictRelay(ours.server.url, 'net_go', 'go-speaks-to-us-0123456789') };
}

it('RLY-20: relays to a server of the original as it expects it: rooms, threads, mentions, DMs', async () => {
  const { ours, go } = await pairedWithGo();
  await ours.api('PATCH', '/v1/rooms/general/members', { add: ['net_go:gamma'] });
  await ours.say('general', 'alpha', 'hi @net_go:gamma');
  await ours.say('general', 'alpha', 'in a thread', {
    target: { kind: 'thread', room_id: 'general', thread_id: 't1' },
  });
  await ours.say('', 'alpha', 'just you', {
    target: { kind: 'dm', participant_ids: ['alpha', 'net_go:gamma'] },
  });
  await ours.say('', 'alpha', 'not for you', { target: { kind: 'dm', participant_ids: ['alpha', 'beta'] } });
  await ours.say('private', 'alpha', 'nor this');
  await becomes(async () => expect(go.stored).toHaveLength(3));
  expect(go.broken).toEqual([]);
  const texts = go.stored.map(({ parts }) => parts[0]!['text']);
  expect(texts.sort()).toEqual(['hi @net_go:gamma', 'in a thread', 'just you']);
  expect(go.stored.find(({ target }) => target.kind === 'room')!.mentions).toEqual([
    'molt://net_go/agents/gamma',
  ]);
});

it('RLY-21: a 404 of it is told of that message alone; a 500 and an absence wait, and nothing is lost', async () => {
  const { ours, go } = await pairedWithGo();
  const lost = await ours.say('only-here', 'alpha', 'there is no such room');
  const first = await ours.say('general', 'alpha', 'first');
  await becomes(async () => expect(go.stored).toHaveLength(1));
  await becomes(async () =>
    expect(await ours.relays(lost)).toMatchObject([{ state: 'refused', code: 'not_found' }]),
  );
  expect(await ours.relays(first)).toMatchObject([{ pairing_id: 'go', state: 'relayed' }]);
  go.fail = 503;
  const second = await ours.say('general', 'alpha', 'second');
  await becomes(async () => expect((await ours.pairing('go')).status).toBe('error'));
  expect(await ours.relays(second)).toMatchObject([{ state: 'waiting' }]);
  go.fail = undefined;
  await becomes(async () =>
    expect(go.stored.map(({ parts }) => parts[0]!['text'])).toEqual(['first', 'second']),
  );
  expect(go.broken).toEqual([]);
  await becomes(async () => expect((await ours.pairing('go')).status).toBe('connected'));
});

it('RLY-76: a server of the original is not told that a message was removed, which is shown; and never what was removed before it went', async () => {
  const { ours, go } = await pairedWithGo();
  const told = await ours.say('general', 'alpha', 'known there');
  await becomes(async () => expect(go.stored).toHaveLength(1));
  await ours.api('DELETE', `/v1/messages/${told}`);
  go.fail = 503;
  const secret = await ours.say('general', 'alpha', 'secret');
  await ours.api('DELETE', `/v1/messages/${secret}`);
  go.fail = undefined;
  await ours.say('general', 'alpha', 'after');
  await becomes(async () => expect(go.stored.map(({ parts }) => parts[0]!['text'])).toContain('after'));
  expect(await ours.relays(told)).toMatchObject([{ state: 'relayed', redaction: 'not_told' }]);
  expect(go.broken).toEqual([]);
});

it('RLY-22: a relay of it is never answered with anything but 2xx for a message that is not taken', async () => {
  const { ours, speak } = await pairedWithGo();
  await speak.check('net_a');
  expect(speak.status).toBe('connected');
  const message = (id: string, target: Record<string, unknown>, from = { type: 'agent', id: 'gamma' }) => ({
    id,
    target,
    from,
    parts: [{ kind: 'text', text: id }],
  });
  const general = { kind: 'room', room_id: 'general' };
  const answers = [];
  for (const one of [
    message('m1', general),
    message('m2', { kind: 'room', room_id: 'private' }),
    message('m3', { kind: 'room', room_id: 'nowhere' }),
    message('m4', { kind: 'dm', dm_id: 'd', participant_ids: ['net_go:gamma', 'net_a:nobody'] }),
    message('m5', { kind: 'dm', dm_id: 'd', participant_ids: ['net_go:gamma', 'net_a:beta'] }),
    message('m6', { ...general, thread_id: 't' }),
    message('m1', general),
    message('m7', general, { type: 'human', id: 'bob' }),
  ])
    answers.push((await speak.relay(one))?.accepted);
  expect(answers).toEqual([true, false, false, false, true, false, true, true]);
  expect(speak.status).toBe('connected');
  expect(speak.broken).toEqual([]);
  expect(await ours.texts('general')).toEqual(['m1', 'm7']);
  expect(await ours.texts('private')).toEqual([]);
  expect(await ours.pairing('go')).toMatchObject({ relay: { received: 4, not_taken: 4 } });
});

it('RLY-23: an hour of traffic with refusals and absences, both ways: nothing of ours or theirs is lost', async () => {
  const { ours, go, speak } = await pairedWithGo();
  const random = seeded(8);
  const theirs: string[] = [];
  const own: string[] = [];
  const refused: string[] = [];
  const rooms = ['general', 'general', 'general', 'private', 'nowhere'];
  for (let second = 0; second < 3_600; second += 15) {
    speak.now = second * 1_000;
    const room = rooms[Math.floor(random() * rooms.length)]!;
    const id = `go-${second}`;
    const target =
      random() < 0.1
        ? { kind: 'dm', dm_id: 'dm-go', participant_ids: ['net_go:gamma', 'net_a:beta'] }
        : { kind: 'room', room_id: room };
    const taken = await speak.offer(
      { id, target, from: { type: 'agent', id: 'gamma' }, parts: [{ kind: 'text', text: id }] },
      'net_a',
    );
    expect(taken, `${second} ${JSON.stringify(target)}`).toBe(target.kind === 'dm' || room === 'general');
    if (taken && target.kind === 'room') theirs.push(id);
    // Theirs is away, or broken, for a while now and then.
    if (second % 600 === 0) go.fail = undefined;
    if (second % 600 === 300) go.fail = random() < 0.5 ? 503 : 502;
    const here = random() < 0.2 ? 'only-here' : 'general';
    const text = `ours-${second}`;
    const said = await ours.say(here, 'alpha', text, { id: text });
    (here === 'general' ? own : refused).push(said);
  }
  go.fail = undefined;
  expect(speak.suppressed).toEqual([]);
  expect(speak.broken).toEqual([]);
  await becomes(async () =>
    expect(go.stored.map(({ parts }) => parts[0]!['text'])).toEqual(own.map((id) => id.replace('msg_', ''))),
  );
  expect(go.broken).toEqual([]);
  const history = await ours.history('general');
  expect(history.filter(({ origin }) => origin.network_id === 'net_go').map(({ id }) => id)).toEqual(theirs);
  for (const id of refused)
    await becomes(async () =>
      expect(await ours.relays(id)).toMatchObject([{ state: 'refused', code: 'not_found' }]),
    );
  for (const id of own) expect(await ours.relays(id)).toMatchObject([{ state: 'relayed' }]);
}, 60_000);

it('RLY-24: one that does not take what waits is not asked on and on, and what it takes goes meanwhile', async () => {
  const { ours, go } = await pairedWithGo();
  go.direct_messages = false;
  const dm = await ours.say('', 'alpha', 'waits', {
    target: { kind: 'dm', participant_ids: ['alpha', 'net_go:gamma'] },
  });
  await becomes(async () => expect((await ours.pairing('go')).status).toBe('degraded'));
  const before = go.requests;
  for (let i = 0; i < 20; i++) await ours.say('general', 'alpha', `room ${i}`);
  await becomes(async () => expect(go.stored).toHaveLength(20));
  expect(go.requests - before).toBeLessThanOrEqual(22);
  expect(await ours.relays(dm)).toMatchObject([{ state: 'waiting' }]);
});
