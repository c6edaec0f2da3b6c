import { describe, expect, it } from 'vitest';
import { codeOf, openLab } from '../../test/support/network-lab.ts';
import { limits } from '../protocol/limits.ts';

const many = (n: number, prefix = 'a') => Array.from({ length: n }, (_, i) => `${prefix}${i}`);

describe('creating a room', () => {
  it('ROOM-1 answers and tells it without access, members canonical and sorted, a blank name as its id', async () => {
    const lab = await openLab();
    const mark = lab.events.length;
    const room = await lab.createRoom({
      id: ' ops ',
      name: '  ',
      members: [' beta', 'local:alpha', 'molt://net_b/agents/gamma', 'alpha', ' '],
      guard: { turns: 5 },
    });
    expect(room).toEqual({
      id: 'ops',
      network_id: 'local',
      fqid: 'molt://local/rooms/ops',
      name: 'ops',
      members: ['alpha', 'beta', 'net_b:gamma'],
      visibility: 'private',
      write_policy: 'members',
      guard: { turns: 5 },
      created_at: lab.events[mark]!.created_at,
    });
    expect(Object.keys(room)).toEqual([
      'id',
      'network_id',
      'fqid',
      'name',
      'members',
      'visibility',
      'write_policy',
      'guard',
      'created_at',
    ]);
    expect(lab.typesSince(mark)).toEqual(['room.created']);
    expect(JSON.parse(lab.events[mark]!.payload)).toEqual(room);
    expect(lab.network.topology.memberSince('ops', 'alpha')).toBe(lab.events[mark]!.seq);
  });

  it('ROOM-2 is refused with a code for each rule', async () => {
    const lab = await openLab();
    const table: [string, Parameters<typeof lab.createRoom>[0]][] = [
      ['invalid_id', {}],
      ['invalid_id', { id: 'no room' }],
      ['invalid_id', { id: 'x'.repeat(129) }],
      ['invalid_id', { id: 'r', members: ['a b'] }],
      ['invalid_name', { id: 'r', name: 'x'.repeat(limits.name.value + 1) }],
      ['invalid_name', { id: 'r', name: 'a\tb' }],
      ['invalid_text', { id: 'r', members: ['a\u0000'] }],
      ['unprocessable_entity', { id: 'r', visibility: 'Public' }],
      ['unprocessable_entity', { id: 'r', write_policy: 'everybody' }],
      ['too_many_members', { id: 'r', members: many(limits.members_per_request.value + 1) }],
      ['room_exists', { id: 'general' }],
    ];
    const mark = lab.events.length;
    for (const [code, request] of table)
      expect([code, await codeOf(lab.createRoom(request))]).toEqual([code, code]);
    expect(lab.events.length).toBe(mark);
    expect(
      await codeOf(
        lab.createRoom({ id: 'r', members: [...many(limits.members_per_request.value), 'a0', 'local:a1'] }),
      ),
    ).toBe('accepted');
  });

  it('ROOM-2 twice at once has one winner', async () => {
    const lab = await openLab();
    const codes = await Promise.all([
      codeOf(lab.createRoom({ id: 'r' })),
      codeOf(lab.createRoom({ id: 'r' })),
    ]);
    expect(codes).toEqual(['accepted', 'room_exists']);
  });
});

describe('changing a room', () => {
  it('ROOM-3 changes what is given; what changes nothing is not told', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'ops', name: 'Ops', members: ['alpha'] });
    const mark = lab.events.length;
    const patch = (request: object) => lab.execute('room.update', { room_id: 'ops', request });
    expect(await patch({ visibility: 'public', guard: { turns: 'off' } })).toMatchObject({
      name: 'Ops',
      visibility: 'public',
      write_policy: 'members',
      guard: { turns: 'off' },
      members: ['alpha'],
    });
    await patch({ visibility: 'public', name: ' Ops ' });
    await patch({});
    expect(lab.typesSince(mark)).toEqual(['room.updated']);
    expect(await patch({ name: '', guard: { hour_turns: 50 } })).toMatchObject({
      guard: { turns: 'off', hour_turns: 50 },
    });
    expect(await patch({ guard: {} })).toMatchObject({ guard: { turns: 'off', hour_turns: 50 } });
    expect(await patch({ guard: { turns: null, pair_turns: 7 } })).toMatchObject({
      guard: { hour_turns: 50, pair_turns: 7 },
    });
    expect(await patch({ guard: null })).not.toHaveProperty('guard');
    expect(lab.network.topology.room('ops')!.row).toMatchObject({ name: 'ops', guard: '{}' });
    expect(await codeOf(patch({ visibility: 'secret' }))).toBe('unprocessable_entity');
    expect(await codeOf(lab.execute('room.update', { room_id: 'nowhere', request: {} }))).toBe('not_found');
    expect(await codeOf(lab.execute('room.update', { room_id: 'no room', request: {} }))).toBe('invalid_id');
  });

  it('ROOM-4 members: adds, then removes; told once, at its own time; nothing changed is not told', async () => {
    let now = Date.UTC(2026, 0, 1);
    const lab = await openLab({ clock: () => now });
    await lab.createRoom({ id: 'ops', members: ['alpha', 'beta'] });
    now += 60_000;
    const mark = lab.events.length;
    const change = (add: string[] | undefined, remove: string[] | undefined) =>
      lab.execute('room.members', { room_id: 'ops', request: { add, remove } });
    expect((await change(['gamma', 'local:beta', 'delta'], ['local:alpha', 'delta'])).members).toEqual([
      'beta',
      'gamma',
    ]);
    await change(['beta'], ['delta', 'nobody']);
    await change(undefined, undefined);
    await change(['zeta'], ['local:zeta']);
    expect(lab.typesSince(mark)).toEqual(['room.members.updated']);
    expect(lab.events[mark]).toMatchObject({ created_at: new Date(now).toISOString(), room_id: 'ops' });
    expect(JSON.parse(lab.events[mark]!.payload).created_at).toBe(new Date(now - 60_000).toISOString());
    expect(lab.network.topology.memberSince('ops', 'gamma')).toBe(lab.events[mark]!.seq);
    expect([...lab.network.topology.roomsOf('alpha')]).toEqual([]);
    expect(await change(undefined, ['beta', 'gamma'])).not.toHaveProperty('members');
    expect(await codeOf(change(['a b'], undefined))).toBe('invalid_id');
    expect(
      await codeOf(lab.execute('room.members', { room_id: 'nowhere', request: { add: [], remove: [] } })),
    ).toBe('not_found');
  });

  it('ROOM-5 has so many members and no more, in number and in bytes', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'big' });
    const add = (list: string[], room_id = 'big') =>
      lab.execute('room.members', { room_id, request: { add: list, remove: undefined } });
    const step = limits.members_per_request.value;
    for (let i = 0; i < limits.room_members.value / step; i++) await add(many(step, `m${i}-`));
    expect(await codeOf(add(['one-more']))).toBe('too_many_members');
    expect(
      await codeOf(
        lab.execute('room.members', { room_id: 'big', request: { add: ['one-more'], remove: ['m0-0'] } }),
      ),
    ).toBe('accepted');
    expect(await codeOf(add(many(step + 1, 'x')))).toBe('too_many_members');

    await lab.createRoom({ id: 'long' });
    const long = (i: number) => many(step, `${'n'.repeat(120)}:${'x'.repeat(110)}-${i}-`);
    let codes = '';
    for (let i = 0; codes !== 'too_many_members'; i++) codes = await codeOf(add(long(i), 'long'));
    const { members } = lab.network.topology.room('long')!;
    expect(members.size).toBeGreaterThan(2_000);
    expect(members.size).toBeLessThan(limits.room_members.value);
    expect(lab.events.every((event) => Buffer.byteLength(event.payload) <= limits.room.value)).toBe(true);
  });
});

describe('removing a room', () => {
  it('ROOM-6 is told as it was; its messages stay, its members and its place do not', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'ops', members: ['alpha'] });
    await lab.send('agent:alpha', 'room:ops', { id: 'm1' });
    const mark = lab.events.length;
    expect(await lab.execute('room.remove', { room_id: ' ops ' })).toEqual({
      removed: true,
      kind: 'room',
      id: 'ops',
      mode: 'soft',
    });
    expect(lab.events[mark]).toMatchObject({ type: 'room.removed', room_id: 'ops' });
    expect(JSON.parse(lab.events[mark]!.payload)).toMatchObject({ id: 'ops', members: ['alpha'] });
    expect(lab.network.topology.room('ops')).toBeUndefined();
    expect(lab.network.topology.roomsOf('alpha').size).toBe(0);
    expect(lab.network.topology.agentIds()).not.toContain('alpha');
    for (const refused of [
      lab.execute('room.remove', { room_id: 'ops' }),
      lab.execute('room.update', { room_id: 'ops', request: {} }),
      lab.send('agent:alpha', 'room:ops', 'hi'),
    ]) {
      expect(await codeOf(refused)).toBe('not_found');
    }
    expect((await lab.store.messages(['m1'])).size).toBe(1);
  });

  it('ROOM-7 its id may be used again: the history is there, the members are those asked for now', async () => {
    const lab = await openLab();
    const { created_at } = await lab.createRoom({
      id: 'ops',
      name: 'Ops',
      members: ['alpha'],
      visibility: 'public',
    });
    await lab.send('agent:alpha', 'room:ops', { id: 'm1' });
    await lab.execute('room.remove', { room_id: 'ops' });
    const mark = lab.events.length;
    expect(await lab.createRoom({ id: 'ops', members: ['beta'] })).toMatchObject({
      name: 'ops',
      members: ['beta'],
      visibility: 'private',
      created_at,
    });
    expect(lab.typesSince(mark)).toEqual(['room.created']);
    expect((await lab.store.messagePage('room:ops', { limit: 10 })).rows.map((row) => row.id)).toEqual([
      'm1',
    ]);
    await lab.send('agent:beta', 'room:ops', { id: 'm2' });
    expect((await lab.store.conversations(['room:ops'])).get('room:ops')).toMatchObject({ message_count: 2 });
    expect(await codeOf(lab.createRoom({ id: 'ops' }))).toBe('room_exists');
  });
});
