import { describe, expect, it } from 'vitest';
import { bearer, codeOf, openLab, requestOf, text, type Lab } from '../../test/support/network-lab.ts';
import { agentIdentity, anyone, type Identity, type Person } from './identity.ts';
import { agentView, mayReadAgent } from './views.ts';

const people = (...list: Person[]) => new Map(list.map((one) => [one.id, one]));
const ANA = { id: 'ana', name: 'Ana Lima' };
const BOB = { id: 'bob' };
const personal = (human: Person, ...agents: string[]): Identity => ({
  ...bearer(human.id, ['write']),
  human,
  ...(agents.length > 0 && { agents: new Set(agents) }),
});
const team = (mode: 'none' | 'bearer' = 'bearer') =>
  openLab({
    settings: { auth_mode: mode, agent_registration: 'open', people: people(ANA, BOB) },
    identity: mode === 'none' ? anyone : bearer('op', ['admin', 'write']),
  });
const ROOM = { kind: 'room', room_id: 'team' };
let count = 0;
async function write(lab: Lab, as: Identity, from: object | undefined, rest: object = {}) {
  const id = `p${++count}`;
  const request = requestOf({ id, from, target: ROOM, parts: text('hi'), ...rest } as never);
  await lab.execute('message.send', { request }, as);
  return lab.message(id);
}
const outcome = (lab: Lab, as: Identity, from: object) => codeOf(write(lab, as, from));

describe('people of the configuration', () => {
  it('AUTH-12 two teammates cannot sign as each other, and nobody without their tokens as either', async () => {
    const lab = await team();
    await lab.createRoom({ id: 'team', members: ['ana', 'bob', 'walker', 'alpha'] });
    await lab.register('alpha');
    const human = (id: string) => ({ type: 'human', id });
    expect(await outcome(lab, personal(ANA), human('ana'))).toBe('accepted');
    expect(await outcome(lab, personal(ANA), human('bob'))).toBe('forbidden');
    expect(await outcome(lab, personal(ANA), human('walker'))).toBe('forbidden');
    expect(await outcome(lab, personal(ANA), { type: 'agent', id: 'alpha' })).toBe('forbidden');
    expect(await outcome(lab, personal(ANA), { type: 'agent', id: 'ana' })).toBe('forbidden');
    const shared = bearer('shared', ['write', 'admin']);
    expect(await outcome(lab, shared, human('ana'))).toBe('person_reserved');
    expect(await outcome(lab, shared, { type: 'agent', id: 'ana' })).toBe('person_reserved');
    expect(await outcome(lab, shared, human('alpha'))).toBe('agent_taken');
    expect(await outcome(lab, shared, human('walker'))).toBe('accepted');
    await lab.execute('agent.remove', { agent_id: 'alpha' });
    expect(await outcome(lab, shared, human('alpha'))).toBe('agent_taken');
    expect(await outcome(lab, agentIdentity('bearer', 'agent-token:x', 'ana'), human('ana'))).toBe(
      'forbidden',
    );
  });

  it('AUTH-13 nobody says of its own words that they came into the world elsewhere', async () => {
    const lab = await team();
    await lab.createRoom({ id: 'team', visibility: 'public', members: ['ana', 'alpha'] });
    const { registration } = await lab.execute(
      'agent.register',
      { requested_id: 'alpha', via: 'http', loopback: true },
      { mode: 'bearer', credential_key: 'anonymous', scopes: new Set() },
    );
    const key = lab.network.topology.agent('alpha')!.credential_key;
    const alpha = agentIdentity('bearer', key, registration.agent_id);
    const from = { type: 'agent', id: 'alpha' };
    const origin = { network_id: 'net_b', message_id: 'm1' };
    expect(await codeOf(write(lab, alpha, from, { origin }))).toBe('conflict');
    expect(await codeOf(write(lab, bearer('op', ['admin', 'write']), from, { origin }))).toBe('conflict');
    expect(await codeOf(write(lab, alpha, from, { origin: { network_id: 'local', message_id: '' } }))).toBe(
      'accepted',
    );
  });

  it('ID-2 nobody signs with what others read as the scoped form of somebody', async () => {
    for (const mode of ['none', 'bearer'] as const) {
      const lab = await team(mode);
      await lab.createRoom({ id: 'team', visibility: 'public', write_policy: 'operators' });
      const as = mode === 'none' ? anyone : bearer('cron', ['write']);
      for (const id of ['local:local:ana', 'molt://local/agents/local:ana', 'local:net_b:alpha'])
        for (const type of ['human', 'agent'])
          expect(await outcome(lab, as, { type, id }), `${mode} ${type} ${id}`).toBe('invalid_id');
      expect(await outcome(lab, as, { type: 'human', id: 'local:walker' })).toBe('accepted');
    }
  });

  it('AGENT-28 no agent may be called so, in any mode', async () => {
    for (const mode of ['none', 'bearer'] as const) {
      const lab = await team(mode);
      await lab.createRoom({ id: 'team', visibility: 'public', members: ['ana'] });
      const nobody: Identity = {
        mode,
        credential_key: 'anonymous',
        scopes: mode === 'none' ? anyone.scopes : new Set(),
      };
      for (const via of ['http', 'attach'] as const) {
        const claim = lab.execute('agent.register', { requested_id: 'bob', via }, nobody);
        expect([mode, via, await codeOf(claim)]).toEqual([mode, via, 'person_reserved']);
      }
      expect(await codeOf(lab.register('ana'))).toBe('person_reserved');
      const as = mode === 'none' ? anyone : bearer('op', ['admin', 'write']);
      expect(await outcome(lab, as, { type: 'agent', id: 'ana' })).toBe('person_reserved');
    }
  });

  it('AGENT-28 in mode none anybody writes as a person, as ever', async () => {
    const lab = await team('none');
    await lab.createRoom({ id: 'team' });
    expect((await write(lab, anyone, { type: 'human', id: 'ana', name: 'Not Ana' })).from.name).toBe(
      'Ana Lima',
    );
    expect((await write(lab, anyone, { type: 'human', id: 'bob', name: 'Bobby' })).from.name).toBe('Bobby');
    expect((await write(lab, anyone, { type: 'human', id: 'eve', name: 'Eve' })).from.name).toBe('Eve');
  });
});

describe('the sender', () => {
  it('MSG-30 is filled in from a credential that is one only, and a person’s name is the configured one', async () => {
    const lab = await team();
    await lab.createRoom({ id: 'team', members: ['ana', 'bob', 'alpha'] });
    const ana = {
      type: 'human',
      id: 'ana',
      name: 'Ana Lima',
      network_id: 'local',
      fqid: 'molt://local/agents/ana',
    };
    for (const from of [
      undefined,
      {},
      { type: 'human' },
      { type: 'human', id: ' ' },
      { type: 'human', id: 'ana', name: 'Root', fqid: 'molt://local/agents/bob' },
      { type: 'human', id: 'local:ana' },
    ])
      expect((await write(lab, personal(ANA), from)).from).toEqual(ana);
    const bob = await write(lab, personal(BOB), { name: 'Robert' });
    expect(bob.from).toEqual({
      type: 'human',
      id: 'bob',
      network_id: 'local',
      fqid: 'molt://local/agents/bob',
    });
    const alpha = agentIdentity('bearer', 'agent-token:a', 'alpha');
    for (const from of [undefined, {}, { type: 'agent', name: 'Omega' }]) {
      await lab.execute('agent.register', { requested_id: 'alpha', name: 'Alpha', via: 'attach' }, alpha);
      expect((await write(lab, alpha, from)).from).toMatchObject({
        type: 'agent',
        id: 'alpha',
        name: 'Alpha',
      });
    }
    const both = personal(ANA, 'gamma');
    expect((await write(lab, both, { type: 'human' })).from).toEqual(ana);
  });

  it('MSG-30 is asked for where the credential is nobody or several', async () => {
    const lab = await team();
    await lab.createRoom({ id: 'team', members: ['ana', 'alpha'] });
    const codes = async (as: Identity, from: object) => outcome(lab, as, from);
    expect(await codes(bearer('t', ['write']), { type: 'human' })).toBe('invalid_id');
    expect(await codes(bearer('t', ['write']), { type: 'agent', id: '' })).toBe('invalid_id');
    expect(await codes(bearer('t', ['write']), {})).toBe('unprocessable_entity');
    expect(await codes({ ...bearer('t', ['write']), agents: new Set(['a', 'b']) }, { type: 'agent' })).toBe(
      'invalid_id',
    );
    expect(await codes(personal(ANA, 'alpha'), {})).toBe('unprocessable_entity');
    expect(await codes(personal(ANA), { type: 'agent' })).toBe('invalid_id');
    expect(await codes(personal(ANA), { id: 'ana' })).toBe('unprocessable_entity');
    expect(await codes(anyone, { type: 'human' })).toBe('invalid_id');
  });
});

describe('what a person may read', () => {
  it('MSG-31 people are mentioned where everybody may take part, and in private rooms as members', async () => {
    const lab = await team();
    await lab.createRoom({ id: 'team', members: ['ana'] });
    await lab.createRoom({ id: 'hall', visibility: 'public' });
    await lab.createRoom({ id: 'works', write_policy: 'registered_agents' });
    const mentions = async (room_id: string) => {
      const said = await write(
        lab,
        bearer('op', ['admin', 'write']),
        { type: 'human', id: 'op' },
        { target: { kind: 'room', room_id }, parts: text('@ana, @bob and <@local:bob>; @nobody') },
      );
      return said.mentions?.map((fqid) => fqid.split('/').at(-1));
    };
    expect(await mentions('hall')).toEqual(['ana', 'bob']);
    expect(await mentions('works')).toEqual(['ana', 'bob']);
    expect(await mentions('team')).toEqual(['ana']);
  });

  it('AGENT-29 people stand in the roster as members do, with their name; each sees itself and whom it shares a room with', async () => {
    const lab = await team();
    await lab.createRoom({ id: 'team', members: ['ana', 'alpha'] });
    await lab.createRoom({ id: 'vault', members: ['beta'] });
    await lab.register('lonely');
    const { topology } = lab.network;
    expect(agentView(topology, 'ana')).toMatchObject({ id: 'ana', name: 'Ana Lima', rooms: ['team'] });
    expect(agentView(topology, 'bob')).toBeUndefined();
    const seen = (as: Identity) =>
      ['alpha', 'ana', 'beta', 'bob', 'lonely'].filter((id) => mayReadAgent(topology, as, id)).join(' ');
    expect(seen(personal(ANA))).toBe('alpha ana');
    expect(seen(personal(BOB))).toBe('bob');
    expect(seen({ ...bearer('t', ['attach']), agents: new Set(['lonely']) })).toBe('lonely');
    expect(seen(bearer('t', ['write']))).toBe('');
    expect(seen(bearer('t', ['observe']))).toBe('alpha ana beta bob lonely');
    expect(seen(anyone)).toBe('alpha ana beta bob lonely');
    await lab.execute('room.update', { room_id: 'team', request: { visibility: 'public' } });
    expect(seen(personal(BOB))).toBe('alpha ana bob');
    expect(seen({ ...anyone, mode: 'bearer', scopes: new Set() })).toBe('');
    lab.network.settings.public_read = true;
    expect(seen({ ...anyone, mode: 'bearer', scopes: new Set() })).toBe('alpha ana');
  });
});
