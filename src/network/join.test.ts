import { expect, it } from 'vitest';
import { bearer, codeOf, openLab, type Lab } from '../../test/support/network-lab.ts';
import { JoinRoomRequest } from '../protocol/rooms.ts';
import { agentIdentity, anyone, type Identity } from './identity.ts';
import type { z } from 'zod';

const alpha = agentIdentity('bearer', 'agent-token:alpha', 'alpha');
const nobody: Identity = { mode: 'bearer', credential_key: 'anonymous', scopes: new Set() };
const from = { type: 'agent', id: 'alpha' };
const credential = 'open-sesame';

async function openRooms(mode: 'none' | 'bearer' = 'bearer'): Promise<Lab> {
  const lab = await openLab({
    settings: { auth_mode: mode, people: new Map([['ana', { id: 'ana' }]]) },
    identity: mode === 'none' ? anyone : bearer('op', ['admin']),
  });
  await lab.createRoom({ id: 'cave', members: ['beta'], credential });
  await lab.createRoom({ id: 'vault', members: ['beta'] });
  return lab;
}
const join = (lab: Lab, as: Identity, request: z.input<typeof JoinRoomRequest>, room_id = 'cave') =>
  lab.execute('room.join', { room_id, request: JoinRoomRequest.parse(request) }, as);

it('AGENT-27 an agent joins by the credential of the room, and is told to all once', async () => {
  const lab = await openRooms();
  const mark = lab.events.length;
  const joined = await join(lab, alpha, { from, credential: ` ${credential} ` });
  expect(joined).toMatchObject({ id: 'cave', members: ['alpha', 'beta'] });
  expect(lab.network.topology.isMember('cave', 'alpha')).toBe(true);
  expect(await join(lab, alpha, { credential })).toEqual(joined);
  expect(lab.typesSince(mark)).toEqual(['room.members.updated']);
  expect(JSON.stringify([joined, lab.events])).not.toContain(credential);
  const node = { ...bearer('node', ['attach']), agents: new Set(['gamma', 'delta']) };
  expect(
    await codeOf(join(lab, node, { from: { type: 'agent', id: 'molt://local/agents/gamma' }, credential })),
  ).toBe('accepted');
  expect(await codeOf(join(lab, node, { credential }))).toBe('invalid_id');
  expect(lab.network.topology.room('cave')!.sortedMembers).toEqual(['alpha', 'beta', 'gamma']);
});

it('AGENT-27 whatever is wrong is refused in the same words', async () => {
  const lab = await openRooms();
  await lab.execute(
    'agent.register',
    { requested_id: 'alpha', via: 'http' },
    { ...anyone, credential_key: 'token:x' },
  );
  const told = (promise: Promise<unknown>) =>
    promise.then(
      () => 'accepted',
      (error: { code: string; message: string }) => `${error.code} ${error.message}`,
    );
  const beta = agentIdentity('bearer', 'agent-token:beta', 'beta');
  const refusals = await Promise.all(
    [
      join(lab, beta, { from: { type: 'agent', id: 'beta' } }),
      join(lab, beta, { from: { type: 'agent', id: 'beta' }, credential: '' }),
      join(lab, beta, { from: { type: 'agent', id: 'beta' }, credential: `${credential}x` }),
      join(lab, beta, { credential }, 'vault'),
      join(lab, beta, { credential: '' }, 'vault'),
      join(lab, beta, { from: { type: 'agent', id: 'gamma' }, credential }),
      join(lab, beta, { from: { type: 'agent', id: 'net_b:beta' }, credential }),
      join(lab, beta, { from: { type: 'human', id: 'beta' }, credential }),
      join(lab, alpha, { credential }),
      join(lab, bearer('op', ['admin', 'write']), { from, credential }),
      join(
        lab,
        { ...bearer('ana', ['write']), human: { id: 'ana' } },
        { from: { type: 'human', id: 'ana' }, credential },
      ),
    ].map(told),
  );
  expect(new Set(refusals).size).toBe(1);
  expect(refusals[0]).toMatch(/^forbidden /);
  expect(await codeOf(join(lab, beta, { credential }, 'nowhere'))).toBe('not_found');
  for (const room of ['cave', 'nowhere'])
    expect(await codeOf(join(lab, nobody, { from, credential }, room))).toBe('unauthorized');
  expect(lab.network.topology.room('cave')!.sortedMembers).toEqual(['beta']);
});

it('AGENT-27 in mode none too the credential is asked for, and a removed agent stays out', async () => {
  const lab = await openRooms('none');
  expect(await codeOf(join(lab, anyone, { from, credential: 'guess' }))).toBe('forbidden');
  expect(await codeOf(join(lab, anyone, { from: { type: 'agent', id: 'ana' }, credential }))).toBe(
    'forbidden',
  );
  expect(await codeOf(join(lab, anyone, { from, credential }))).toBe('accepted');
  await lab.execute('agent.remove', { agent_id: 'alpha' });
  expect(await codeOf(join(lab, anyone, { from, credential }))).toBe('agent_removed');
});
