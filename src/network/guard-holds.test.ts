/** What each kind of hold is let go by, what is told of it, and what an acknowledgement is. */
import { describe, expect, it } from 'vitest';
import { bearer, codeOf, openLab, type Lab } from '../../test/support/network-lab.ts';
import type { GuardState } from '../protocol/events.ts';
import type { Message } from '../protocol/messages.ts';

const HOUR = { settings: { guard: { turns: 'off', hour_turns: 3, pair_turns: 'off' } } } as const;
const PAIR = { settings: { guard: { turns: 'off', hour_turns: 'off', pair_turns: 3 } } } as const;
const [A, B] = ['molt://local/agents/a', 'molt://local/agents/b'];

const payload = (lab: Lab, type: string): GuardState =>
  JSON.parse(lab.events.findLast((event) => event.type === type)!.payload);
async function pingPong(lab: Lab, target: string, n: number): Promise<void> {
  for (let i = 0; i < n; i++) await lab.send(i % 2 === 0 ? 'agent:a' : 'agent:b', target, `${i}`);
}
const lastMessage = (lab: Lab): [string, boolean] => {
  const { payload: text, held } = lab.events.findLast(({ type }) => type === 'message.created')!;
  return [(JSON.parse(text) as Message).from.type, held];
};
const resume = (lab: Lab, conversation: string) =>
  lab.execute('guard.resume', { conversation: conversation as `room:${string}` });

describe('a hold of the hour', () => {
  it('GUARD-8 is not let go by a person, whose message is kept as well; a resume clears the hour', async () => {
    const lab = await openLab(HOUR);
    await pingPong(lab, 'room:general', 4);
    const detail = '3 agent turns in an hour';
    expect(payload(lab, 'conversation.held')).toMatchObject({
      reason: 'hour',
      detail,
      meters: { hour: 3, hour_limit: 3 },
    });
    await lab.send('human:ana', 'room:general', 'go on');
    expect(lastMessage(lab)).toEqual(['human', true]);
    expect(lab.network.guardStates()).toMatchObject([{ reason: 'hour', detail, turns: 0, held_messages: 2 }]);
    expect(await resume(lab, 'room:general')).toMatchObject({
      held: false,
      held_messages: 2,
      meters: { hour: 0 },
    });
    const row = (await lab.store.conversations(['room:general'])).get('room:general')!;
    expect(row).toMatchObject({ held_by: null, guard_window: '' });
    expect(lab.network.topology.conversation('room:general')).toEqual(row);
    await pingPong(lab, 'room:general', 3);
    expect(lastMessage(lab)).toEqual(['agent', false]);
    await lab.send('agent:b', 'room:general', 'too many');
    expect(lab.network.guardStates()).toMatchObject([{ reason: 'hour' }]);
  });

  it('GUARD-8 comes before one of turns, which a person could let go', async () => {
    const lab = await openLab({ settings: { guard: { turns: 3, hour_turns: 3 } } });
    await pingPong(lab, 'room:general', 4);
    expect(lab.network.guardStates()).toMatchObject([{ reason: 'hour' }]);
  });

  it('GUARD-6 GUARD-5 stays over a restart and the end of its hour, until the limit is raised over what there was', async () => {
    let now = Date.UTC(2026, 10, 21);
    const clock = () => now;
    const lab = await openLab({ ...HOUR, clock });
    await pingPong(lab, 'room:general', 4);
    await lab.network.close();
    now += 7_200_000;
    const same = await openLab({ ...HOUR, clock, store: lab.store });
    expect(same.typesSince(0)).toEqual([]);
    expect(same.network.guardStates()).toMatchObject([{ reason: 'hour', held: true, meters: { hour: 0 } }]);
    await same.network.close();
    const raised = await openLab({
      settings: { guard: { turns: 'off', hour_turns: 4 } },
      clock,
      store: lab.store,
    });
    expect(raised.typesSince(0)).toEqual(['conversation.resumed']);
    expect(payload(raised, 'conversation.resumed')).toMatchObject({
      resumed_by: 'settings',
      held_messages: 1,
    });
  });
});

describe('a hold of a pair', () => {
  it('GUARD-9 is of two agents wherever they are at it; a resume gives them their turns again', async () => {
    const lab = await openLab(PAIR);
    await pingPong(lab, 'room:general', 2);
    await pingPong(lab, 'thread:t1@general', 2);
    // The third agent has its own turns with each of them.
    await lab.send('agent:c', 'room:general', 'me too');
    expect(lab.network.guardStates()).toEqual([]);
    await lab.send('agent:a', 'thread:t1', '3');
    await lab.send('agent:b', 'thread:t1', 'too many');
    expect(payload(lab, 'conversation.held')).toMatchObject({
      conversation: 'thread:t1',
      meters: { pair: 3, pair_agents: [A, B] },
    });
    expect(await resume(lab, 'thread:t1')).toMatchObject({ held_messages: 1 });
    await lab.send('agent:a', 'thread:t1', 'and on');
    expect(lab.network.guardStates()).toEqual([]);
  });

  it('GUARD-9 holds the first message of a new conversation, which is there all the same', async () => {
    const lab = await openLab(PAIR);
    const mark = lab.events.length;
    for (let i = 0; i < 4; i++) await lab.send(i % 2 === 0 ? 'agent:a' : 'agent:b', `dm:d${i}@a,b`, `${i}`);
    expect(lab.events.slice(-4).map(({ type, held }) => [type, held])).toEqual([
      ['dm.created', false],
      ['conversation.held', false],
      ['message.created', true],
      ['message.created', true],
    ]);
    expect(lab.events.length - mark).toBe(10);
    expect(lab.events.at(-3)).toMatchObject({ dm_id: 'd3', participants: ['a', 'b'], conversation: 'dm:d3' });
    const detail = '3 turns of a and b in ten minutes';
    expect(lab.network.guardStates()).toMatchObject([
      { conversation: 'dm:d3', turns: 0, reason: 'pair', detail, meters: { pair: 3, pair_agents: [A, B] } },
    ]);
    const row = (await lab.store.conversations(['dm:d3'])).get('dm:d3')!;
    expect(row).toMatchObject({
      held_by: `pair 3 ${A} ${B}`,
      held_seq: lab.events.at(-3)!.seq,
      message_count: 2,
    });
    expect(lab.network.topology.conversation('dm:d3')).toEqual(row);

    await lab.send('agent:b', 'dm:d4@a,b', 'nor here');
    expect(lab.network.guardStates()).toHaveLength(2);
    await lab.send('agent:c', 'room:general', 'no part of it');
    const before = lab.events.length;
    await resume(lab, 'dm:d3');
    // What this pair held elsewhere goes on with it.
    expect(lab.events.slice(before).map(({ type, conversation }) => [type, conversation])).toEqual([
      ['conversation.resumed', 'dm:d3'],
      ['conversation.resumed', 'dm:d4'],
    ]);
    expect(lab.network.guardStates()).toEqual([]);
    expect(lab.network.topology.pair(`${A} ${B}`)).toMatchObject({ turns: '' });
    expect((await lab.store.loadTopology()).pairs).toEqual([lab.network.topology.pair(`${A} ${B}`)]);
    await pingPong(lab, 'dm:d3', 3);
    expect(lastMessage(lab)).toEqual(['agent', false]);
    expect((await lab.store.conversations(['dm:d4'])).get('dm:d4')).toMatchObject({ held_by: null });
  });

  it('GUARD-9 people are no pair with anybody', async () => {
    const lab = await openLab({ settings: { ...PAIR.settings, people: new Map([['ana', { id: 'ana' }]]) } });
    for (let i = 0; i < 12; i++) {
      await lab.send('human:ana', `dm:d${i}@a,ana`, 'well?');
      await lab.send('agent:a', `dm:d${i}`, 'well');
      await lab.send('agent:a', 'room:general', '@ana well');
    }
    expect(lab.network.guardStates()).toEqual([]);
    expect([...lab.network.topology.pairsOf(A)]).toEqual([]);
  });

  it('GUARD-13 a turn costs a row of its pair, and nothing else does', async () => {
    const lab = await openLab();
    await lab.register('b');
    const written = async (as: string, body: string) => {
      const before = lab.network.topology.pair(`${A} ${B}`);
      await lab.send(as, 'room:general', body);
      return lab.network.topology.pair(`${A} ${B}`) !== before;
    };
    expect(await written('human:ana', 'hi')).toBe(false);
    expect(await written('agent:a', 'hi')).toBe(false);
    expect(await written('agent:a', '@b hi')).toBe(true);
    expect(await written('agent:a', '@b hi again')).toBe(false);
    expect(await written('agent:b', 'hi')).toBe(true);
    expect(await written('agent:b', 'and more')).toBe(false);
    expect(await written('human:ana', '@b and you')).toBe(false);
  });
});

describe('the notice', () => {
  it('GUARD-10 is a line of the history, of the type system, that says what lets it go on', async () => {
    const lab = await openLab({ settings: { guard: { turns: 2, pair_turns: 'off' } } });
    await pingPong(lab, 'thread:t1@general', 4);
    const { rows } = await lab.store.messagePage('thread:t1', { limit: 10 });
    expect(rows).toHaveLength(5);
    const notice = JSON.parse(rows[2]!.payload) as Message;
    expect(notice).toMatchObject({
      network_id: 'local',
      target: { kind: 'thread', room_id: 'general', thread_id: 't1' },
      from: { type: 'system', id: 'moltnet', network_id: 'local' },
      origin: { network_id: 'local', message_id: notice.id },
    });
    expect(notice.parts[0]!.text).toBe(
      "Held: 2 agent turns without a person. What is written here is kept and wakes nobody. A person's message, or moltnet guard resume thread:t1 lets it go on.",
    );
    expect(lab.events.find(({ payload: text }) => text === rows[2]!.payload)).toMatchObject({ held: true });
    const of = async (settings: typeof HOUR | typeof PAIR) => {
      const other = await openLab(settings);
      await pingPong(other, 'room:general', 5);
      const page = await other.store.messagePage('room:general', { limit: 10 });
      return (JSON.parse(page.rows[settings === HOUR ? 3 : 4]!.payload) as Message).parts[0]!.text;
    };
    expect(await of(HOUR)).not.toMatch(/person/);
    expect(await of(PAIR)).toMatch(
      /^Held: 3 turns of a and b in ten minutes\. .* moltnet guard resume room:general lets/,
    );
  });

  it('GUARD-10 is nobody’s: it is redacted by an operator, and nobody can write one', async () => {
    const lab = await openLab({
      settings: { guard: { turns: 1 }, auth_mode: 'bearer' },
      identity: bearer('op', ['admin', 'write', 'observe']),
    });
    await lab.execute('config.apply', {
      request: { network_id: undefined, rooms: undefined, agents: [{ id: 'a', credential_key: 'token:op' }] },
      source: 'api',
    });
    await lab.send('agent:a', 'room:general', '1');
    await lab.send('agent:b', 'room:general', '2');
    const { rows } = await lab.store.messagePage('room:general', { limit: 10 });
    const message_id = rows[1]!.id;
    expect(rows[1]!.sender).toBe('molt://local/system/moltnet');
    const own = { ...bearer('own', ['write']), agents: new Set(['moltnet', 'system', 'system:moltnet']) };
    expect(await codeOf(lab.execute('message.redact', { message_id }, own))).toBe('forbidden');
    expect(await codeOf(lab.send('system:moltnet', 'room:general', 'x'))).toBe('unprocessable_entity');
    expect(await lab.execute('message.redact', { message_id })).toEqual({ redacted: true, message_id });
    expect((await lab.message(message_id)).from.type).toBe('system');
  });
});

describe('the intent', () => {
  it('MSG-32 is kept, belongs to what an id stands for, and is one of three', async () => {
    const lab = await openLab();
    for (const intent of ['request', 'inform', 'ack']) {
      const { message_id } = await lab.send('agent:a', 'room:general', {
        id: `m-${intent}`,
        intent: ` ${intent} `,
      });
      expect((await lab.message(message_id)).intent).toBe(intent);
    }
    expect(await codeOf(lab.send('agent:a', 'room:general', { id: 'm-ack', intent: 'ack' }))).toBe(
      'accepted',
    );
    for (const intent of ['inform', ''])
      expect(await codeOf(lab.send('agent:a', 'room:general', { id: 'm-ack', intent }))).toBe(
        'message_id_conflict',
      );
    for (const intent of ['Ack', 'acknowledge', 'x'.repeat(5_000)])
      expect(await codeOf(lab.send('agent:a', 'room:general', { intent }))).toBe('unprocessable_entity');
    const { message_id } = await lab.send('agent:a', 'room:general', { intent: ' ' });
    expect(await lab.message(message_id)).not.toHaveProperty('intent');
  });

  it('GUARD-11 an ack is no turn: it counts nothing, changes no speaker and answers nobody', async () => {
    const lab = await openLab({ settings: { guard: { turns: 2 } } });
    await lab.send('agent:a', 'room:general', '1');
    for (let i = 0; i < 50; i++) await lab.send('agent:b', 'room:general', { intent: 'ack', mentions: [A!] });
    await lab.send('agent:a', 'room:general', 'still one');
    expect((await lab.network.guardState('room:general')).meters).toMatchObject({ turns: 1, hour: 1 });
    expect([...lab.network.topology.pairsOf(A!)]).toEqual([]);
    await lab.send('agent:b', 'room:general', { intent: 'inform' });
    await lab.send('agent:a', 'room:general', { intent: 'request' });
    expect(lab.network.guardStates()).toHaveLength(1);
    // Held, it is kept like the others, and lets nothing go.
    await lab.send('agent:b', 'room:general', { intent: 'ack' });
    expect(lab.events.at(-1)).toMatchObject({ held: true });
    // A person's is a person's message.
    await lab.send('human:ana', 'room:general', { intent: 'ack' });
    expect(lab.network.guardStates()).toEqual([]);
  });
});

it('GUARD-12 the meters of a room are read before anything trips, by its own limits', async () => {
  const lab = await openLab();
  await lab.createRoom({ id: 'calm', guard: { turns: 5, hour_turns: 'off', pair_turns: 7 } });
  const meters = async () => (await lab.network.guardState('room:calm')).meters;
  expect(await meters()).toEqual({ turns: 0, turns_limit: 5, hour: 0, hour_limit: 'off', pair_limit: 7 });
  await pingPong(lab, 'room:calm', 3);
  expect(await meters()).toEqual({
    turns: 3,
    turns_limit: 5,
    hour: 3,
    hour_limit: 'off',
    pair: 2,
    pair_limit: 7,
    pair_agents: [A, B],
  });
  await lab.send('human:ana', 'room:calm', 'hm');
  expect(await meters()).toEqual({ turns: 0, turns_limit: 5, hour: 3, hour_limit: 'off', pair_limit: 7 });
  expect(await codeOf(lab.network.guardState('thread:nowhere'))).toBe('not_found');
});
