/** Storms, as agents make them that are woken by everything and answer every time: what is held, and what goes on when. */
import { describe, expect, it } from 'vitest';
import { openLab, sendRequest, type Lab, type LabOptions } from '../../test/support/network-lab.ts';
import type { Message } from '../protocol/messages.ts';
import type { DeliveryWrite, WakeRow } from '../store/delivery-rows.ts';
import { pairingIdentity, server } from './identity.ts';

const MINUTE = 60_000;
const START = Date.UTC(2026, 10, 21);

/** A lab with a clock of its own: `wait` moves it. */
async function stormLab(options: LabOptions = {}): Promise<Lab & { wait: (ms: number) => void }> {
  let now = START;
  const lab = await openLab({ clock: () => now, ...options });
  return Object.assign(lab, { wait: (ms: number) => void (now += ms) });
}

const agents = (n: number): string[] => Array.from({ length: n }, (_, i) => `agent:a${i}`);
/** What agents wrote and would be woken by. */
const freed = (lab: Lab): number =>
  lab.events.filter(({ type, held, payload }) => type === 'message.created' && !held && isAgent(payload))
    .length;
const isAgent = (payload: string): boolean => (JSON.parse(payload) as Message).from.type === 'agent';
const stored = async (lab: Lab, key: `room:${string}`): Promise<number> =>
  (await lab.store.conversations([key])).get(key)!.message_count;

describe.each([2, 3, 5])('%i agents with wake all in rotation', (n) => {
  it('GUARD-2 fast: thirty turns, and then nothing more until a person writes', async () => {
    const lab = await stormLab();
    for (let i = 0; i < 300; i++) {
      await lab.send(agents(n)[i % n]!, 'room:general', `${i}`);
      lab.wait(200);
    }
    expect(freed(lab)).toBe(30);
    // All of it is stored, and one notice.
    expect(await stored(lab, 'room:general')).toBe(301);
    await lab.send('human:ana', 'room:general', 'go on');
    for (let i = 0; i < 300; i++) await lab.send(agents(n)[i % n]!, 'room:general', `${i}`);
    expect(freed(lab)).toBe(60);
    expect(lab.network.guardStates()).toMatchObject([{ reason: 'turns', held_messages: 270 }]);
  });

  it('GUARD-8 slow, a turn a minute for a day with a person every quarter of an hour: the hour holds no more than its budget', async () => {
    const lab = await stormLab({ settings: { guard: { hour_turns: 40, pair_turns: 'off' } } });
    let resumes = 0;
    const turns: number[] = [];
    for (let minute = 0; minute < 24 * 60; minute++) {
      if (minute % 15 === 0) await lab.send('human:ana', 'room:general', 'hm');
      const before = freed(lab);
      await lab.send(agents(n)[minute % n]!, 'room:general', `${minute}`);
      if (freed(lab) > before) turns.push(minute);
      if (lab.network.isHeld('room:general') && minute % 120 === 119) {
        await lab.execute('guard.resume', { conversation: 'room:general' });
        resumes++;
      }
      lab.wait(MINUTE);
    }
    // Every two hours it is let go, and gets forty turns; a person's message changes nothing of that.
    expect(resumes).toBe(12);
    expect(turns).toHaveLength(12 * 40);
    for (const from of turns)
      expect(turns.filter((at) => at >= from && at < from + 60).length).toBeLessThanOrEqual(80);
    const reasons = lab.events
      .filter(({ type }) => type === 'conversation.held')
      .map(({ payload }) => (JSON.parse(payload) as { reason: string }).reason);
    expect(new Set(reasons)).toEqual(new Set(['hour']));
  });

  it('GUARD-8 slow, without a person: the turns hold it, whatever the time between them', async () => {
    const lab = await stormLab();
    for (let i = 0; i < 100; i++) {
      await lab.send(agents(n)[i % n]!, 'room:general', `${i}`);
      lab.wait(20 * MINUTE);
    }
    expect(freed(lab)).toBe(30);
  });

  it.each(['thread', 'dm', 'rooms'])(
    'GUARD-9 in a new %s for every message, or each in its own: sixty turns of a pair, and nobody is woken any more',
    async (where) => {
      const lab = await stormLab();
      for (let i = 0; i < n; i++) {
        await lab.register(`a${i}`);
        await lab.createRoom({ id: `own${i}`, visibility: 'public', write_policy: 'registered_agents' });
      }
      const say = (i: number) => {
        const [one, other] = [i % n, (i + 1) % n];
        const target = {
          thread: `thread:t${i}@general`,
          dm: `dm:d${i}@a${one},a${other}`,
          rooms: `room:own${one}`,
        };
        return lab.send(
          agents(n)[one]!,
          target[where as 'dm'],
          where === 'dm' ? 'go on' : `@a${other} go on`,
        );
      };
      // Each speaks when it is woken by the one before, and never without.
      let spoken = 0;
      while (spoken < 1_000 && freed(lab) === spoken) {
        await say(spoken++);
        lab.wait(500);
      }
      expect(freed(lab)).toBe(60 * n - (n === 2 ? 60 : 0));
      expect(lab.network.guardStates()).toMatchObject([
        { reason: 'pair', held_messages: 1, meters: { pair: 60, pair_limit: 60 } },
      ]);
      // The same one gets no further anywhere, until their ten minutes are over.
      const before = freed(lab);
      await say(spoken - 1 + 1_000 * n);
      expect(freed(lab)).toBe(before);
      lab.wait(11 * MINUTE);
      // Where it is held it stays so; a new place is free.
      if (where === 'rooms')
        await lab.execute('guard.resume', { conversation: `room:own${(spoken - 1) % n}` });
      await say(spoken - 1 + 2_000 * n);
      expect(freed(lab)).toBe(before + 1);
    },
  );
});

/** A wake as its node has it stored before a turn. */
const wakeOf = (agent_id: string, conversation: string): WakeRow => ({
  wake_id: `${agent_id}/w`,
  agent_id,
  conversation: conversation as 'room:r',
  after_seq: 0,
  last_seq: 1,
  attempt: 1,
  state: 'open',
  error: null,
  opened_at: '',
  closed_at: null,
  opened_seq: 1,
  outcome: null,
  answer_id: null,
  classification: null,
  passed: null,
});
const CROWD = Array.from({ length: 10 }, (_, i) => `c${i}`);

/** Where the i-th of those that answer each other says it, naming nobody. */
const ELSEWHERE: Record<string, (i: number) => string> = {
  'a new thread': (i) => `thread:t${i}@own0`,
  'a thread that the one begins and the other answers in': (i) => `thread:t${i >> 1}@own0`,
  'a room of its own': (i) => `room:own${i % 2}`,
  'a new DM with many': (i) => `dm:d${i}@${CROWD.join(',')},z0,z1`,
};
describe.each(Object.keys(ELSEWHERE))(
  'two that are woken by all, and each say it in %s without a name',
  (where) => {
    /** Each speaks in the turn that the one before it woke, and never without; up to so many. */
    async function storm(gap: number, person?: (lab: Lab, spoken: number) => Promise<unknown>) {
      const lab = await stormLab();
      for (const id of [...CROWD, 'z0', 'z1']) await lab.register(id);
      for (const id of ['own0', 'own1'])
        await lab.createRoom({ id, visibility: 'public', write_policy: 'registered_agents' });
      let woke: string | undefined;
      let spoken = 0;
      while (spoken < 400 && freed(lab) === spoken) {
        const [one, target] = [`z${spoken % 2}`, ELSEWHERE[where]!(spoken++)];
        const save = (writes: DeliveryWrite[]) => lab.execute('delivery.save', { writes }, server);
        if (woke) await save([{ op: 'wake.open', row: wakeOf(one, woke) }]);
        await lab.send(`agent:${one}`, target, 'and on');
        const ended = { state: 'done', error: null, closed_at: '' } as const;
        if (woke) await save([{ op: 'wake.close', wake_id: `${one}/w`, ...ended }]);
        woke = target.split('@')[0]!;
        await person?.(lab, spoken);
        lab.wait(gap);
      }
      return { lab, spoken };
    }

    it('GUARD-9 fast: sixty turns', async () => {
      const { lab } = await storm(200);
      // The first answers nobody.
      expect(freed(lab)).toBe(61);
      expect(lab.network.guardStates()).toMatchObject([
        { reason: 'pair', detail: '60 turns of z0 and z1 in ten minutes' },
      ]);
    });

    it('GUARD-9 GUARD-12 slow, a turn a minute: four times as many without a person, which the meters tell, and as many again after a resume', async () => {
      let meters: unknown;
      const { lab } = await storm(MINUTE, async (at, spoken) => {
        const place = ELSEWHERE[where]!(spoken - 1).split('@')[0] as 'room:r';
        if (spoken === 200) ({ meters } = await at.network.guardState(place));
      });
      expect(meters).toMatchObject({ pair: 199, pair_limit: 240, pair_without_person: true });
      expect(freed(lab)).toBe(241);
      const [state] = lab.network.guardStates();
      expect(state).toMatchObject({
        reason: 'pair',
        detail: '240 turns of z0 and z1 without a person',
        meters: { pair: 240, pair_limit: 240, pair_without_person: true },
      });
      await lab.execute('guard.resume', { conversation: state!.conversation as 'room:r' });
      expect(lab.network.guardStates()).toEqual([]);
      await lab.send('agent:z0', 'dm:more@z0,z1', 'again');
      expect(lab.network.guardStates()).toEqual([]);
    });
  },
);

it('GUARD-9 one of a paired network, whose turns run there, is answered in another room', async () => {
  const pairing = { id: 'net_b', network: 'net_b', bound: true };
  const lab = await stormLab({ settings: { pairings: new Map([['net_b', pairing]]) } });
  for (const id of ['in', 'out'])
    await lab.createRoom({
      id,
      federation: ['net_b'],
      visibility: 'public',
      write_policy: 'registered_agents',
    });
  await lab.register('z0');
  let spoken = 0;
  for (; spoken < 400 && lab.network.guardStates().length === 0; spoken++) {
    const request = sendRequest('agent:b', 'room:in', {
      id: `b${spoken}`,
      origin: { network_id: 'net_b', message_id: `b${spoken}` },
      from: { type: 'agent', id: 'b', network_id: 'net_b' },
    });
    await lab.execute('message.send', { request }, pairingIdentity('hash', pairing));
    lab.wait(MINUTE);
    await lab.execute(
      'delivery.save',
      { writes: [{ op: 'wake.open', row: wakeOf('z0', 'room:in') }] },
      server,
    );
    await lab.send('agent:z0', 'room:out', 'and on');
    lab.wait(MINUTE);
  }
  expect(spoken).toBe(241);
  expect(lab.network.guardStates()).toMatchObject([{ conversation: 'room:out', reason: 'pair' }]);
});

it('GUARD-9 a turn that a person woke, and that hangs, lets a slow storm elsewhere not go on', async () => {
  const lab = await stormLab();
  for (const id of ['z0', 'z1']) await lab.register(id);
  for (const id of ['own0', 'own1', 'ask']) await lab.createRoom({ id, visibility: 'public' });
  const open = (row: WakeRow) => lab.execute('delivery.save', { writes: [{ op: 'wake.open', row }] }, server);
  await lab.send('human:ana', 'room:ask', 'look into it');
  await open({ ...wakeOf('z0', 'room:ask'), wake_id: 'z0/hangs' });
  let spoken = 0;
  for (; spoken < 400 && lab.network.guardStates().length === 0; spoken++) {
    if (spoken > 0) await open(wakeOf(`z${spoken % 2}`, `room:own${(spoken + 1) % 2}`));
    await lab.send(`agent:z${spoken % 2}`, `room:own${spoken % 2}`, 'and on');
    lab.wait(MINUTE);
  }
  expect(spoken).toBe(242);
});

describe('what is no storm', () => {
  it('GUARD-9 two that a person speaks with where they are at it, however long', async () => {
    const lab = await stormLab();
    for (let i = 0; i < 300; i++) {
      if (i % 20 === 0) await lab.send('human:ana', 'room:general', 'go on');
      await lab.send(agents(2)[i % 2]!, 'room:general', 'yes');
      lab.wait(MINUTE);
    }
    expect(lab.network.guardStates()).toEqual([]);
  });

  it('GUARD-9 one that reports elsewhere what it is woken by, and that nobody answers', async () => {
    const lab = await stormLab();
    await lab.register('beta');
    for (const id of ['in', 'out']) await lab.createRoom({ id, visibility: 'public' });
    for (let i = 0; i < 300; i++) {
      await lab.send('agent:feed', 'room:in', `${i}`);
      await lab.execute(
        'delivery.save',
        { writes: [{ op: 'wake.open', row: wakeOf('beta', 'room:in') }] },
        server,
      );
      await lab.send('agent:beta', 'room:out', `${i}`);
      lab.wait(MINUTE);
    }
    expect(lab.network.guardStates()).toEqual([]);
  });

  it('GUARD-1 a monologue of hundreds is one turn, in rooms, in threads and to one agent', async () => {
    const lab = await stormLab();
    await lab.register('beta');
    for (let i = 0; i < 300; i++) {
      await lab.send('agent:alpha', 'room:general', '@beta and another thing');
      await lab.send('agent:alpha', `thread:t${i}@general`, '@beta look at this');
    }
    expect(lab.network.guardStates()).toEqual([]);
    expect((await lab.network.guardState('room:general')).meters).toEqual({
      turns: 1,
      turns_limit: 30,
      hour: 1,
      hour_limit: 120,
      pair: 1,
      pair_limit: 60,
      pair_agents: ['molt://local/agents/alpha', 'molt://local/agents/beta'],
    });
  });

  it('GUARD-3 agents that a person speaks with are not held, as long as the hour lasts', async () => {
    const lab = await stormLab();
    for (let i = 0; i < 60; i++) {
      await lab.send('human:ana', 'room:general', `${i}?`);
      await lab.send('agent:a', 'room:general', 'yes');
      await lab.send('agent:b', 'room:general', 'no');
      lab.wait(2 * MINUTE);
    }
    expect(lab.network.guardStates()).toEqual([]);
  });
});
