import { describe, expect, it } from 'vitest';
import type { RoomConfig } from '../config/types.ts';
import { bearer, codeOf, openLab, type Lab } from '../../test/support/network-lab.ts';
import { limits } from '../protocol/limits.ts';
import { ApplyConfigRequest } from '../protocol/network.ts';

const apply = (lab: Lab, request: object) =>
  lab.execute('config.apply', { request: ApplyConfigRequest.parse(request), source: 'api' });
const room = (id: string, some: Partial<RoomConfig> = {}): RoomConfig => ({ id, members: [], ...some });
/** Another process over the same storage, with what its file declares. */
async function restart(lab: Lab, rooms: RoomConfig[] | undefined): Promise<Lab> {
  await lab.network.close();
  return openLab({ store: lab.store, ...(rooms && { rooms }) });
}

describe('the first room', () => {
  it('ROOM-8 an empty network that declares none gets general, once', async () => {
    const lab = await openLab();
    expect(lab.typesSince(0)).toEqual(['room.created']);
    expect(lab.network.topology.room('general')!.row).toMatchObject({
      name: 'general',
      visibility: 'public',
      write_policy: 'registered_agents',
    });
    const again = await restart(lab, undefined);
    expect(again.events).toEqual([]);
    await again.execute('room.remove', { room_id: 'general' });
    const third = await restart(again, undefined);
    expect(third.network.topology.roomIds()).toEqual([]);
  });

  it('ROOM-8 a network that declares rooms, or an empty list of them, does not; nor does it later', async () => {
    for (const rooms of [[], [room('ops')]]) {
      const lab = await openLab({ rooms });
      expect(lab.network.topology.roomIds()).toEqual(rooms.map(({ id }) => id));
      for (const { id } of rooms) await lab.execute('room.remove', { room_id: id });
      const again = await restart(lab, undefined);
      expect(again.network.topology.roomIds()).toEqual([]);
    }
  });
});

describe('declared rooms at start-up', () => {
  it('ROOM-9 are made if they are new, and otherwise changed only where the file says something new', async () => {
    const declared = room('ops', { name: 'Ops', members: ['alpha'], visibility: 'public' });
    const lab = await openLab({ rooms: [declared] });
    expect(lab.network.topology.room('ops')!.sortedMembers).toEqual(['alpha']);
    await lab.execute('room.update', {
      room_id: 'ops',
      request: { name: 'Operations', write_policy: 'operators' },
    });
    await lab.execute('room.members', { room_id: 'ops', request: { add: ['beta'], remove: ['alpha'] } });

    const same = await restart(lab, [declared]);
    expect(same.events).toEqual([]);
    expect(same.network.topology.room('ops')!.row).toMatchObject({
      name: 'Operations',
      visibility: 'public',
      write_policy: 'operators',
    });
    expect(same.network.topology.room('ops')!.sortedMembers).toEqual(['beta']);

    const changed = await restart(same, [
      { ...declared, visibility: 'private', members: ['alpha', 'gamma'] },
    ]);
    expect(changed.typesSince(0)).toEqual(['room.updated', 'room.members.updated']);
    expect(changed.network.topology.room('ops')!.row).toMatchObject({
      name: 'Operations',
      visibility: 'private',
      write_policy: 'operators',
    });
    expect(changed.network.topology.room('ops')!.sortedMembers).toEqual(['alpha', 'gamma']);
  });

  it('ROOM-9 an apply that leaves fields out does not make the file say them anew', async () => {
    const declared = room('ops', { name: 'Ops', visibility: 'public' });
    const lab = await openLab({ rooms: [declared] });
    await lab.execute('room.update', { room_id: 'ops', request: { visibility: 'private', name: 'Mine' } });
    await apply(lab, { rooms: [{ id: 'ops', members: ['alpha'] }] });
    const again = await restart(lab, [declared]);
    expect(again.events).toEqual([]);
    expect(again.network.topology.room('ops')!.row).toMatchObject({ name: 'Mine', visibility: 'private' });
  });

  it('ROOM-5 ROOM-9 may have more members than one request may name', async () => {
    const members = Array.from({ length: 600 }, (_, i) => `m${i}`);
    const lab = await openLab({ rooms: [room('ops', { members })] });
    expect(lab.network.topology.room('ops')!.sortedMembers).toEqual(members.toSorted());
    const fewer = await restart(lab, [room('ops', { members: members.slice(300) })]);
    expect(fewer.network.topology.room('ops')!.members.size).toBe(300);
    const too_many = Array.from({ length: limits.room_members.value + 1 }, (_, i) => `m${i}`);
    const refused = fewer.network.start([room('ops', { members: too_many })]);
    await expect(refused).rejects.toThrow(/^room ops: .*4096/);
  });

  it('ROOM-9 that were removed stay removed and stop nothing', async () => {
    const lab = await openLab({ rooms: [room('ops'), room('dev')] });
    await lab.execute('room.remove', { room_id: 'ops' });
    const again = await restart(lab, [room('ops', { name: 'New name' }), room('dev')]);
    expect(again.network.topology.roomIds()).toEqual(['dev']);
    await again.createRoom({ id: 'ops', name: 'Mine' });
    const third = await restart(again, [room('ops', { name: 'New name' }), room('dev')]);
    expect(third.network.topology.room('ops')!.row.name).toBe('Mine');
  });

  it('ROOM-9 that the rules refuse are named, and nothing of the declaration is kept', async () => {
    const lab = await openLab();
    await expect(lab.network.start([room('good'), room('bad', { visibility: 'sometimes' })])).rejects.toThrow(
      /visibility.*public/,
    );
    expect(lab.network.topology.room('good')).toBeUndefined();
  });
});

describe('apply', () => {
  it('ROOM-10 is one transaction: agents, then rooms; told like single changes', async () => {
    const lab = await openLab();
    const mark = lab.events.length;
    const answer = await apply(lab, {
      network_id: ' local ',
      agents: [
        { id: 'alpha', name: 'Alpha', credential_key: 'token:t1' },
        { id: 'alpha', credential_key: 'token:t1' },
        { id: 'beta' },
      ],
      rooms: [
        { id: 'ops', members: ['alpha'] },
        { id: 'general', name: 'Everyone', members: ['beta'] },
      ],
    });
    expect(answer.applied).toBe(true);
    expect(answer.agents!.map((agent) => [agent.agent_id, agent.display_name])).toEqual([
      ['alpha', 'Alpha'],
      ['beta', undefined],
    ]);
    expect(answer.rooms!.map((one) => [one.id, one.name, one.members])).toEqual([
      ['ops', 'ops', ['alpha']],
      ['general', 'Everyone', ['beta']],
    ]);
    expect(lab.typesSince(mark)).toEqual([
      'agent.registered',
      'agent.registered',
      'room.created',
      'room.updated',
      'room.members.updated',
    ]);
    expect(lab.network.topology.agent('alpha')!.credential_key).toBe('token:t1');
    // The fields that are not given stay.
    expect(lab.network.topology.room('general')!.row).toMatchObject({
      visibility: 'public',
      write_policy: 'registered_agents',
    });
    const again = lab.events.length;
    await apply(lab, {
      rooms: [{ id: 'ops', members: ['alpha'] }],
      agents: [{ id: 'alpha', credential_key: 'token:t2' }],
    });
    expect(lab.typesSince(again)).toEqual(['agent.registered']);
    expect(lab.network.topology.agent('alpha')!.credential_key).toBe('token:t2');
    expect((await apply(lab, { rooms: [{ id: 'ops', members: [] }] })).rooms![0]).not.toHaveProperty(
      'members',
    );
  });

  it('ROOM-10 takes no credential key that cannot be one', async () => {
    const lab = await openLab();
    for (const credential_key of ['\ud800', 'token:\u0000', 'x'.repeat(257), 'a key']) {
      const refusal = apply(lab, { agents: [{ id: 'alpha', credential_key }] });
      expect(await codeOf(refusal)).toBe('unprocessable_entity');
    }
    expect(lab.network.topology.agent('alpha')).toBeUndefined();
  });

  it('ROOM-10 refuses the whole for one bad item', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'gone' });
    await lab.execute('room.remove', { room_id: 'gone' });
    const table: [string, object][] = [
      ['network_mismatch', { network_id: 'net_b' }],
      ['invalid_agent_id', { agents: [{ id: 'ok' }, { id: 'net_b:x' }] }],
      [
        'unprocessable_entity',
        {
          agents: [
            { id: 'ok', credential_key: 'a' },
            { id: 'ok', credential_key: 'b' },
          ],
        },
      ],
      ['invalid_name', { agents: [{ id: 'ok', name: 'a\nb' }] }],
      ['invalid_id', { rooms: [{ id: 'ok' }, {}] }],
      ['unprocessable_entity', { rooms: [{ id: 'ok' }, { id: 'general', visibility: 'x' }] }],
      ['not_found', { rooms: [{ id: 'ok' }, { id: 'gone' }] }],
      [
        'unprocessable_entity',
        { rooms: Array.from({ length: limits.apply_items.value + 1 }, (_, i) => ({ id: `r${i}` })) },
      ],
    ];
    const mark = lab.events.length;
    for (const [code, request] of table)
      expect([code, await codeOf(apply(lab, request))]).toEqual([code, code]);
    expect(lab.events.length).toBe(mark);
    expect(lab.network.topology.roomIds()).toEqual(['general']);
    expect(lab.network.topology.agentIds()).toEqual([]);
  });

  it('ROOM-10 with credentials an agent needs a key, and brings a removed one back', async () => {
    const identity = bearer('op', ['admin']);
    const lab = await openLab({ settings: { auth_mode: 'bearer' }, identity });
    expect(await codeOf(apply(lab, { agents: [{ id: 'alpha' }] }))).toBe('unprocessable_entity');
    await apply(lab, { agents: [{ id: 'alpha', credential_key: 'token:a' }] });
    await lab.execute('agent.remove', { agent_id: 'alpha' });
    await apply(lab, { agents: [{ id: 'alpha', credential_key: 'token:a' }] });
    expect(lab.network.topology.agent('alpha')).toBeDefined();
  });
});
