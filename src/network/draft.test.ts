import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  codeOf,
  countingRandom,
  openLab,
  sendRequest,
  settingsOf,
  text,
  type Lab,
} from '../../test/support/network-lab.ts';
import { limits } from '../protocol/limits.ts';
import { ApplyConfigRequest } from '../protocol/network.ts';
import { MoltnetError } from '../protocol/errors.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import { CreateRoomRequest, type GuardSettings } from '../protocol/rooms.ts';
import { ConstraintError, StateMovedError, StorageError } from '../store/errors.ts';
import type { Store } from '../store/store.ts';
import type { Writes } from '../store/writes.ts';
import { anyone } from './identity.ts';
import type { Command, CommandKind, CommandTypes } from './commands.ts';
import { BatchRules } from './draft.ts';
import type { Topology } from './topology.ts';

type Step = { [K in CommandKind]: [K, CommandTypes[K][0]] }[CommandKind];

const agent = fc.constantFrom('alpha', 'beta', 'gamma', 'net_b:delta');
const room = fc.constantFrom('general', 'ops', 'dev');
const id = fc.constantFrom('m1', 'm2', 'm3', undefined);
const guard = fc.constantFrom<GuardSettings | undefined>(
  { turns: 1 },
  { turns: 3, hour_turns: 2 },
  { turns: 'off', pair_turns: 1 },
  { hour_turns: 'off', pair_turns: 'off' },
  undefined,
);
const target = fc.oneof(
  room.map((one) => `room:${one}`),
  fc.tuple(fc.constantFrom('t1', 't2'), room).map(([thread, one]) => `thread:${thread}@${one}`),
  fc.constantFrom(
    'thread:t1',
    'dm:d1',
    'dm:d1@alpha,beta',
    'dm:d1@alpha,beta,gamma',
    'dm:@alpha,beta',
    'dm:@alpha,ana',
  ),
);
const body = fc.constantFrom('hi', '@alpha @beta', 'a\u0000b');
const sendStep = fc
  .tuple(
    fc.oneof(
      agent.map((one) => `agent:${one}`),
      fc.constant('human:ana'),
    ),
    target,
    id,
    body,
    fc.constantFrom('ack', undefined, undefined),
  )
  .map(([as, to, given, words, intent]): Step => [
    'message.send',
    { request: sendRequest(as, to, { id: given, parts: text(words), intent }) },
  ]);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: sendStep },
  {
    weight: 1,
    arbitrary: fc.constantFrom('m1', 'm2').map((message_id): Step => ['message.redact', { message_id }]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(room, fc.array(agent, { maxLength: 3 }), guard)
      .map(([one, members, settings]): Step => [
        'room.create',
        { request: CreateRoomRequest.parse({ id: one, members, guard: settings }) },
      ]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(room, guard)
      .map(([room_id, settings]): Step => ['room.update', { room_id, request: { guard: settings } }]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(room, fc.array(agent), fc.array(agent))
      .map(([room_id, add, remove]): Step => ['room.members', { room_id, request: { add, remove } }]),
  },
  { weight: 1, arbitrary: room.map((room_id): Step => ['room.remove', { room_id }]) },
  {
    weight: 2,
    // By attaching an agent lets the others go first (STO-72): that is another order.
    arbitrary: fc
      .tuple(agent, fc.constantFrom('Name', undefined))
      .map(([requested_id, name]): Step => [
        'agent.register',
        { requested_id, via: 'http', ...(name && { name }) },
      ]),
  },
  { weight: 1, arbitrary: agent.map((agent_id): Step => ['agent.remove', { agent_id }]) },
  { weight: 1, arbitrary: agent.map((agent_id): Step => ['agent.invite', { agent_id }]) },
  { weight: 1, arbitrary: agent.map((agent_id): Step => ['agent.rotate', { agent_id }]) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(agent, fc.constantFrom('agent-token:1', 'agent-token:2', 'token:ci'))
      .map(([one, credential_key]): Step => [
        'config.apply',
        { source: 'api', request: ApplyConfigRequest.parse({ agents: [{ id: one, credential_key }] }) },
      ]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(room, fc.constantFrom('public', 'sometimes'), fc.constantFrom(1, 3), fc.boolean())
      .map(([one, visibility, turns, direct_messages]): Step => [
        'config.apply',
        {
          source: 'reload',
          request: ApplyConfigRequest.parse({ rooms: [{ id: one, visibility, credential: 'secret' }] }),
          settings: settingsOf({ guard: { turns }, direct_messages }),
        },
      ]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom<PauseScope>('*', 'agent:alpha', 'room:ops'),
        fc.boolean(),
        fc.constantFrom('2026-01-02T00:00:00Z', undefined),
      )
      .map(([scope, paused, until]): Step => ['pause.set', { scope, paused, ...(until && { until }) }]),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('room:general', 'thread:t1', 'dm:d1')
      .map((conversation): Step => ['guard.resume', { conversation: conversation as `room:${string}` }]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(room, fc.array(agent, { maxLength: 2 }), guard)
      .map(([one, members, settings]): Step => [
        'config.apply',
        {
          source: 'api',
          request: {
            network_id: undefined,
            agents: [{ id: 'alpha' }],
            rooms: [CreateRoomRequest.parse({ id: one, members, guard: settings })],
          },
        },
      ]),
  },
);

const outcome = (promise: Promise<unknown>) =>
  promise.catch((error: unknown) =>
    error instanceof MoltnetError ? `refused: ${error.code}` : Promise.reject(error),
  );

/** Everything that can be seen of it. */
function dump(topology: Topology): unknown {
  return {
    rooms: ['general', 'ops', 'dev'].map((one) => {
      const state = topology.roomRecord(one);
      return (
        state && {
          row: state.row,
          guard: state.guard,
          members: [...state.members].sort(),
          shares: [...state.shares].sort(),
          remote: [...state.remoteMembers].map(([name, ids]) => [name, ids.toSorted()]).sort(),
        }
      );
    }),
    ids: topology.roomIds(),
    agents: ['alpha', 'beta', 'gamma', 'net_b:delta'].map((one) => [
      topology.agentRecord(one),
      [...topology.roomsOf(one)].sort(),
    ]),
    agentIds: topology.agentIds(),
    invites: ['alpha', 'beta', 'gamma'].map((one) => topology.inviteOf(one)),
    tokens: ['alpha', 'beta', 'gamma'].map((one) => {
      const key = topology.agentRecord(one)?.credential_key ?? '';
      return [topology.agentByCredential(key)?.id, topology.removedByCredential(key)?.id];
    }),
    counts: [topology.roomCount, topology.agentCount],
    held: [...topology.held()].sort((a, b) => (a.key < b.key ? -1 : 1)),
    pairs: ['local/agents/alpha', 'local/agents/beta', 'local/agents/gamma', 'net_b/agents/delta'].map(
      (one) => [...topology.pairsOf(`molt://${one}`)].sort((a, b) => (a.pair < b.pair ? -1 : 1)),
    ),
    pauses: topology.pauses(),
    pairings: [...topology.pairings()],
    pairing_invites: [...topology.pairingInvites()],
  };
}
async function everything(lab: Lab): Promise<unknown> {
  const keys = ['room:general', 'room:ops', 'room:dev', 'thread:t1', 'thread:t2', 'dm:d1'] as const;
  return {
    log: await lab.store.events({ all: true }, 0, 500),
    messages: [...(await lab.store.messages(['m1', 'm2', 'm3'])).values()],
    conversations: [...(await lab.store.conversations(keys)).values()].sort((a, b) =>
      a.key < b.key ? -1 : 1,
    ),
    topology: dump(lab.network.topology),
  };
}

describe('a batch', () => {
  it('MSG-20 of N commands is the same as N batches of one, refusals included; and memory is what is on disk', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const limited = { turns: 4, hour_turns: 5, pair_turns: 3 };
        const options = { clock: () => Date.UTC(2026, 0, 1), settings: { guard: limited } };
        const together = await openLab({ ...options, random: countingRandom() });
        const apart = await openLab({ ...options, random: countingRandom() });
        const run = (lab: Lab, [kind, args]: Step) =>
          outcome(lab.network.execute(kind, args as never, anyone));
        const answers = await Promise.all(steps.map((one) => run(together, one)));
        const expected: unknown[] = [];
        for (const one of steps) expected.push(await run(apart, one));
        expect(answers).toEqual(expected);
        expect(await everything(together)).toEqual(await everything(apart));
        expect(together.events).toEqual(apart.events);
        expect(together.network.settings).toEqual(apart.network.settings);

        await together.network.close();
        const { settings } = together.network;
        const reopened = await openLab({ ...options, settings, store: together.store });
        expect(reopened.events).toEqual([]);
        expect(dump(reopened.network.topology)).toEqual(dump(together.network.topology));
        const loaded = [
          ...(await together.store.conversations(['room:general', 'dm:d1', 'thread:t1'])).values(),
        ];
        for (const row of loaded) expect(together.network.topology.conversation(row.key)).toEqual(row);
        await Promise.all([together.close(), apart.close(), reopened.close()]);
      }),
      { numRuns: 150 },
    );
  }, 120_000);

  it('MSG-20 STO-41 the same of batches that are decided over each other, whatever becomes of each', async () => {
    let stacked = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 70 }),
        fc.array(fc.constantFrom(...FATES), { maxLength: 8 }),
        async (steps, fates) => {
          const limited = { turns: 4, hour_turns: 5, pair_turns: 3 };
          const options = { clock: () => Date.UTC(2026, 0, 1), settings: { guard: limited } };
          const random = countingRandom();
          const real = await openLab({ ...options, random });
          await real.network.close();
          const unsure = unsureStore(real.store, fates);
          const together = await openLab({ ...options, random, store: unsure.store });
          unsure.begin();
          const mark = together.events.length;
          const answers = await Promise.all(
            steps.map(([kind, args]) => outcome(together.network.execute(kind, args as never, anyone))),
          );
          stacked += unsure.stacked;

          // One by one, without those that the storage refused.
          const apart = await openLab({ ...options, random: countingRandom() });
          const begin = apart.events.length;
          const expected: unknown[] = [];
          for (const [i, [kind, args]] of steps.entries())
            expected.push(
              REFUSED_BY_STORAGE.has(answers[i])
                ? answers[i]
                : await outcome(apart.network.execute(kind, args as never, anyone)),
            );
          const seen = async (lab: Lab, given: unknown[], from: number) =>
            withoutChance([given, await everything(lab), lab.events.slice(from), lab.network.settings.guard]);
          expect(await seen(together, answers, mark)).toEqual(await seen(apart, expected, begin));
          const reopened = await openLab({
            ...options,
            settings: together.network.settings,
            store: together.store,
          });
          expect(dump(reopened.network.topology)).toEqual(dump(together.network.topology));
          await Promise.all([reopened.close(), together.close(), apart.close()]);
        },
      ),
      { numRuns: 60 },
    );
    expect(stacked).toBeGreaterThan(20);
  }, 120_000);

  it('MSG-21 MSG-22 what is decided over a batch shows nothing before that one, and falls with it', async () => {
    const real = await openLab();
    await real.network.close();
    const commits: PromiseWithResolvers<void>[] = [];
    const handed = Promise.withResolvers<void>();
    let opened = false;
    const store = over(real.store, {
      commit: async (writes, run) => {
        if (!opened) return real.store.commit(writes, run);
        const turn = Promise.withResolvers<void>();
        if (commits.push(turn) === 2) handed.resolve();
        await turn.promise;
        return real.store.commit(writes, run);
      },
    });
    const lab = await openLab({ store });
    opened = true;
    const { topology } = lab.network;
    const mark = lab.events.length;
    // One batch, and while it is written another one that needs it.
    const first = Promise.all([
      codeOf(lab.createRoom({ id: 'ops', members: [] })),
      codeOf(lab.register('a')),
    ]);
    await new Promise<void>((resolve) => void setImmediate(resolve));
    const second = Array.from({ length: 16 }, (_, i) =>
      codeOf(lab.send('agent:a', 'room:ops', { id: `m${i}`, parts: text('hi') })),
    );
    await handed.promise;
    expect([topology.room('ops'), topology.agent('a'), lab.events.length]).toEqual([
      undefined,
      undefined,
      mark,
    ]);
    commits[0]!.reject(new StorageError('disk full'));
    commits[1]!.reject(new StateMovedError('the one before it has failed'));
    expect(await first).toEqual(['storage_unavailable', 'storage_unavailable']);
    // Decided again, and now there is no such room.
    expect(await Promise.all(second)).toEqual(Array(16).fill('not_found'));
    expect([topology.room('ops'), lab.events.length, real.store.head]).toEqual([undefined, mark, 1]);
    expect(commits).toHaveLength(2);
  });

  it('MSG-20 what a batch that is on disk has changed is counted once, and found once, by those over it', async () => {
    const lab = await openLab();
    await lab.send('agent:a', 'room:general', { id: 'm1', parts: text('secret') });
    await lab.network.close();
    const { topology } = lab.network;
    const rules = new BatchRules(lab.store, topology, countingRandom());
    const command = <K extends CommandKind>(kind: K, args: CommandTypes[K][0]) =>
      ({ ...args, kind, identity: anyone, at: '2026-01-01T00:00:00.000Z' }) as unknown as Command;
    type Drafted = Awaited<ReturnType<typeof rules.draft>>;
    const decided = async (commands: Command[], over: Drafted | undefined) => {
      const draft = await rules.draft(commands, over);
      const writes: Writes[] = [];
      for (const each of commands) {
        const decision = draft.decide(each);
        if (!('refusal' in decision) && decision.writes.events.length > 0) writes.push(decision.writes);
      }
      return { draft, writes };
    };
    const again = command('message.redact', { message_id: 'm1' });
    const create = command('room.create', { request: CreateRoomRequest.parse({ id: 'ops' }) });
    const first = await decided([create, command('message.redact', { message_id: 'm1' })], undefined);
    // It has loaded the message as it was before the first is on disk.
    const second = await decided([again], first.draft);
    expect([first.writes.length, second.writes.length]).toEqual([2, 0]);
    expect([topology.roomCount, second.draft.state.roomCount]).toEqual([1, 2]);
    first.draft.committed(await lab.store.commit(first.writes));
    const third = await decided([again], second.draft);
    expect([topology.roomCount, second.draft.state.roomCount, third.draft.state.roomCount]).toEqual([
      2, 2, 2,
    ]);
    expect(third.draft.state.message('m1')?.payload).not.toContain('secret');
    expect(third.writes).toEqual([]);
  });

  it('MSG-21 shows nothing to anyone before it is on disk, and tells the readers before it answers', async () => {
    const real = await openLab();
    await real.network.close();
    let gate = Promise.resolve();
    const reached = Promise.withResolvers<void>();
    const store = over(real.store, {
      commit: async (writes) => {
        reached.resolve();
        await gate;
        return real.store.commit(writes);
      },
    });
    const lab = await openLab({ store });
    const mark = lab.events.length;
    const open = Promise.withResolvers<void>();
    gate = open.promise;
    let toldWhenAnswered: number | undefined;
    const noteTold = () => {
      toldWhenAnswered = lab.events.length - mark;
    };
    const both = Promise.all([
      lab.createRoom({ id: 'ops', members: ['alpha'] }),
      lab.send('human:ana', 'room:ops', 'hi'),
    ]).then(noteTold);
    await reached.promise;
    await new Promise<void>((resolve) => void setImmediate(resolve));
    const { topology } = lab.network;
    expect([toldWhenAnswered, topology.room('ops'), topology.agentIds(), lab.events.length]).toEqual([
      undefined,
      undefined,
      [],
      mark,
    ]);
    open.resolve();
    await both;
    expect(toldWhenAnswered).toBe(2);
    expect(topology.isMember('ops', 'alpha')).toBe(true);
  });

  it('MSG-22 that storage refuses leaves no trace, and what comes after is decided as if it had not been', async () => {
    const real = await openLab();
    let broken: Error | undefined;
    const store = over(real.store, {
      commit: (writes) => (broken ? Promise.reject(broken) : real.store.commit(writes)),
    });
    await real.network.close();
    const lab = await openLab({ store });
    const before = await everything(lab);
    for (const [error, code] of [
      [new StorageError('disk full'), 'storage_unavailable'],
      [new ConstraintError('taken'), 'conflict'],
    ] as const) {
      broken = error;
      const codes = await Promise.all([
        codeOf(lab.createRoom({ id: 'ops', members: ['alpha'] })),
        codeOf(lab.send('agent:alpha', 'room:general', { id: 'm1' })),
        codeOf(lab.send('agent:alpha', 'dm:d1@alpha,beta', 'hi')),
        codeOf(lab.register('alpha')),
      ]);
      expect(codes).toEqual(Array(4).fill(code));
      expect(await everything(lab)).toEqual(before);
    }
    broken = undefined;
    expect(await lab.send('agent:alpha', 'dm:d1@alpha,gamma', 'hi')).toMatchObject({ dm_created: true });
    expect(await lab.register('alpha')).toMatchObject({ created: true });
  });

  it('MSG-20 counts rooms and agents within the batch', async () => {
    const lab = await openLab({
      rooms: Array.from({ length: limits.rooms.value - 1 }, (_, i) => ({ id: `r${i}`, members: [] })),
    });
    const create = (id: string) => codeOf(lab.createRoom({ id }));
    expect(await Promise.all([create('a'), create('b')])).toEqual(['accepted', 'too_many_rooms']);
    const remove = codeOf(lab.execute('room.remove', { room_id: 'r0' }));
    const patch = codeOf(lab.execute('room.update', { room_id: 'r1', request: { name: 'x' } }));
    expect(await Promise.all([remove, patch, create('r0'), create('b')])).toEqual([
      'accepted',
      'accepted',
      'accepted',
      'too_many_rooms',
    ]);

    const agents = Array.from({ length: limits.agents.value - 1 }, (_, i) => ({ id: `a${i}` }));
    await lab.execute('config.apply', { request: ApplyConfigRequest.parse({ agents }), source: 'startup' });
    const register = (id: string, name?: string) => codeOf(lab.register(id, name));
    expect(await Promise.all([register('a0', 'renamed'), register('x'), register('y')])).toEqual([
      'accepted',
      'accepted',
      'too_many_agents',
    ]);
    const gone = codeOf(lab.execute('agent.remove', { agent_id: 'a0' }));
    expect(await Promise.all([gone, register('a1', 'renamed'), register('a0'), register('y')])).toEqual([
      'accepted',
      'accepted',
      'accepted',
      'too_many_agents',
    ]);
  });

  it('MSG-23 after close: refused, and what was accepted before is answered', async () => {
    const lab = await openLab();
    const sent = lab.send('agent:alpha', 'room:general', 'hi');
    const closed = lab.network.close();
    expect(await codeOf(lab.send('agent:alpha', 'room:general', 'hi'))).toBe('stopping');
    expect((await sent).accepted).toBe(true);
    await Promise.all([closed, lab.network.close()]);
  });
});

/** The store, with some of its verbs replaced. */
function over(store: Store, verbs: Partial<Store>): Store {
  return new Proxy(store, {
    get: (there, name) => {
      const value: unknown = name in verbs ? verbs[name as keyof Store] : Reflect.get(there, name, there);
      return typeof value === 'function' ? value.bind(there) : value;
    },
  });
}

const REFUSED_BY_STORAGE = new Set<unknown>(['refused: storage_unavailable', 'refused: conflict']);
const FATES = ['stored', 'stored', 'taken', 'full', 'moved'] as const;

/** A store that takes a while to commit, and does with each commit what is said; after that all are stored. */
function unsureStore(real: Store, fates: readonly (typeof FATES)[number][]) {
  const errors = { taken: ConstraintError, full: StorageError, moved: StateMovedError };
  const left = [...fates];
  const unsure = { store: real, stacked: 0, begin: (): void => void (begun = true) };
  let begun = false;
  let last: Promise<unknown> = Promise.resolve();
  let under = 0;
  let failed: number | undefined;
  async function commit(writes: Parameters<Store['commit']>[0], run?: number): Promise<number[][]> {
    await new Promise<void>((resolve) => void setImmediate(resolve));
    if (run === failed) throw new StateMovedError('a commit before it failed');
    const fate = (begun && left.shift()) || 'stored';
    try {
      if (fate !== 'stored') throw new errors[fate]('as the test says');
      return await real.commit(writes);
    } catch (error) {
      failed = run;
      throw error;
    }
  }
  unsure.store = over(real, {
    commit: (writes, run) => {
      if (under++ > 0) unsure.stacked++;
      const ready = last.catch(() => {}).then(() => commit(writes, run));
      last = ready;
      return ready.finally(() => under--);
    },
  });
  return unsure;
}

/** With ids and hashes numbered by where they come first: a command that is decided again gets new ones. */
function withoutChance(value: unknown): unknown {
  const names = new Map<string, string>();
  const named = (id: string): string => names.get(id) ?? (names.set(id, `#${names.size}`), names.get(id)!);
  const text = JSON.stringify(value, (_, each: unknown) => (each === undefined ? 'undefined' : each));
  return JSON.parse(text.replaceAll(/(msg|evt|actor|magt_v1|minv_v1)_[-0-9a-f]+|[0-9a-f]{64}/g, named));
}
