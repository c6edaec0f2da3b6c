import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { bearer, codeOf, labFolder, openLab, type Lab } from '../../test/support/network-lab.ts';
import type { Identity } from './identity.ts';

const ROUNDS = 1_000;
/** Rounds at once: enough that racing commands meet in one batch, in neighbouring ones, and across rounds. */
const WAVE = 100;
const onDisk = (some: Parameters<typeof openLab>[0] = {}) =>
  openLab({ ...some, path: path.join(labFolder(), 'moltnet.db') });

/** Runs every round, in waves; odd rounds let the second racer start one turn of the event loop later. */
async function race<T>(run: (round: number, later: () => Promise<void>) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let first = 0; first < ROUNDS; first += WAVE) {
    const wave = Array.from({ length: WAVE }, (_, i) => first + i);
    results.push(
      ...(await Promise.all(
        wave.map((round) =>
          run(round, () =>
            round % 2 === 0 ? Promise.resolve() : new Promise<void>((resolve) => void setImmediate(resolve)),
          ),
        ),
      )),
    );
  }
  return results;
}
const seqOf = (lab: Lab, type: string, agent_id: string) =>
  lab.events.find((event) => event.type === type && event.agent_id === agent_id)!.seq;

describe(`${ROUNDS} raced rounds, over a database file`, () => {
  it('MSG-9 of two participant sets for one DM: one wins, and the other is told', async () => {
    const lab = await onDisk();
    const rounds = await race(async (round, later) => {
      const dm = `dm:d${round}`;
      const one = codeOf(lab.send('agent:alpha', `${dm}@alpha,beta`, '1'));
      const two = later().then(() => codeOf(lab.send('agent:gamma', `${dm}@gamma,delta`, '2')));
      return Promise.all([one, two]);
    });
    for (const codes of rounds) expect(codes.toSorted()).toEqual(['accepted', 'dm_participants_mismatch']);
    const created = lab.events.filter((event) => event.type === 'dm.created');
    expect(new Set(created.map((event) => event.dm_id)).size).toBe(ROUNDS);
    expect(created.length).toBe(ROUNDS);
    const messages = lab.events.filter((event) => event.type === 'message.created');
    expect(messages.length).toBe(ROUNDS);
    for (const [i, event] of messages.entries()) expect(event.participants).toEqual(created[i]!.participants);
  }, 60_000);

  it('AGENT-7 of two credentials for one agent: one has it, the other is told', async () => {
    const lab = await onDisk({
      settings: { auth_mode: 'bearer', agent_registration: 'token' },
      identity: bearer('op', ['admin']),
    });
    const claim = (id: string, as: Identity) =>
      codeOf(lab.execute('agent.register', { requested_id: id, via: 'attach' }, as));
    const [first, second] = [bearer('first', ['attach']), bearer('second', ['attach'])];
    const rounds = await race(async (round, later) =>
      Promise.all([claim(`a${round}`, first), later().then(() => claim(`a${round}`, second))]),
    );
    for (const codes of rounds) expect(codes.toSorted()).toEqual(['accepted', 'agent_taken']);
    for (let round = 0; round < ROUNDS; round++) {
      const winner = rounds[round]![0] === 'accepted' ? 'token:first' : 'token:second';
      expect(lab.network.topology.agent(`a${round}`)!.credential_key).toBe(winner);
    }
  }, 60_000);

  it('AGENT-1 of two claims in mode none: one creates it, and both are given the same', async () => {
    const lab = await onDisk();
    const rounds = await race(async (round, later) =>
      Promise.all([lab.register(`a${round}`), later().then(() => lab.register(`a${round}`))]),
    );
    for (const answers of rounds) {
      expect(answers.filter(({ created }) => created).length).toBe(1);
      expect(answers[0].registration).toEqual(answers[1].registration);
    }
  }, 60_000);

  it('AGENT-5 of a removal and posts: none is accepted after the removal', async () => {
    const lab = await onDisk();
    for (let round = 0; round < ROUNDS; round += 250)
      await Promise.all(Array.from({ length: 250 }, (_, i) => lab.register(`a${round + i}`)));
    const rounds = await race(async (round, later) => {
      const agent = `agent:a${round}`;
      const before = codeOf(lab.send(agent, 'room:general', { id: `before${round}` }));
      const removal = lab.execute('agent.remove', { agent_id: `a${round}` });
      const sameTurn = codeOf(lab.send(agent, 'room:general', { id: `same${round}` }));
      const next = later().then(() => codeOf(lab.send(agent, 'dm:@a0,a1', { id: `next${round}` })));
      const after = removal.then(() => codeOf(lab.send(agent, 'room:general', { id: `after${round}` })));
      return Promise.all([before, sameTurn, next, after]);
    });
    for (const codes of rounds)
      expect(codes).toEqual(['accepted', 'agent_removed', 'agent_removed', 'agent_removed']);
    for (let round = 0; round < ROUNDS; round++) {
      const removed = seqOf(lab, 'agent.removed', `a${round}`);
      const late = lab.events.filter(
        (event) =>
          event.seq > removed &&
          event.type === 'message.created' &&
          event.payload.includes(`"id":"a${round}"`),
      );
      expect(late).toEqual([]);
    }
  }, 120_000);
});
