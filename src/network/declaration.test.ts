import { describe, expect, it } from 'vitest';
import type { RoomConfig, StaticToken } from '../config/types.ts';
import { bearer, codeOf, openLab, settingsOf, type Lab } from '../../test/support/network-lab.ts';
import { derivedTokenId, staticTokenKey } from '../protocol/credentials.ts';
import { ApplyConfigRequest } from '../protocol/network.ts';
import { StorageError } from '../store/errors.ts';
import type { Store } from '../store/store.ts';
import { tokenAgents } from './declaration.ts';

const room = (id: string, some: Partial<RoomConfig> = {}): RoomConfig => ({ id, members: [], ...some });
const people = (...ids: string[]) => new Map(ids.map((id) => [id, { id }]));
const admin = bearer('op', ['admin']);
const BEARER = { auth_mode: 'bearer', agent_registration: 'token' } as const;
const of = (token: string, ...ids: string[]) =>
  ids.map((id) => ({ id, credential_key: staticTokenKey(token) }));
const texts = (notes: { text: string }[]) => notes.map(({ text }) => text);
const apply = (lab: Lab, request: object) =>
  lab.execute('config.apply', { request: ApplyConfigRequest.parse(request), source: 'api' });

describe('notes', () => {
  it('ROOM-9 say for each field that is unlike the file whose word counted, and nothing of the others', async () => {
    const declared = room('ops', { name: 'Ops', members: ['alpha'], guard: { turns: 3 } });
    const lab = await openLab({ rooms: [declared, room('gone')] });
    expect(lab.notes).toEqual([]);
    const { network } = lab;
    expect(await network.start([declared, room('gone')])).toEqual([]);
    await lab.execute('room.remove', { room_id: 'gone' });
    await lab.execute('room.members', { room_id: 'ops', request: { add: ['beta'] } });
    await lab.execute('room.update', {
      room_id: 'ops',
      request: { name: 'Mine', guard: { turns: 5 }, visibility: 'public' },
    });
    const file = [{ ...declared, guard: { turns: 7 } }, room('gone'), room('fresh')];
    expect(await network.start(file)).toEqual([
      { room: 'ops', field: 'name', text: 'field name of room ops: kept as the API set it' },
      { room: 'ops', field: 'guard', text: 'field guard of room ops: taken from the file' },
      { room: 'ops', field: 'members', text: 'field members of room ops: kept as the API set it' },
      { room: 'gone', text: 'room gone is declared, and was removed: it stays removed' },
    ]);
    const { row, sortedMembers } = network.topology.room('ops')!;
    expect(row).toMatchObject({ name: 'Mine', guard: '{"turns":7}', visibility: 'public' });
    expect(sortedMembers).toEqual(['alpha', 'beta']);

    const members = ['beta', 'alpha', 'gamma'];
    const notes = await network.reload(settingsOf(), [{ ...file[0]!, members }], []);
    expect(texts(notes)).toEqual([
      'field name of room ops: kept as the API set it',
      'field members of room ops: taken from the file',
    ]);
    expect(network.topology.room('ops')!.sortedMembers).toEqual(['alpha', 'beta', 'gamma']);
  });

  it('ROOM-10 an apply over the API answers without them', async () => {
    const lab = await openLab({ rooms: [room('ops', { name: 'Ops' })] });
    expect(Object.keys(await apply(lab, { rooms: [{ id: 'ops', name: 'Mine' }] }))).toEqual([
      'applied',
      'rooms',
    ]);
  });
});

describe("a token's agents", () => {
  const tokens: StaticToken[] = [
    { id: 'build', value: 'secret-1', scopes: ['attach'], agents: ['alpha', 'molt://local/agents/beta'] },
    { value: 'secret-2', scopes: ['attach'], agents: ['local:gamma', 'net_b:delta'] },
    { id: 'admin', value: 'secret-3', scopes: ['admin'] },
  ];
  const config = (mode: 'none' | 'bearer' | 'open') => ({
    network: { id: 'local', name: 'Local' },
    auth: {
      mode,
      tokens,
      public_read: false,
      agent_registration: 'disabled' as const,
      first_come_claims: false,
    },
  });

  it('AGENT-8 are those of this network, under the id of their token; none in mode none', () => {
    expect(tokenAgents(config('none'))).toEqual([]);
    for (const mode of ['bearer', 'open'] as const) {
      expect(tokenAgents(config(mode))).toEqual([
        ...of('build', 'alpha', 'beta'),
        ...of(derivedTokenId('secret-2'), 'gamma'),
      ]);
    }
  });

  it('AGENT-8 are registered under it, once; a registration that exists is bound to it, and what it had is void', async () => {
    const lab = await openLab({ settings: BEARER, identity: admin, agents: of('build', 'alpha') });
    expect(lab.typesSince(0)).toEqual(['agent.registered', 'room.created']);
    const { topology } = lab.network;
    const { actor_uid } = topology.agent('alpha')!;
    const mark = lab.events.length;
    expect(await lab.network.start([], of('build', 'alpha'))).toEqual([]);
    expect(lab.events.length).toBe(mark);

    await apply(lab, { agents: [{ id: 'beta', name: 'Beta', credential_key: 'agent-token:ab' }] });
    await lab.store.commit([
      { events: [], rows: [{ op: 'agent', row: { ...topology.agent('beta')!, claim_key_hash: 'key' } }] },
    ]);
    const again = await openLab({
      store: lab.store,
      settings: BEARER,
      rooms: [],
      agents: of('build', 'alpha'),
    });
    expect(again.network.topology.agent('beta')!.claim_key_hash).toBe('key');
    const notes = await again.network.start([], of('ci', 'alpha', 'beta'));
    expect(texts(notes)).toEqual([
      'agent alpha is bound to token:ci now: what it had before is void',
      'agent beta is bound to token:ci now: what it had before is void',
    ]);
    expect(again.network.topology.agent('alpha')).toMatchObject({ actor_uid, credential_key: 'token:ci' });
    expect(again.network.topology.agent('beta')).toMatchObject({
      display_name: 'Beta',
      credential_key: 'token:ci',
      claim_key_hash: null,
    });
    expect(again.network.topology.agentByCredential('agent-token:ab')).toBeUndefined();
  });

  it('AGENT-8 that were removed stay removed, which is noted and stops nothing', async () => {
    const lab = await openLab({ settings: BEARER, identity: admin, agents: of('build', 'alpha', 'beta') });
    await lab.execute('agent.remove', { agent_id: 'alpha' });
    const notes = await lab.network.start([], of('build', 'alpha', 'beta'));
    expect(notes).toEqual([
      { agent: 'alpha', text: 'agent alpha is declared, and was removed: it stays removed' },
    ]);
    expect(lab.network.topology.agent('alpha')).toBeUndefined();
  });

  it('AGENT-9 are no people, and people are no agents; the refusal says who', async () => {
    const lab = await openLab({ settings: { ...BEARER, people: people('ann') }, identity: admin });
    const declared = lab.network.start([], of('build', 'alpha', 'ann'));
    expect(await codeOf(declared)).toBe('person_reserved');
    await expect(declared).rejects.toThrow(/\bann\b/);
    expect(await codeOf(apply(lab, { agents: [{ id: 'ann', credential_key: 'token:x' }] }))).toBe(
      'person_reserved',
    );
    expect(lab.network.topology.agent('alpha')).toBeUndefined();

    await apply(lab, { agents: [{ id: 'bob', credential_key: 'token:x' }] });
    const { network } = lab;
    const named = network.reload(settingsOf({ ...BEARER, people: people('ann', 'bob') }), [], []);
    expect(await codeOf(named)).toBe('agent_taken');
    await expect(named).rejects.toThrow(/human: bob is a registered agent; remove it/);
    expect([...network.settings.people.keys()]).toEqual(['ann']);
    // A start goes on: nobody could remove it before.
    Object.assign(network.settings, { people: people('ann', 'bob') });
    const notes = await network.start([], []);
    expect(notes.map(({ agent }) => agent)).toEqual(['bob']);
    await lab.execute('agent.remove', { agent_id: 'bob' });
    await network.reload(settingsOf({ ...BEARER, people: people('ann', 'bob') }), [], []);
  });

  it('AGENT-10 an agent token is not given to a second agent; a claim code for an agent that is declared is void', async () => {
    const lab = await openLab({ settings: BEARER, identity: admin });
    const { topology } = lab.network;
    const { code } = await lab.execute('agent.invite', { agent_id: 'alpha' });
    expect(topology.inviteOf('alpha')).toBeDefined();
    await apply(lab, { agents: [{ id: 'alpha', credential_key: 'agent-token:ab' }] });
    expect(topology.inviteOf('alpha')).toBeUndefined();
    await lab.execute('agent.remove', { agent_id: 'alpha' });
    const late = lab.execute('agent.register', { requested_id: 'alpha', via: 'http', claim_code: code });
    expect(await codeOf(late)).toBe('invalid_claim_code');

    const twice = [
      { id: 'beta', credential_key: 'agent-token:cd' },
      { id: 'gamma', credential_key: 'agent-token:cd' },
    ];
    expect(await codeOf(apply(lab, { agents: twice }))).toBe('conflict');
    await apply(lab, { agents: twice.slice(0, 1) });
    expect(await codeOf(apply(lab, { agents: twice.slice(1) }))).toBe('conflict');
    expect(topology.agentByCredential('agent-token:cd')!.id).toBe('beta');
    await lab.execute('agent.remove', { agent_id: 'beta' });
    expect(await codeOf(apply(lab, { agents: twice.slice(1) }))).toBe('conflict');
    expect(topology.removedByCredential('agent-token:cd')!.id).toBe('beta');
    await apply(lab, { agents: twice.slice(0, 1) });
    expect(topology.agentByCredential('agent-token:cd')!.id).toBe('beta');
  });
});

describe('a reload', () => {
  it('ROOM-12 puts settings and declaration in force between two commands', async () => {
    const lab = await openLab({ rooms: [room('ops', { members: ['alpha'] })] });
    const { network } = lab;
    const { settings } = network;
    const mark = lab.events.length;
    const codes = await Promise.all([
      codeOf(lab.send('human:ann', 'room:ops', 'before')),
      codeOf(lab.send('agent:alpha', 'room:new', 'before')),
      codeOf(network.reload(settingsOf({ human_ingress: false, name: 'Renamed' }), [room('new')], [])),
      codeOf(lab.send('human:ann', 'room:ops', 'after')),
      codeOf(lab.send('agent:alpha', 'room:new', 'after')),
    ]);
    expect(codes).toEqual(['accepted', 'not_found', 'accepted', 'human_ingress_disabled', 'accepted']);
    expect(lab.typesSince(mark)).toEqual(['message.created', 'room.created', 'message.created']);
    expect(network.settings).toBe(settings);
    expect(network.topology.settings).toBe(settings);
    expect(settings).toEqual(settingsOf({ human_ingress: false, name: 'Renamed' }));
    expect(network.topology.roomIds()).toEqual(['new', 'ops']);
  });

  it('ROOM-12 with nothing to write takes the settings all the same, and makes no first room', async () => {
    const lab = await openLab({ rooms: [] });
    expect(await lab.network.reload(settingsOf({ public_read: true }), undefined, [])).toEqual([]);
    expect(lab.network.settings.public_read).toBe(true);
    expect(lab.events).toEqual([]);
  });

  it('ROOM-12 GUARD-5 with a higher limit lets go on what is held', async () => {
    const lab = await openLab({ settings: { guard: { turns: 1 } }, rooms: [room('ops')] });
    for (const agent of ['alpha', 'beta'])
      await lab.execute('room.members', { room_id: 'ops', request: { add: [agent] } });
    for (const agent of ['alpha', 'beta']) await lab.send(`agent:${agent}`, 'room:ops', 'hi');
    expect(lab.network.isHeld('room:ops')).toBe(true);
    await lab.network.reload(settingsOf({ guard: { turns: 'off' } }), [room('ops')], []);
    expect(lab.network.isHeld('room:ops')).toBe(false);
    expect(lab.events.at(-1)!.type).toBe('conversation.resumed');
  });

  it('ROOM-12 that is refused, or that storage does not take, changes nothing', async () => {
    const real = await openLab({ rooms: [room('ops')] });
    await real.network.close();
    let full = false;
    const store = new Proxy(real.store, {
      get(there: Store, name) {
        if (name === 'commit' && full) return () => Promise.reject(new StorageError('disk full'));
        const value: unknown = Reflect.get(there, name, there);
        return typeof value === 'function' ? value.bind(there) : value;
      },
    });
    const lab = await openLab({ store, rooms: [room('ops')] });
    const before = { ...lab.network.settings };
    const settings = settingsOf({ human_ingress: false, first_come_claims: true });
    const bad = [room('new'), room('ops', { visibility: 'sometimes' })];
    const refused = lab.network.reload(settings, bad, []);
    const send = lab.send('human:ann', 'room:ops', 'in the same batch');
    await expect(refused).rejects.toThrow(/^room ops: visibility/);
    expect(await codeOf(send)).toBe('accepted');
    full = true;
    expect(await codeOf(lab.network.reload(settings, [room('new')], []))).toBe('storage_unavailable');
    full = false;
    expect(await codeOf(lab.network.reload({ ...settings, id: 'other' }, [], []))).toBe('network_mismatch');
    expect(lab.network.settings).toEqual(before);
    expect(lab.network.topology.roomIds()).toEqual(['ops']);
    expect(await codeOf(lab.send('human:ann', 'room:ops', 'after'))).toBe('accepted');
  });
});
