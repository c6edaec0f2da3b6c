import { describe, expect, it } from 'vitest';
import { bearer, codeOf, openLab, requestOf, settingsOf, text } from '../../test/support/network-lab.ts';
import { can, roomAccess, type Action, type Resource } from './access.ts';
import { anyone, SCOPES, type Identity, type Scope } from './identity.ts';
import { newRoomRow } from './room-fields.ts';
import { CreateRoomRequest } from '../protocol/rooms.ts';

const nobody: Identity = { mode: 'bearer', credential_key: 'anonymous', scopes: new Set() };
const agentToken = (agent: string): Identity => ({
  mode: 'bearer',
  credential_key: 'agent-token:ab',
  scopes: new Set<Scope>(['write', 'attach']),
  agents: new Set([agent]),
});
const roomOf = (visibility: string, write_policy: string, ...members: string[]) => ({
  row: {
    ...newRoomRow('r', CreateRoomRequest.parse({ visibility, write_policy }), '', undefined),
    created_seq: 1,
  },
  members: new Map(members.map((member) => [member, 1])),
});
const settings = settingsOf({ auth_mode: 'bearer' });
const verdict = (identity: Identity, action: Action, about: Resource = {}, some = settings) => {
  const answer = can(some, identity, action, about);
  return answer.allowed ? 'yes' : answer.code;
};

const ACTIONS: Action[] = [
  'network.read',
  'room.read',
  'room.write',
  'dm.read',
  'message.send',
  'agent.act',
  'human.act',
  'remote.act',
  'room.receive',
  'observe',
  'agent.register',
  'attach',
  'administer',
];

describe('the decision table', () => {
  it('MSG-19 in mode none allows everything, but sends DMs to the attachments of participants only', () => {
    const about = {
      room: roomOf('private', 'operators'),
      dm: { participants: ['alpha', 'beta'] },
      agent: 'gamma',
    };
    for (const action of ACTIONS) expect([action, verdict(anyone, action, about)]).toEqual([action, 'yes']);
    expect(verdict(anyone, 'dm.receive', about)).toBe('not_a_participant');
    expect(verdict(anyone, 'dm.receive', { ...about, agent: 'beta' })).toBe('yes');
    expect(verdict(anyone, 'dm.receive', { dm: { participants: null }, agent: 'beta' })).toBe(
      'not_a_participant',
    );
  });

  it('MSG-19 with credentials says no unless a row says yes', () => {
    const about = {
      room: roomOf('private', 'members'),
      dm: { participants: ['alpha', 'beta'] },
      agent: 'gamma',
    };
    for (const action of ACTIONS) {
      expect([action, verdict(nobody, action, about)]).toEqual([
        action,
        action === 'room.receive' ? 'forbidden' : action === 'room.write' ? 'write_refused' : 'unauthorized',
      ]);
    }
  });

  const scopes: [Action, Scope[]][] = [
    ['room.read', ['observe', 'admin']],
    ['dm.read', ['observe', 'admin']],
    ['observe', ['observe', 'admin']],
    ['message.send', ['write', 'pair']],
    ['attach', ['attach']],
    ['administer', ['admin']],
    ['agent.register', ['admin']],
  ];
  it.each(scopes)('MSG-19 %s needs one of %j', (action, enough) => {
    for (const scope of SCOPES)
      expect([scope, verdict(bearer('t', [scope]), action, { room: roomOf('private', 'members') })]).toEqual([
        scope,
        enough.includes(scope) ? 'yes' : 'forbidden',
      ]);
  });

  it('MSG-19 lets an agent read and receive its own rooms and DMs, and public ones', () => {
    const alpha = agentToken('alpha');
    expect(verdict(alpha, 'room.read', { room: roomOf('private', 'members', 'alpha') })).toBe('yes');
    expect(verdict(alpha, 'room.read', { room: roomOf('private', 'members', 'beta') })).toBe('forbidden');
    expect(verdict(alpha, 'room.read', { room: roomOf('public', 'members') })).toBe('yes');
    expect(verdict(alpha, 'dm.read', { dm: { participants: ['alpha', 'beta'] } })).toBe('yes');
    expect(verdict(alpha, 'dm.read', { dm: { participants: ['beta', 'gamma'] } })).toBe('forbidden');
    expect(
      verdict(alpha, 'room.receive', { room: roomOf('private', 'members', 'alpha'), agent: 'alpha' }),
    ).toBe('yes');
    expect(
      verdict(nobody, 'room.read', { room: roomOf('public', 'members') }, { ...settings, public_read: true }),
    ).toBe('yes');
  });

  const member = (policy: string, ...members: string[]) => ({
    room: roomOf('private', policy, ...members),
    agent: 'alpha',
  });
  const writes: [string, Identity, Resource, string][] = [
    ['a member', agentToken('alpha'), member('members', 'alpha'), 'yes'],
    ['a stranger', agentToken('alpha'), member('members', 'beta'), 'write_refused'],
    ['an agent token in a registered_agents room', agentToken('alpha'), member('registered_agents'), 'yes'],
    ['an agent token as another agent', agentToken('beta'), member('registered_agents'), 'write_refused'],
    ['a static token as a stranger', bearer('t', ['write']), member('registered_agents'), 'write_refused'],
    ['a static token as a member', bearer('t', ['write']), member('members', 'alpha'), 'yes'],
    ['admin and write', bearer('t', ['write', 'admin']), member('members'), 'yes'],
    ['a static token in an operators room', bearer('t', ['write']), member('operators'), 'yes'],
    [
      'a member with an agent token in an operators room',
      agentToken('alpha'),
      member('operators', 'alpha'),
      'write_refused',
    ],
    [
      'a static token of one agent in an operators room',
      { ...bearer('t', ['write']), agents: new Set(['alpha']) },
      member('operators'),
      'write_refused',
    ],
  ];
  it.each(writes)('MSG-19 write policy: %s', (_, identity, about, expected) =>
    expect(verdict(identity, 'room.write', about)).toBe(expected),
  );

  it('MSG-19 shows each caller its own access', () => {
    const room = roomOf('public', 'registered_agents', 'alpha');
    expect(roomAccess(settingsOf(), anyone, room)).toEqual({
      can_read: true,
      can_write: true,
      reason: 'private/registered_agents-write',
    });
    expect(roomAccess({ ...settings, public_read: true }, nobody, room)).toEqual({
      can_read: true,
      can_write: false,
      reason: 'public-read/registered_agents-write',
    });
    expect(roomAccess(settings, agentToken('beta'), room)).toMatchObject({ can_read: true, can_write: true });
    expect(roomAccess(settings, agentToken('alpha'), roomOf('private', 'members', 'alpha'))).toMatchObject({
      can_read: true,
      can_write: true,
    });
    expect(roomAccess(settings, agentToken('beta'), roomOf('private', 'members', 'alpha'))).toMatchObject({
      can_read: false,
      can_write: false,
    });
    expect(roomAccess(settings, bearer('t', ['observe']), room)).toMatchObject({
      can_read: true,
      can_write: false,
    });
  });
});

describe('the rules ask it', () => {
  it('MSG-19 nobody signs as an agent that is bound to another credential, or as a person without a token of the configuration', async () => {
    const lab = await openLab({
      settings: { auth_mode: 'bearer' },
      identity: bearer('op', ['admin', 'write']),
    });
    await lab.createRoom({ id: 'ops', members: ['alpha', 'ana'] });
    await lab.register('alpha');
    const send = async (
      as: Identity,
      from: object,
      target: object = { kind: 'room', room_id: 'ops' },
      rest: object = {},
    ) => codeOf(lab.execute('message.send', { request: { ...request(from, target), ...rest } as never }, as));
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
    expect(await send(other, { type: 'human', id: 'ana' })).toBe('accepted');
    expect(await send(other, { type: 'agent', id: 'net_b:x' })).toBe('forbidden');
    const relayed = { origin: { network_id: 'net_b', message_id: 'o1' } };
    const pair = bearer('p', ['pair']);
    expect(await send(pair, { type: 'human', id: 'net_b:x' }, undefined, relayed)).toBe('write_refused');
    await lab.execute('room.members', { room_id: 'ops', request: { add: ['net_b:x'], remove: undefined } });
    expect(await send(pair, { type: 'human', id: 'net_b:x' }, undefined, relayed)).toBe('accepted');
    expect(await send(bearer('op', ['admin', 'write']), { type: 'agent', id: 'alpha' })).toBe('accepted');
  });

  it('MSG-19 rooms, agents, redaction and the guard are the administrator’s', async () => {
    const lab = await openLab({
      settings: { auth_mode: 'bearer' },
      identity: bearer('op', ['write', 'observe', 'attach', 'pair']),
    });
    const refused = [
      lab.createRoom({ id: 'r' }),
      lab.execute('room.update', { room_id: 'general', request: {} }),
      lab.execute('room.members', { room_id: 'general', request: { add: ['a'], remove: undefined } }),
      lab.execute('room.remove', { room_id: 'general' }),
      lab.execute('agent.remove', { agent_id: 'a' }),
      lab.execute('message.redact', { message_id: 'm1' }),
      lab.execute('guard.resume', { conversation: 'room:general' }),
      lab.execute('config.apply', {
        request: { network_id: undefined, rooms: undefined, agents: undefined },
        source: 'api',
      }),
    ];
    for (const one of refused) expect(await codeOf(one)).toBe('forbidden');
  });
});

function request(from: object, target: object) {
  return requestOf({ from, target: target as { kind: string }, parts: text('hi') });
}
