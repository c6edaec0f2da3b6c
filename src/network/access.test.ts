import { describe, expect, it } from 'vitest';
import { bearer, codeOf, openLab, requestOf, settingsOf, text } from '../../test/support/network-lab.ts';
import type { Scope } from '../protocol/credentials.ts';
import { CreateRoomRequest } from '../protocol/rooms.ts';
import { can, roomAccess, type Action, type Resource } from './access.ts';
import { agentIdentity, anyone, type Identity } from './identity.ts';
import { newRoomRow } from './room-fields.ts';
import type { NetworkSettings } from './settings.ts';

const ana = { id: 'ana', name: 'Ana' };
const settings = settingsOf({ auth_mode: 'bearer', people: new Map([['ana', ana]]) });
const reading = { ...settings, public_read: true };
const nobody: Identity = { mode: 'bearer', credential_key: 'anonymous', scopes: new Set() };
const agentToken = (id: string) => agentIdentity('bearer', `agent-token:${id}`, id);
const listed: Identity = { ...bearer('listed', ['write', 'attach']), agents: new Set(['alpha', 'gamma']) };

/** The columns of the table below. */
const CALLERS: Record<string, Identity> = {
  anonymous: nobody,
  observe: bearer('observe', ['observe']),
  write: bearer('write', ['write']),
  admin: bearer('admin', ['admin']),
  attach: bearer('attach', ['attach']),
  pair: bearer('pair', ['pair']),
  'agent token of alpha': agentToken('alpha'),
  'static token with agents alpha and gamma': listed,
  'person ana': { ...bearer('ana', ['write']), human: ana },
  'observe, write and admin': bearer('operator', ['observe', 'write', 'admin']),
};
const CODES: Record<string, string> = {
  y: 'yes',
  1: 'unauthorized',
  3: 'forbidden',
  t: 'agent_taken',
  p: 'person_reserved',
  c: 'conflict',
};

const roomOf = (visibility: string, write_policy: string, ...members: string[]) => ({
  row: {
    ...newRoomRow('r', CreateRoomRequest.parse({ visibility, write_policy }), '', undefined),
    created_seq: 1,
  },
  members: new Map(members.map((member) => [member, 1])),
});
const verdict = (identity: Identity, action: Action, about: Resource = {}, some = settings) => {
  const answer = can(some, identity, action, about);
  return answer.allowed ? 'yes' : answer.code;
};

const ours = { room: roomOf('private', 'members', 'alpha', 'ana') };
const others = { room: roomOf('private', 'members', 'beta') };
const open = { room: roomOf('public', 'members', 'beta') };
const ourDm = { dm: { participants: ['alpha', 'ana'] } };
const otherDm = { dm: { participants: ['beta', 'delta'] } };
const bound = (agent: string, credential_key: string) => ({ agent, registration: { credential_key } });
const registration = (agent_registration: NetworkSettings['agent_registration']) => ({
  ...settings,
  agent_registration,
});
const EVERYBODY = 'y y y y y y y y y y';

/** Rule, action, about, settings; a column for each caller. */
const TABLE: [string, Action, Resource, NetworkSettings, string][] = [
  ['AUTH-2', 'network.read', {}, settings, '1 y 3 y y y y y y y'],
  ['AUTH-2 public_read', 'network.read', {}, reading, EVERYBODY],
  ['AUTH-3', 'roster.read', {}, settings, '1 y 3 y 3 y y y y y'],
  ['AUTH-3 public_read', 'roster.read', {}, reading, EVERYBODY],
  ['AUTH-3', 'agent.read', {}, settings, '1 y 3 y 3 3 y y y y'],
  ['AUTH-3 public_read', 'agent.read', {}, reading, EVERYBODY],
  ['AUTH-4', 'documents.read', {}, settings, '1 y 3 y 3 3 y y y y'],
  ['AUTH-4 public_read', 'documents.read', {}, reading, EVERYBODY],
  ['AUTH-4', 'skill.read', {}, settings, '1 y y y y 3 y y y y'],
  ['AUTH-4 public_read', 'skill.read', {}, reading, EVERYBODY],
  ['AUTH-5 its own room', 'room.read', ours, settings, '1 y 3 y 3 3 y y y y'],
  ['AUTH-5 its own room, public_read', 'room.read', ours, reading, '3 y 3 y 3 3 y y y y'],
  ['AUTH-5 a room of others', 'room.read', others, settings, '1 y 3 y 3 3 3 3 3 y'],
  ['AUTH-5 a room of others, public_read', 'room.read', others, reading, '3 y 3 y 3 3 3 3 3 y'],
  ['AUTH-5 a public room', 'room.read', open, settings, '1 y 3 y 3 3 y y y y'],
  ['AUTH-5 a public room, public_read', 'room.read', open, reading, EVERYBODY],
  ['AUTH-6', 'dm.list', {}, settings, '1 y 3 y 3 3 y y y y'],
  ['AUTH-6 public_read', 'dm.list', {}, reading, '1 y 3 y 3 3 y y y y'],
  ['AUTH-6 its own', 'dm.read', ourDm, reading, '1 y 3 y 3 3 y y y y'],
  ['AUTH-6 of others', 'dm.read', otherDm, reading, '1 y 3 y 3 3 3 3 3 y'],
  ['AUTH-6 of nobody', 'dm.read', { dm: { participants: null } }, settings, '1 y 3 y 3 3 3 3 3 y'],
  ['AUTH-7', 'artifacts.read', {}, settings, '1 y 3 y 3 3 y y y y'],
  ['AUTH-7 public_read', 'artifacts.read', {}, reading, '1 y 3 y 3 3 y y y y'],
  ['AUTH-7', 'history.search', {}, settings, '1 y 3 y 3 3 y y y y'],
  ['AUTH-7 public_read', 'history.search', {}, reading, EVERYBODY],
  ['AUTH-9', 'stream', {}, settings, '1 y 3 y 3 3 y y y y'],
  ['AUTH-9 public_read', 'stream', {}, reading, EVERYBODY],
  ['AUTH-9', 'observe', {}, reading, '1 y 3 y 3 3 3 3 3 y'],
  ['AUTH-9', 'metrics.read', {}, reading, '1 3 3 y 3 3 3 3 3 y'],
  ['RLY-74', 'relay', {}, reading, '1 3 3 3 3 y 3 3 3 3'],
  ['AUTH-10', 'message.send', {}, reading, '1 3 y 3 3 y y y y y'],
  ['AUTH-11 its owner', 'agent.act', bound('alpha', 'agent-token:alpha'), settings, '1 3 t 3 3 3 y t 3 y'],
  ['AUTH-11 declared', 'agent.act', bound('alpha', 'token:listed'), settings, '1 3 t 3 3 3 t y 3 y'],
  ['AUTH-11 not registered', 'agent.act', { agent: 'stranger' }, settings, '1 3 y 3 3 3 t 3 3 y'],
  ['AUTH-11 a person', 'agent.act', { agent: 'ana' }, settings, '1 3 p 3 3 3 t 3 3 p'],
  ['AUTH-12 herself', 'human.act', { agent: 'ana' }, settings, '1 3 p 3 3 3 3 p y p'],
  ['AUTH-12 anybody', 'human.act', { agent: 'walker' }, settings, '1 3 y 3 3 3 3 y 3 y'],
  ['AUTH-12 an agent', 'human.act', bound('alpha', 'token:write'), settings, '1 3 t 3 3 3 3 t 3 t'],
  ['AUTH-12 at all', 'human.act', {}, settings, '1 3 y 3 3 3 3 y y y'],
  ['AUTH-13 relayed', 'remote.act', { relayed: true }, settings, '1 c c c c y c c c c'],
  ['AUTH-13 not relayed', 'remote.act', { relayed: false }, settings, '1 c c c c c c c c c'],
  ['AUTH-15 of alpha', 'message.redact', { agent: 'alpha' }, settings, '1 3 3 y 3 3 y y 3 y'],
  ['AUTH-15 of ana', 'message.redact', { agent: 'ana' }, settings, '1 3 3 y 3 3 3 3 y y'],
  ['AUTH-15 of nobody', 'message.redact', {}, settings, '1 3 3 y 3 3 3 3 3 y'],
  ['AUTH-16', 'guard.resume', {}, reading, '1 3 3 y 3 3 3 3 3 y'],
  ['AUTH-17 disabled', 'agent.register', {}, registration('disabled'), '1 3 3 y 3 3 3 3 3 y'],
  ['AUTH-17 token', 'agent.register', {}, registration('token'), '1 3 3 y y 3 y y 3 y'],
  ['AUTH-17 open', 'agent.register', {}, registration('open'), 'y 3 3 y y 3 y y 3 y'],
  ['AUTH-17 with a code', 'agent.register', { claim_code: true }, registration('disabled'), EVERYBODY],
  ['AUTH-17 disabled', 'attach', {}, registration('disabled'), '1 3 3 3 y 3 y y 3 3'],
  ['AUTH-17 token', 'attach', {}, registration('token'), '1 3 3 3 y 3 y y 3 3'],
  ['AUTH-17 open', 'attach', {}, registration('open'), 'y 3 3 3 y 3 y y 3 3'],
  ['AUTH-18 alpha', 'room.join', bound('alpha', 'agent-token:alpha'), settings, '1 3 3 3 3 3 y 3 3 3'],
  ['AUTH-18 declared', 'room.join', bound('alpha', 'token:listed'), settings, '1 3 3 3 3 3 3 y 3 3'],
  ['AUTH-18 not registered', 'room.join', { agent: 'gamma' }, settings, '1 3 3 3 3 3 3 y 3 3'],
  ['AUTH-19', 'administer', {}, reading, '1 3 3 y 3 3 3 3 3 y'],
];
/** Those that are told elsewhere in this file. */
const OTHERS = ['room.write', 'room.receive'] as const;
/** All but `dm.receive`, which mode none limits too; a new action does not compile until it is here. */
const ACTIONS = Object.keys({
  'network.read': 0,
  'roster.read': 0,
  'agent.read': 0,
  'documents.read': 0,
  'skill.read': 0,
  'room.read': 0,
  'room.write': 0,
  'room.join': 0,
  'room.receive': 0,
  'dm.list': 0,
  'dm.read': 0,
  'artifacts.read': 0,
  'history.search': 0,
  stream: 0,
  observe: 0,
  'metrics.read': 0,
  'message.send': 0,
  relay: 0,
  'message.redact': 0,
  'agent.act': 0,
  'human.act': 0,
  'remote.act': 0,
  'agent.register': 0,
  attach: 0,
  'guard.resume': 0,
  administer: 0,
} satisfies Record<Exclude<Action, 'dm.receive'>, 0>) as Action[];

describe('the decision table', () => {
  it('AUTH-1 has a tested row for every action', () =>
    expect([...new Set([...TABLE.map(([, action]) => action), ...OTHERS])].toSorted()).toEqual(
      ACTIONS.toSorted(),
    ));

  it.each(TABLE)('%s %s', (_, action, about, some, cells) => {
    const columns = cells.split(' ');
    const actual = Object.values(CALLERS).map((identity) => verdict(identity, action, about, some));
    const named = (codes: (string | undefined)[]) =>
      Object.fromEntries(Object.keys(CALLERS).map((who, i) => [who, codes[i]]));
    expect(named(actual)).toEqual(named(columns.map((cell) => CODES[cell])));
  });

  it('AUTH-1 in mode none allows everything, but sends DMs to the attachments of participants only', () => {
    const about = { ...others, ...otherDm, ...bound('gamma', 'token:x'), relayed: true };
    for (const action of ACTIONS) expect([action, verdict(anyone, action, about)]).toEqual([action, 'yes']);
    expect(verdict(anyone, 'dm.receive', about)).toBe('not_a_participant');
    expect(verdict(anyone, 'dm.receive', { ...about, agent: 'beta' })).toBe('yes');
    expect(verdict(anyone, 'agent.act', { agent: 'ana' })).toBe('person_reserved');
    expect(verdict(anyone, 'human.act', { agent: 'ana' })).toBe('yes');
  });

  it('AUTH-1 refuses a credential without scopes everything, whatever the switches', () => {
    const about = { ...others, ...otherDm, ...bound('gamma', 'token:x'), relayed: true };
    const powerless = bearer('powerless', []);
    for (const action of ACTIONS) {
      for (const one of [nobody, powerless])
        expect([action, one.credential_key, verdict(one, action, about)]).not.toContain('yes');
    }
  });

  it('AUTH-8 an attachment is sent its rooms, the public ones and its own DMs', () => {
    const identity = bearer('attach', ['attach']);
    const receives = (about: Resource, some = settings) => verdict(identity, 'room.receive', about, some);
    expect(receives({ ...ours, agent: 'alpha' })).toBe('yes');
    expect(receives({ ...others, agent: 'alpha' }, reading)).toBe('forbidden');
    expect(receives({ ...open, agent: 'alpha' })).toBe('yes');
    expect(receives(open)).toBe('forbidden');
    expect(receives(open, reading)).toBe('yes');
    const dm = (agent: string, about: Resource) => verdict(identity, 'dm.receive', { ...about, agent });
    expect([dm('alpha', ourDm), dm('beta', ourDm), dm('alpha', { dm: { participants: null } })]).toEqual([
      'yes',
      'not_a_participant',
      'not_a_participant',
    ]);
  });

  it('AUTH-11 in mode open an agent is registered before it writes', () => {
    const writer: Identity = { ...bearer('write', ['write', 'admin']), mode: 'open' };
    expect(verdict(writer, 'agent.act', { agent: 'stranger' })).toBe('unauthorized');
    expect(verdict(writer, 'agent.act', bound('alpha', 'token:x'))).toBe('yes');
  });
  it('AUTH-11 a person signs as the agents of its own token, and as no other even with admin', () => {
    const person: Identity = { ...bearer('dan', ['write', 'admin']), human: { id: 'dan' } };
    expect(verdict(person, 'agent.act', { agent: 'alpha' })).toBe('forbidden');
    expect(verdict({ ...person, agents: new Set(['alpha']) }, 'agent.act', { agent: 'alpha' })).toBe('yes');
    expect(verdict({ ...person, agents: new Set(['alpha']) }, 'agent.act', { agent: 'beta' })).toBe(
      'forbidden',
    );
  });
  it('AUTH-13 in mode open one of another network is refused as forbidden', () =>
    expect(verdict({ ...bearer('w', ['write']), mode: 'open' }, 'remote.act', {})).toBe('forbidden'));

  it('AUTH-16 a conversation is let go on by an operator: observe and write, and no agent’s token', () => {
    expect(verdict(bearer('t', ['observe', 'write']), 'guard.resume')).toBe('yes');
    expect(verdict({ ...bearer('t', ['observe', 'write']), agents: new Set(['a']) }, 'guard.resume')).toBe(
      'forbidden',
    );
    expect(verdict(bearer('t', ['observe']), 'guard.resume')).toBe('forbidden');
  });

  it('AUTH-18 joining needs write or attach', () =>
    expect(
      verdict({ ...bearer('t', ['observe']), agents: new Set(['alpha']) }, 'room.join', { agent: 'alpha' }),
    ).toBe('forbidden'));

  const as = (policy: string, ...members: string[]) => ({
    room: roomOf('private', policy, ...members),
    agent: 'alpha',
  });
  const writes: [string, Identity, Resource, string][] = [
    ['a member', agentToken('alpha'), as('members', 'alpha'), 'yes'],
    ['a stranger', agentToken('alpha'), as('members', 'beta'), 'write_refused'],
    ['a member’s token as another agent', listed, { ...as('members', 'gamma') }, 'write_refused'],
    ['an agent token in a registered_agents room', agentToken('alpha'), as('registered_agents'), 'yes'],
    ['an agent token as another agent', agentToken('beta'), as('registered_agents'), 'write_refused'],
    ['a static token with agents as a stranger', listed, as('registered_agents'), 'write_refused'],
    ['a static token as a stranger', bearer('t', ['write']), as('registered_agents'), 'write_refused'],
    ['a static token as a member', bearer('t', ['write']), as('members', 'alpha'), 'yes'],
    ['admin and write', bearer('t', ['write', 'admin']), as('members'), 'yes'],
    ['admin alone', bearer('t', ['admin']), as('members'), 'write_refused'],
    ['a static token in an operators room', bearer('t', ['write']), as('operators'), 'yes'],
    ['a person in an operators room', CALLERS['person ana']!, as('operators'), 'yes'],
    [
      'a member with an agent token, operators',
      agentToken('alpha'),
      as('operators', 'alpha'),
      'write_refused',
    ],
    ['a static token of agents, operators (W13)', listed, as('operators'), 'write_refused'],
  ];
  it.each(writes)('AUTH-14 write policy: %s', (_, identity, about, expected) =>
    expect(verdict(identity, 'room.write', about)).toBe(expected),
  );

  it('AUTH-20 shows each caller its own access', () => {
    const access = (identity: Identity, room: ReturnType<typeof roomOf>, some = settings) => {
      const { can_read, can_write, reason } = roomAccess(some, identity, room);
      return `${can_read ? 'r' : '-'}${can_write ? 'w' : '-'} ${reason}`;
    };
    const agents = roomOf('public', 'registered_agents', 'alpha');
    expect(access(anyone, agents)).toBe('rw private/registered_agents-write');
    expect(access(nobody, agents, reading)).toBe('r- public-read/registered_agents-write');
    expect(access(agentToken('beta'), agents)).toBe('rw private/registered_agents-write');
    expect(access(bearer('t', ['observe']), agents)).toBe('r- private/registered_agents-write');
    const members = (who: string) => roomOf('private', 'members', who);
    expect(access(agentToken('alpha'), members('alpha'))).toBe('rw private/members-write');
    expect(access(agentToken('beta'), members('alpha'))).toBe('-- private/members-write');
    expect(access(CALLERS['person ana']!, members('ana'))).toBe('rw private/members-write');
    expect(access(listed, members('gamma'))).toBe('rw private/members-write');
    expect(access({ ...listed, scopes: new Set<Scope>(['attach']) }, members('gamma'))).toBe(
      'r- private/members-write',
    );
    const operators = roomOf('public', 'operators', 'alpha', 'ana');
    expect(access(agentToken('alpha'), operators)).toBe('r- private/operators-write');
    expect(access(CALLERS['person ana']!, operators)).toBe('rw private/operators-write');
    expect(access(CALLERS['observe, write and admin']!, members('beta'))).toBe('rw private/members-write');
  });
});

describe('the rules ask it', () => {
  const request = (from: object, target: object, rest: object = {}) =>
    requestOf({ from, target: target as { kind: string }, parts: text('hi'), ...rest });

  it('AUTH-11 AUTH-13 nobody signs as an agent that is bound to another credential, or as one of another network', async () => {
    const lab = await openLab({
      settings: { auth_mode: 'bearer' },
      identity: bearer('op', ['admin', 'write']),
    });
    await lab.createRoom({ id: 'ops', members: ['alpha', 'ana'] });
    await lab.register('alpha');
    const send = async (as: Identity, from: object, rest: object = {}) =>
      codeOf(
        lab.execute('message.send', { request: request(from, { kind: 'room', room_id: 'ops' }, rest) }, as),
      );
    const other = bearer('other', ['write']);
    expect(await send(other, { type: 'agent', id: 'alpha' })).toBe('agent_taken');
    expect(await send(agentToken('beta'), { type: 'agent', id: 'alpha' })).toBe('agent_taken');
    expect(await send({ ...other, agents: new Set(['beta']) }, { type: 'agent', id: 'alpha' })).toBe(
      'forbidden',
    );
    expect(await send(bearer('p', ['pair']), { type: 'agent', id: 'alpha' })).toBe('forbidden');
    expect(await send(bearer('r', ['observe']), { type: 'agent', id: 'alpha' })).toBe('forbidden');
    expect(await send(nobody, { type: 'agent', id: 'alpha' })).toBe('unauthorized');
    expect(await send(agentToken('ana'), { type: 'human', id: 'ana' })).toBe('forbidden');
    expect(await send(other, { type: 'human', id: 'alpha' })).toBe('agent_taken');
    expect(await send(other, { type: 'human', id: 'ana' })).toBe('accepted');
    expect(await send(other, { type: 'agent', id: 'net_b:x' })).toBe('conflict');
    expect(await send(bearer('op', ['admin', 'write']), { type: 'agent', id: 'alpha' })).toBe('accepted');

    const relayed = { origin: { network_id: 'net_b', message_id: 'o1' } };
    const pair = bearer('p', ['pair']);
    const x = { type: 'human', id: 'x', network_id: 'net_b' };
    expect(await send(other, x, relayed)).toBe('forbidden');
    expect(await send(pair, x, relayed)).toBe('write_refused');
    await lab.execute('room.members', { room_id: 'ops', request: { add: ['net_b:x'], remove: undefined } });
    expect(await send(pair, x, relayed)).toBe('accepted');
    expect(await send(pair, { ...x, id: 'net_b:x' }, relayed)).toBe('accepted');
  });

  it('AUTH-13 what a pairing brings is of the network it comes from, and of no person or agent of this one', async () => {
    const lab = await openLab({ settings: { auth_mode: 'bearer', people: new Map([['ana', ana]]) } });
    const send = (from: object) => {
      const target = { kind: 'dm', participant_ids: ['ana', 'alpha', 'net_b:ana'] };
      const rest = { origin: { network_id: 'net_b', message_id: 'o1' } };
      return codeOf(
        lab.execute('message.send', { request: request(from, target, rest) }, bearer('p', ['pair'])),
      );
    };
    for (const type of ['human', 'agent'])
      for (const from of [
        {},
        { network_id: 'local' },
        { network_id: 'net_c' },
        { network_id: 'net_b', fqid: 'molt://local/agents/ana' },
        { network_id: 'net_b', id: 'local:ana' },
        { network_id: 'net_b', id: 'molt://local/agents/ana' },
      ])
        expect([from, await send({ type, id: 'ana', ...from })]).toEqual([from, 'conflict']);
    expect(await send({ type: 'human', id: 'ana', network_id: 'net_b' })).toBe('accepted');
  });

  it('AUTH-15 a message is redacted by its sender, and by an admin; of others nothing is told', async () => {
    const lab = await openLab({ settings: { auth_mode: 'bearer' }, identity: bearer('op', ['admin']) });
    await lab.createRoom({ id: 'ops', members: ['alpha', 'beta'] });
    const alpha = agentToken('alpha');
    const sent = async (id: string) => {
      const from = { type: 'agent', id: 'alpha' };
      const asked = request(from, { kind: 'room', room_id: 'ops' }, { id });
      await lab.execute('message.send', { request: asked }, alpha);
    };
    await Promise.all([sent('m1'), sent('m2')]);
    const redact = (message_id: string, as: Identity) => lab.execute('message.redact', { message_id }, as);
    const told = async (promise: Promise<unknown>) => promise.catch((error: Error) => error.message);
    const beta = agentToken('beta');
    expect(await codeOf(redact('m1', beta))).toBe('forbidden');
    expect(await told(redact('m1', beta))).toBe(await told(redact('nowhere', beta)));
    expect(await codeOf(redact('m1', { ...alpha, scopes: new Set<Scope>(['attach']) }))).toBe('forbidden');
    expect(await codeOf(redact('m1', nobody))).toBe('unauthorized');
    expect(await redact('m1', alpha)).toEqual({ redacted: true, message_id: 'm1' });
    expect(await redact('m2', bearer('op', ['admin']))).toEqual({ redacted: true, message_id: 'm2' });
    expect(await codeOf(redact('nowhere', bearer('op', ['admin'])))).toBe('not_found');
    expect((await lab.message('m1')).redacted_at).toBeDefined();
  });

  it('AUTH-16 the guard is resumed by an operator', async () => {
    const lab = await openLab({ settings: { auth_mode: 'bearer' } });
    const resume = (...scopes: Scope[]) =>
      codeOf(lab.execute('guard.resume', { conversation: 'room:general' }, bearer('t', scopes)));
    expect(await resume('observe')).toBe('forbidden');
    expect(await resume('observe', 'write')).toBe('accepted');
    expect(await resume('admin')).toBe('accepted');
  });

  it('AUTH-19 rooms, agents, claim codes and the configuration are the administrator’s', async () => {
    const lab = await openLab({
      settings: { auth_mode: 'bearer' },
      identity: bearer('op', ['write', 'observe', 'attach', 'pair']),
    });
    const codes = await Promise.all(
      [
        lab.createRoom({ id: 'r' }),
        lab.execute('room.update', { room_id: 'general', request: {} }),
        lab.execute('room.members', { room_id: 'general', request: { add: ['a'], remove: undefined } }),
        lab.execute('room.remove', { room_id: 'general' }),
        lab.execute('agent.remove', { agent_id: 'a' }),
        lab.execute('agent.rotate', { agent_id: 'a' }),
        lab.execute('agent.invite', { agent_id: 'a' }),
        lab.execute('config.apply', {
          request: { network_id: undefined, rooms: undefined, agents: undefined },
          source: 'api',
        }),
      ].map(codeOf),
    );
    expect(codes).toEqual(codes.map(() => 'forbidden'));
  });
});
