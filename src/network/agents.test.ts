import { describe, expect, it } from 'vitest';
import { bearer, codeOf, openLab } from '../../test/support/network-lab.ts';
import { limits } from '../protocol/limits.ts';
import type { Identity } from './identity.ts';
import { agentView } from './views.ts';

describe('registration', () => {
  it('AGENT-1 gives an identity once and answers it again and again', async () => {
    let now = Date.UTC(2026, 0, 1);
    const lab = await openLab({ clock: () => now });
    const mark = lab.events.length;
    const { registration, created } = await lab.register(' alpha ', ' Alpha ');
    expect(created).toBe(true);
    expect(registration).toEqual({
      network_id: 'local',
      agent_id: 'alpha',
      actor_uid: expect.stringMatching(/^actor_[0-9a-f-]{36}$/),
      actor_uri: 'molt://local/agents/alpha',
      display_name: 'Alpha',
      created_at: new Date(now).toISOString(),
      updated_at: new Date(now).toISOString(),
    });
    now += 1_000;
    expect(await lab.register('alpha')).toEqual({ registration, created: false });
    expect(await lab.register('alpha', 'Alpha')).toEqual({ registration, created: false });
    expect(await lab.execute('agent.register', { requested_id: 'alpha', via: 'attach' })).toEqual({
      registration,
      created: false,
    });
    expect(lab.typesSince(mark)).toEqual(['agent.registered']);
    expect(lab.events[mark]).toMatchObject({ agent_id: 'alpha' });
    expect(JSON.parse(lab.events[mark]!.payload)).toEqual({
      agent_id: 'alpha',
      network_id: 'local',
      fqid: 'molt://local/agents/alpha',
      name: 'Alpha',
    });

    const renamed = await lab.register('alpha', 'Alpha II');
    expect(renamed).toEqual({
      registration: { ...registration, display_name: 'Alpha II', updated_at: new Date(now).toISOString() },
      created: false,
    });
    expect(lab.typesSince(mark)).toEqual(['agent.registered', 'agent.registered']);
  });

  it('AGENT-2 takes no id that could be mistaken for another network’s', async () => {
    const lab = await openLab();
    for (const id of [
      'net_b:gamma',
      'local:alpha',
      'molt://local/agents/alpha',
      'a/b',
      'a b',
      '-a',
      'x'.repeat(129),
    ]) {
      expect([id, await codeOf(lab.register(id))]).toEqual([id, 'invalid_agent_id']);
    }
    expect(await codeOf(lab.register('a', 'x'.repeat(limits.name.value + 1)))).toBe('invalid_name');
    expect(await codeOf(lab.register('a', 'x\u0000'))).toBe('invalid_text');
    expect(lab.network.topology.agentCount).toBe(0);
  });

  it('AGENT-3 without an id makes one of the name, and one that is free', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'ops', members: ['reserved'] });
    const idFor = async (name?: string) =>
      (
        await lab.execute('agent.register', {
          requested_id: ' ',
          via: 'http',
          ...(name !== undefined && { name }),
        })
      ).registration.agent_id;
    expect(await idFor(' Été  Ops (2) ')).toBe('t-ops-2');
    expect(await idFor('été ops 2')).toMatch(/^t-ops-2-[0-9a-f]{8}$/);
    expect(await idFor()).toBe('agent');
    expect(await idFor('日本')).toMatch(/^agent-[0-9a-f]{8}$/);
    expect(await idFor('Reserved')).toMatch(/^reserved-[0-9a-f]{8}$/);
    expect((await idFor('x'.repeat(128))).length).toBeLessThanOrEqual(128);
    await lab.execute('agent.remove', { agent_id: 'agent' });
    expect(await idFor()).toMatch(/^agent-[0-9a-f]{8}$/);
  });
});

it('AGENT-7 with credentials an id is its credential’s; an admin may rename it, and takes nothing', async () => {
  const lab = await openLab({
    settings: { auth_mode: 'bearer', agent_registration: 'token' },
    identity: bearer('op', ['admin']),
  });
  const owner = bearer('owner', ['attach']);
  const claim = (as: Identity, name?: string) =>
    lab.execute('agent.register', { requested_id: 'alpha', via: 'attach', ...(name && { name }) }, as);
  expect(await claim(owner)).toMatchObject({ created: true });
  expect(await claim(owner)).toMatchObject({ created: false });
  expect(await codeOf(claim(bearer('other', ['attach'])))).toBe('agent_taken');
  expect(await lab.register('alpha', 'Renamed')).toMatchObject({
    created: false,
    registration: { display_name: 'Renamed' },
  });
  expect(lab.network.topology.agent('alpha')!.credential_key).toBe('token:owner');
  expect(await codeOf(claim({ ...bearer('bound', ['attach']), agents: new Set(['beta']) }))).toBe(
    'forbidden',
  );
  expect(await codeOf(claim({ ...owner, credential_key: 'agent-token:x', agents: new Set(['beta']) }))).toBe(
    'agent_taken',
  );
  expect(await codeOf(claim(bearer('writer', ['write'])))).toBe('forbidden');
});

describe('removal', () => {
  it('AGENT-4 takes an agent out of all rooms, and is told', async () => {
    const lab = await openLab();
    await lab.register('alpha', 'Alpha');
    await lab.createRoom({ id: 'ops', members: ['alpha', 'beta'] });
    await lab.createRoom({ id: 'dev', members: ['local:alpha', 'net_b:alpha'] });
    const mark = lab.events.length;
    expect(await lab.execute('agent.remove', { agent_id: 'molt://local/agents/alpha' })).toEqual({
      removed: true,
      kind: 'agent',
      id: 'alpha',
      mode: 'soft',
    });
    expect(lab.typesSince(mark)).toEqual(['agent.removed']);
    expect(JSON.parse(lab.events[mark]!.payload)).toEqual({
      agent_id: 'alpha',
      network_id: 'local',
      fqid: 'molt://local/agents/alpha',
      name: 'Alpha',
      reason: 'removed',
    });
    const { topology } = lab.network;
    expect([topology.room('ops')!.sortedMembers, topology.room('dev')!.sortedMembers]).toEqual([
      ['beta'],
      ['net_b:alpha'],
    ]);
    expect([topology.agent('alpha'), topology.isRemovedAgent('alpha'), topology.agentIds()]).toEqual([
      undefined,
      true,
      ['beta', 'net_b:alpha'],
    ]);
    for (const id of ['alpha', 'stranger', 'a b', ''])
      expect(await codeOf(lab.execute('agent.remove', { agent_id: id }))).toBe('not_found');
  });

  it('AGENT-5 leaves a tombstone: no posts, no attaching, until it registers again', async () => {
    const lab = await openLab();
    const first = await lab.register('alpha');
    await lab.execute('agent.remove', { agent_id: 'alpha' });
    expect(await codeOf(lab.send('agent:alpha', 'room:general', 'hi'))).toBe('agent_removed');
    expect(await codeOf(lab.send('agent:local:alpha', 'dm:@alpha,beta', 'hi'))).toBe('agent_removed');
    expect(await codeOf(lab.execute('agent.register', { requested_id: 'alpha', via: 'attach' }))).toBe(
      'agent_removed',
    );
    const again = await lab.register('alpha');
    expect(again.created).toBe(true);
    expect(again.registration.actor_uid).not.toBe(first.registration.actor_uid);
    expect(await codeOf(lab.send('agent:alpha', 'room:general', 'hi'))).toBe('accepted');
    expect(await codeOf(lab.execute('agent.register', { requested_id: 'alpha', via: 'attach' }))).toBe(
      'accepted',
    );
  });

  it('AGENT-5 of a member that never registered too, and over a restart', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'ops', members: ['ghost', 'net_b:gamma'] });
    await lab.execute('agent.remove', { agent_id: 'ghost' });
    await lab.execute('agent.remove', { agent_id: 'net_b:gamma' });
    expect(lab.network.topology.room('ops')!.members.size).toBe(0);
    await lab.network.close();
    const again = await openLab({ store: lab.store });
    expect(await codeOf(again.execute('agent.register', { requested_id: 'ghost', via: 'attach' }))).toBe(
      'agent_removed',
    );
    expect(await codeOf(again.send('agent:ghost', 'room:general', 'hi'))).toBe('agent_removed');
  });
});

it('AGENT-6 is shown with its rooms, by its own network, registered or only a member', async () => {
  const lab = await openLab();
  const { registration } = await lab.register('alpha', 'Alpha');
  await lab.createRoom({ id: 'b-room', members: ['alpha', 'net_b:gamma'] });
  await lab.createRoom({ id: 'a-room', members: ['alpha'] });
  const { topology } = lab.network;
  expect(topology.agentIds()).toEqual(['alpha', 'net_b:gamma']);
  expect(agentView(topology, 'alpha', { connected: true, attachments: 2 })).toEqual({
    id: 'alpha',
    name: 'Alpha',
    actor_uid: registration.actor_uid,
    fqid: 'molt://local/agents/alpha',
    network_id: 'local',
    rooms: ['a-room', 'b-room'],
    connected: true,
    attachments: 2,
  });
  expect(agentView(topology, 'net_b:gamma')).toEqual({
    id: 'net_b:gamma',
    fqid: 'molt://net_b/agents/gamma',
    network_id: 'net_b',
    rooms: ['b-room'],
    connected: false,
  });
  expect(agentView(topology, 'alpha', undefined, (room) => room.row.id === 'a-room')!.rooms).toEqual([
    'a-room',
  ]);
  expect(agentView(topology, 'nobody')).toBeUndefined();
});
