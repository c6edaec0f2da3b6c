import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeOf, openLab, type Lab } from '../../test/support/network-lab.ts';
import type { GuardState } from '../protocol/events.ts';
import { limits } from '../protocol/limits.ts';
import type { TurnLimit } from '../protocol/rooms.ts';
import {
  detailOf,
  hearAgent,
  hearPerson,
  holdOf,
  QUIET,
  stillHeld,
  type GuardLimits,
  type GuardMemory,
  type Heard,
} from './guard.ts';
import { HOUR, TEN_MINUTES, turnsIn, withTurn } from './guard-window.ts';

const payload = (lab: Lab, type: string): GuardState =>
  JSON.parse(lab.events.findLast((event) => event.type === type)!.payload);
/** Agents a and b in turns, n messages. */
async function pingPong(lab: Lab, target: string, n: number): Promise<void> {
  for (let i = 0; i < n; i++) await lab.send(i % 2 === 0 ? 'agent:a' : 'agent:b', target, `${i}`);
}

const OFF: GuardLimits = { turns: 'off', hour_turns: 'off', pair_turns: 'off' };
const heard = (speaker: string, now = 0, pairs: Heard['pairs'] = []): Heard => ({ speaker, now, pairs });

describe('the counting', () => {
  const speaker = fc.constantFrom<string | null>('a', 'b', 'c', null);
  const limit = fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant<TurnLimit>('off'));

  it('GUARD-1 is of changes of speaker since a person, and holds at the first that is too many', () => {
    fc.assert(
      fc.property(fc.array(speaker, { maxLength: 40 }), limit, (speakers, max) => {
        let memory: GuardMemory = QUIET;
        speakers.forEach((who, i) => {
          const before = memory;
          const { next, change } =
            who === null ? hearPerson(memory) : hearAgent(memory, heard(who), { ...OFF, turns: max });
          memory = next;
          // The model looks at the whole history instead of remembering.
          const since = speakers.slice(speakers.lastIndexOf(null, i) + 1, i + 1);
          const turns = since.filter((one, at) => one !== since[at - 1]).length;
          const held = who !== null && max !== 'off' && turns > max;
          expect(next.held_by).toBe(held ? `turns ${max}` : null);
          expect(next.turns).toBe(who === null ? 0 : max === 'off' ? turns : Math.min(turns, max));
          expect(change).toBe(held === (before.held_by !== null) ? undefined : held ? 'held' : 'resumed');
        });
      }),
    );
  });

  it('GUARD-1 one agent alone is never held', () => {
    const least: GuardLimits = { turns: 1, hour_turns: 1, pair_turns: 1 };
    let memory: GuardMemory = QUIET;
    for (let i = 0; i < 1_000; i++) memory = hearAgent(memory, heard('a', i), least).next;
    expect(memory).toEqual({ turns: 1, speaker: 'a', window: '0:1', held_by: null });
    expect(hearAgent(QUIET, heard('a'), { ...least, turns: 0 }).next.held_by).toBe(null);
  });

  it('GUARD-8 no hour, wherever it begins, has more turns than the limit, and a person changes nothing of that', () => {
    const minute = 60_000;
    const step = fc.tuple(speaker, fc.integer({ min: 0, max: 20 * minute }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (steps, max) => {
        let memory: GuardMemory = QUIET;
        let now = 1_000_000_000;
        let last: string | null = null;
        const turns: number[] = [];
        for (const [who, wait] of steps) {
          now += wait;
          const before = memory;
          const { next, change } =
            who === null
              ? hearPerson(memory)
              : hearAgent(memory, heard(who, now), { ...OFF, hour_turns: max });
          memory = next;
          if (who === null) {
            last = null;
            expect(change).toBeUndefined();
            expect(next.held_by).toBe(before.held_by);
          } else if (before.held_by === null && who !== last) {
            const hour = (minutes: number) => turns.filter((at) => at > now - minutes * minute).length + 1;
            // Counted by the five minutes: over sixty it is held, within sixty-five it may be.
            if (turns.length > 0 && hour(60) > max) expect(change).toBe('held');
            if (change === 'held') expect(hour(65)).toBeGreaterThan(max);
            else {
              turns.push(now);
              last = who;
            }
          } else expect(change).toBeUndefined();
        }
      }),
    );
  });

  it('GUARD-9 a pair is held at the first turn that is too many in ten minutes', () => {
    const max = { ...OFF, pair_turns: 3 };
    let turns = '';
    for (let i = 0; i < 3; i++) {
      const { pairs, change } = hearAgent(QUIET, heard('a', i * 1_000, [{ pair: 'a b', turns }]), max);
      expect(change).toBeUndefined();
      expect(pairs).toEqual([{ pair: 'a b', speaker: 'a', at: i * 1_000, turns: `0:${i + 1}/${i + 1}` }]);
      turns = pairs[0]!.turns;
    }
    const fourth = (now: number) => hearAgent(QUIET, heard('a', now, [{ pair: 'a b', turns }]), max);
    expect(fourth(10 * 60_000)).toEqual({
      next: { ...QUIET, held_by: 'pair 3 a b' },
      pairs: [],
      change: 'held',
    });
    expect(fourth(11 * 60_000).change).toBeUndefined();
    expect(fourth(11 * 60_000).pairs[0]!.turns).toBe('11:1/4');
  });

  it('GUARD-9 a slow pair is held at four times as many without a person', () => {
    const max = { ...OFF, pair_turns: 3 };
    let turns = '';
    let now = 0;
    for (let i = 0; i < 12; i++) {
      const { pairs, change } = hearAgent(QUIET, heard('a', (now += 600_001), [{ pair: 'a b', turns }]), max);
      expect(change).toBeUndefined();
      turns = pairs[0]!.turns;
    }
    const next = hearAgent(QUIET, heard('a', (now += 600_001), [{ pair: 'a b', turns }]), max);
    expect(next).toEqual({ next: { ...QUIET, held_by: 'pair 12~ a b' }, pairs: [], change: 'held' });
    const hold = holdOf('pair 12~ molt://x/agents/a molt://x/agents/b');
    expect(detailOf(hold)).toBe('12 turns of a and b without a person');
    expect([3, 4].map((pair_turns) => stillHeld(hold, { ...OFF, pair_turns }))).toEqual([true, false]);
    expect(hearAgent(QUIET, heard('a', now, [{ pair: 'a b', turns }]), OFF).change).toBeUndefined();
  });

  it('GUARD-8 a window is the turns of its span by the bucket; a clock that goes back changes none', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 30 }), { maxLength: 60 }), (waits) => {
        let window = '';
        let now = 100 * HOUR.bucket;
        let newest = 0;
        const buckets: number[] = [];
        for (const wait of waits) {
          now += wait * (HOUR.bucket / 2);
          newest = Math.max(newest, Math.floor(now / HOUR.bucket));
          window = withTurn(window, HOUR, now);
          buckets.push(newest);
          const wanted = buckets.filter((bucket) => bucket > newest - HOUR.buckets).length;
          expect(turnsIn(window, HOUR, now)).toBe(wanted);
          expect(window.split(',').length).toBeLessThanOrEqual(HOUR.buckets);
        }
      }),
    );
    expect(turnsIn('', TEN_MINUTES, 5)).toBe(0);
  });
});

/** Of a room with a limit of four turns, when they are used up. */
const METERS = { turns: 4, turns_limit: 4, hour: 4, hour_limit: 120, pair_limit: 60 };
const NO_METERS = { turns: 0, turns_limit: 2, hour: 0, hour_limit: 120, pair_limit: 60 };

describe('a held conversation', () => {
  it('GUARD-2 begins with turn limit + 1: the event first, then the notice and the message, held', async () => {
    const lab = await openLab({ settings: { guard: { turns: 4 } } });
    await pingPong(lab, 'room:general', 4);
    expect(lab.network.guardStates()).toEqual([]);
    // A monologue is one turn.
    await lab.send('agent:b', 'room:general', 'and');
    await lab.send('agent:b', 'room:general', 'another thing');
    const mark = lab.events.length;
    await lab.send('agent:a', 'room:general', 'one too many');
    await lab.send('agent:a', 'room:general', 'and more');
    expect(lab.events.slice(mark).map((event) => [event.type, event.held])).toEqual([
      ['conversation.held', false],
      ['message.created', true],
      ['message.created', true],
      ['message.created', true],
    ]);
    const held = lab.events[mark]!;
    expect(held).toMatchObject({ conversation: 'room:general', room_id: 'general' });
    expect(JSON.parse(held.payload)).toEqual({
      conversation: 'room:general',
      room_id: 'general',
      turns: 4,
      limit: 4,
      held: true,
      held_at: held.created_at,
      reason: 'turns',
      detail: '4 agent turns without a person',
      meters: METERS,
    });
    expect(lab.network.guardStates()).toEqual([
      {
        conversation: 'room:general',
        room_id: 'general',
        turns: 4,
        limit: 4,
        held: true,
        held_at: held.created_at,
        held_messages: 2,
        reason: 'turns',
        detail: '4 agent turns without a person',
        meters: METERS,
      },
    ]);
    expect((await lab.store.conversations(['room:general'])).get('room:general')).toMatchObject({
      held_seq: held.seq,
      held_messages: 2,
    });
    expect(lab.network.topology.conversation('room:general')).toMatchObject({ held_seq: held.seq });
  });

  it('GUARD-3 goes on when a person writes: the event before the message', async () => {
    const lab = await openLab({ settings: { guard: { turns: 2 } } });
    await pingPong(lab, 'dm:@a,b,ana', 5);
    const mark = lab.events.length;
    await lab.send('human:ana', 'dm:@a,b,ana', 'go on');
    await pingPong(lab, 'dm:@a,b,ana', 2);
    expect(lab.events.slice(mark).map((event) => [event.type, event.held])).toEqual([
      ['conversation.resumed', false],
      ['message.created', false],
      ['message.created', false],
      ['message.created', false],
    ]);
    expect(lab.events[mark]).toMatchObject({ participants: ['a', 'ana', 'b'] });
    expect(payload(lab, 'conversation.resumed')).toMatchObject({
      turns: 0,
      limit: 2,
      held: false,
      held_messages: 3,
      resumed_by: 'person',
    });
    expect(lab.network.guardStates()).toEqual([]);
    await lab.send('agent:a', 'dm:@a,b,ana', 'third turn');
    expect(lab.events.at(-1)).toMatchObject({ type: 'message.created', held: true });
  });

  it('GUARD-2 GUARD-3 inside one batch, and equal in memory and on disk', async () => {
    const lab = await openLab({ settings: { guard: { turns: 2 } } });
    const mark = lab.events.length;
    await Promise.all(
      ['agent:a', 'agent:b', 'agent:a', 'agent:b', 'human:ana', 'agent:a', 'agent:b', 'agent:a'].map((as) =>
        lab.send(as, 'room:general', 'x'),
      ),
    );
    const [m, held, resumed] = ['message.created', 'conversation.held', 'conversation.resumed'];
    expect(lab.typesSince(mark)).toEqual([m, m, held, m, m, m, resumed, m, m, m, held, m, m]);
    const row = (await lab.store.conversations(['room:general'])).get('room:general')!;
    expect(row).toMatchObject({
      held_seq: lab.events.at(-3)!.seq,
      held_messages: 1,
      // Two of them are notices.
      message_count: 10,
      last_seq: lab.events.at(-1)!.seq,
    });
    expect(lab.network.topology.conversation('room:general')).toEqual(row);
  });

  it('GUARD-4 goes on when an operator says so; once more changes nothing', async () => {
    const lab = await openLab({ settings: { guard: { turns: 2 } } });
    await pingPong(lab, 'thread:t1@general', 3);
    const resume = () => lab.execute('guard.resume', { conversation: 'thread:t1' });
    expect(await resume()).toEqual({
      conversation: 'thread:t1',
      room_id: 'general',
      turns: 0,
      limit: 2,
      held: false,
      held_messages: 1,
      resumed_by: 'operator',
      meters: NO_METERS,
    });
    expect(payload(lab, 'conversation.resumed')).toMatchObject({
      conversation: 'thread:t1',
      resumed_by: 'operator',
    });
    const row = (await lab.store.conversations(['thread:t1'])).get('thread:t1')!;
    expect(row).toMatchObject({
      held_at: null,
      held_seq: null,
      held_messages: 0,
      guard_turns: 0,
      guard_speaker: null,
    });
    expect(lab.network.topology.conversation('thread:t1')).toEqual(row);
    const mark = lab.events.length;
    expect(await resume()).toEqual({
      conversation: 'thread:t1',
      room_id: 'general',
      turns: 0,
      limit: 2,
      held: false,
      meters: NO_METERS,
    });
    expect(await lab.execute('guard.resume', { conversation: 'room:general' })).toEqual({
      conversation: 'room:general',
      room_id: 'general',
      turns: 0,
      limit: 2,
      held: false,
      meters: NO_METERS,
    });
    expect(lab.events.length).toBe(mark);
    for (const unknown of ['thread:t2', 'dm:d1', 'room:nowhere'] as const) {
      expect(await codeOf(lab.execute('guard.resume', { conversation: unknown }))).toBe('not_found');
    }
    expect(await codeOf(lab.execute('guard.resume', { conversation: 'room:no room' }))).toBe(
      'invalid_target',
    );
  });

  it('GUARD-5 is held by its room’s limit, with its threads; a higher limit or off lets it go on', async () => {
    const lab = await openLab({ settings: { guard: { turns: 2 } } });
    await lab.createRoom({ id: 'calm', guard: { turns: 3 } });
    await lab.createRoom({ id: 'wild', guard: { turns: 'off' } });
    await pingPong(lab, 'room:wild', 40);
    await pingPong(lab, 'room:calm', 3);
    await pingPong(lab, 'thread:t1@calm', 3);
    expect(lab.network.guardStates()).toEqual([]);
    await lab.send('agent:b', 'room:calm', 'too many');
    await lab.send('agent:b', 'thread:t1', 'too many');
    expect(lab.network.guardStates().map((state) => [state.conversation, state.limit])).toEqual([
      ['room:calm', 3],
      ['thread:t1', 3],
    ]);
    const patch = (turns: number | 'off') =>
      lab.execute('room.update', { room_id: 'calm', request: { guard: { turns } } });
    let mark = lab.events.length;
    await patch(1);
    expect(lab.typesSince(mark)).toEqual(['room.updated']);
    expect(lab.network.guardStates()).toHaveLength(2);
    mark = lab.events.length;
    await patch(4);
    expect(lab.typesSince(mark)).toEqual(['room.updated', 'conversation.resumed', 'conversation.resumed']);
    expect(payload(lab, 'conversation.resumed')).toMatchObject({
      conversation: 'thread:t1',
      limit: 4,
      resumed_by: 'settings',
      held_messages: 1,
    });
    await pingPong(lab, 'room:calm', 5);
    expect(lab.network.guardStates()).toHaveLength(1);
    await patch('off');
    expect(lab.network.guardStates()).toEqual([]);
  });

  it('GUARD-5 of a room that comes back is held by the limit that it has now', async () => {
    const lab = await openLab();
    for (const [id, turns, held] of [
      ['off', 'off', false],
      ['higher', 5, false],
      ['same', 1, true],
    ] as const) {
      await lab.createRoom({ id, guard: { turns: 1 } });
      await lab.send('agent:alpha', `room:${id}`, 'one');
      await lab.send('agent:beta', `room:${id}`, 'two');
      await lab.execute('room.remove', { room_id: id });
      const mark = lab.events.length;
      await lab.createRoom({ id, guard: { turns } });
      expect(lab.typesSince(mark)).toEqual(['room.created', ...(held ? [] : ['conversation.resumed'])]);
      expect(lab.network.isHeld(`room:${id}`)).toBe(held);
    }
  });

  it('GUARD-6 stays held over a restart, until the default limit is raised', async () => {
    const lab = await openLab({ settings: { guard: { turns: 2 } } });
    await pingPong(lab, 'room:general', 4);
    const states = lab.network.guardStates();
    await lab.network.close();
    const same = await openLab({ store: lab.store, settings: { guard: { turns: 2 } } });
    expect(same.network.guardStates()).toEqual(states);
    await same.send('agent:a', 'room:general', 'still held');
    expect(same.events.at(-1)).toMatchObject({ held: true });
    await same.network.close();
    const raised = await openLab({ store: lab.store });
    expect(raised.typesSince(0)).toEqual(['conversation.resumed']);
    expect(payload(raised, 'conversation.resumed')).toMatchObject({
      limit: limits.guard_turns.value,
      held_messages: 3,
      resumed_by: 'settings',
    });
    expect(raised.network.guardStates()).toEqual([]);
  });

  it('GUARD-7 of a removed room is not shown', async () => {
    const lab = await openLab({ settings: { guard: { turns: 1 } } });
    await pingPong(lab, 'thread:t1@general', 3);
    expect(lab.network.guardStates()).toHaveLength(1);
    await lab.execute('room.remove', { room_id: 'general' });
    expect(lab.network.guardStates()).toEqual([]);
    expect(await codeOf(lab.execute('guard.resume', { conversation: 'thread:t1' }))).toBe('not_found');
  });
});
