/** Several servers on one Postgres: the rules hold over all of them, and each follows what the others do. */
import { describe, expect, it, vi } from 'vitest';
import { bearer, codeOf, openLab, type Lab, type LabOptions } from '../../test/support/network-lab.ts';
import { eventually } from '../../test/support/eventually.ts';
import { openPostgres, testPostgres } from '../../test/support/postgres-open.ts';
import { upTo } from '../../test/support/store-writes.ts';
import type { Identity } from './identity.ts';

const postgres = testPostgres();
const ROUNDS = Number(process.env['MOLTNET_RACED_ROUNDS'] ?? 60);
const WAVE = 30;

async function servers(count: number, options: LabOptions = {}, more = ''): Promise<Lab[]> {
  const dsn = (await postgres.fresh()) + more;
  const labs: Lab[] = [];
  for (const _ of upTo(count)) labs.push(await openLab({ ...options, store: await openPostgres(dsn) }));
  return labs;
}
const settled = (labs: readonly Lab[]) => Promise.all(labs.map(({ store }) => store.catchUp()));

async function race<T>(run: (round: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let first = 0; first < ROUNDS; first += WAVE)
    results.push(...(await Promise.all(upTo(Math.min(WAVE, ROUNDS - first)).map((i) => run(first + i)))));
  return results;
}

describe(`two servers, ${ROUNDS} raced rounds`, () => {
  it('STO-54 MSG-9 of two participant sets for one DM: one wins, and the other is told', async () => {
    const [a, b] = (await servers(2)) as [Lab, Lab];
    const rounds = await race((round) =>
      Promise.all([
        codeOf(a.send('agent:alpha', `dm:d${round}@alpha,beta`, '1')),
        codeOf(b.send('agent:gamma', `dm:d${round}@gamma,delta`, '2')),
      ]),
    );
    for (const codes of rounds) expect(codes.toSorted()).toEqual(['accepted', 'dm_participants_mismatch']);
  });

  it('STO-54 AGENT-7 of two credentials for one agent: one has it, and both servers know whose it is', async () => {
    const [a, b] = (await servers(2, {
      settings: { auth_mode: 'bearer', agent_registration: 'token' },
      identity: bearer('op', ['admin']),
    })) as [Lab, Lab];
    const claim = (lab: Lab, id: string, as: Identity) =>
      codeOf(lab.execute('agent.register', { requested_id: id, via: 'attach' }, as));
    const [first, second] = [bearer('first', ['attach']), bearer('second', ['attach'])];
    const rounds = await race((round) =>
      Promise.all([claim(a, `a${round}`, first), claim(b, `a${round}`, second)]),
    );
    await settled([a, b]);
    for (const [round, codes] of rounds.entries()) {
      expect(codes.toSorted()).toEqual(['accepted', 'agent_taken']);
      const winner = codes[0] === 'accepted' ? 'token:first' : 'token:second';
      for (const lab of [a, b]) expect(lab.network.topology.agent(`a${round}`)!.credential_key).toBe(winner);
    }
  });

  it('STO-55 AGENT-5 after a removal here nothing is accepted there, and what was made here is known there', async () => {
    const [a, b] = (await servers(2)) as [Lab, Lab];
    const rounds = await race(async (round) => {
      const agent = `agent:a${round}`;
      await a.register(`a${round}`);
      const known = await codeOf(b.send(agent, 'room:general', { id: `known${round}` }));
      const removal = a.execute('agent.remove', { agent_id: `a${round}` });
      const racing = codeOf(b.send(agent, 'room:general', { id: `racing${round}` }));
      const after = removal.then(() => codeOf(b.send(agent, 'room:general', { id: `after${round}` })));
      await removal;
      await b.createRoom({ id: `r${round}`, members: [] });
      const room = await codeOf(a.send('agent:other', `room:r${round}`, { id: `room${round}` }));
      return [known, ['accepted', 'agent_removed'].includes(await racing), await after, room];
    });
    for (const round of rounds) expect(round).toEqual(['accepted', true, 'agent_removed', 'accepted']);
    await settled([a, b]);
    for (const lab of [a, b]) {
      for (const round of upTo(ROUNDS)) {
        const removed = lab.events.find(
          ({ type, agent_id }) => type === 'agent.removed' && agent_id === `a${round}`,
        )!.seq;
        const late = lab.events.filter(
          ({ seq, type, payload }) =>
            seq > removed && type === 'message.created' && payload.includes(`"id":"a${round}"`),
        );
        expect(late).toEqual([]);
      }
    }
  });
});

it('STO-54 three servers in one busy room: every message once, in one order for all, counted and guarded as by one', async () => {
  const labs = await servers(3, { settings: { guard: { turns: 25, hour_turns: 'off', pair_turns: 'off' } } });
  await labs[0]!.createRoom({ id: 'busy', members: [], guard: { turns: 'off', hour_turns: 'off' } });
  await settled(labs);
  const mark = labs.map((lab) => lab.events.length);
  const answers = await Promise.all(
    labs.flatMap((lab, i) =>
      upTo(120).map((k) => lab.send(`agent:s${i}`, 'room:busy', { id: `m-${i}-${k}` })),
    ),
  );
  expect(new Set(answers.map(({ message_id }) => message_id)).size).toBe(360);
  // What people say moves no turn, so that nobody decides again; it is counted all the same.
  await labs[0]!.send('human:h', 'room:busy', { id: 'quiet' });
  await settled(labs);
  const commits = labs.map(({ store }) => vi.spyOn(store, 'commit'));
  await Promise.all(
    labs.flatMap((lab, i) =>
      upTo(120).map((k) => lab.send(`human:h${i}`, 'room:busy', { id: `h-${i}-${k}` })),
    ),
  );
  await settled(labs);
  const { last_seq } = (await labs[0]!.store.conversations(['room:busy'])).get('room:busy')!;
  for (const lab of labs)
    expect(lab.network.topology.conversation('room:busy')).toMatchObject({ last_seq, guard_turns: 0 });
  const outcomes = await Promise.allSettled(
    commits.flatMap(({ mock }) => mock.results.map(({ value }) => value)),
  );
  expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
  // And turns of agents are counted over all of them.
  for (const k of upTo(30)) await labs[k % 3]!.send(`agent:s${k % 3}`, 'room:general', { id: `g-${k}` });
  await settled(labs);
  const [first, ...others] = labs.map((lab, i) => lab.events.slice(mark[i]).map(({ seq, id }) => [seq, id]));
  for (const other of others) expect(other).toEqual(first);
  expect(first!.map(([seq]) => seq)).toEqual(upTo(first!.length).map((i) => Number(first![0]![0]) + i));
  const row = (await labs[0]!.store.conversations(['room:busy'])).get('room:busy')!;
  expect(row.message_count).toBe(721);
  const general = (await labs[0]!.store.conversations(['room:general'])).get('room:general')!;
  expect(general).toMatchObject({ message_count: 31, held_by: 'turns 25' });
  for (const lab of labs) {
    expect(lab.network.isHeld('room:general')).toBe(true);
    expect(lab.network.topology.conversation('room:general')).toMatchObject({
      held_seq: general.held_seq,
      held_messages: general.held_messages,
      last_seq: general.last_seq,
    });
  }
});

it('STO-54 a conversation that was read for a refusal, while another server changed it, is read again', async () => {
  const [a, b] = (await servers(2)) as [Lab, Lab];
  await b.send('agent:alpha', 'dm:d@alpha,beta', 'one');
  await settled([a, b]);
  const read = a.store.conversations.bind(a.store);
  vi.spyOn(a.store, 'conversations').mockImplementationOnce(async (keys) => {
    const rows = await read(keys);
    const mark = a.events.length;
    await b.send('agent:beta', 'dm:d', 'two');
    await eventually(() => a.events.length > mark);
    return rows;
  });
  // Of one batch.
  const codes = ['dm:d', 'room:general'].map((target) => codeOf(a.send('agent:gamma', target, 'three')));
  expect(await Promise.all(codes)).toEqual(['not_a_participant', 'accepted']);
  expect(await a.network.guardState('dm:d')).toMatchObject({ turns: 2 });
});

it('STO-58 behind a pooler, without LISTEN and prepared statements, news are polled for', async () => {
  const [a, b] = (await servers(2, {}, '&pgbouncer=true')) as [Lab, Lab];
  const mark = b.events.length;
  for (const i of upTo(5)) await a.send('agent:x', 'room:general', { id: `m${i}` });
  await eventually(() => b.events.length >= mark + 5);
  expect(b.events.slice(mark).map(({ id }) => id)).toEqual(a.events.slice(-5).map(({ id }) => id));
  expect(await codeOf(b.createRoom({ id: 'general', members: [] }))).toBe('room_exists');
  const prepared = await postgres.query(
    postgres.base(),
    `SELECT count(*)::INTEGER AS count FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND application_name = 'moltnet'`,
  );
  expect(prepared).toEqual([{ count: 0 }]);
});
