import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { RoomConfig } from '../config/types.ts';
import { codeOf, labFolder, openLab, type Lab } from '../../test/support/network-lab.ts';
import { hashSecret } from '../protocol/credentials.ts';
import { ApplyConfigRequest } from '../protocol/network.ts';
import { declarationKey } from './declaration.ts';

const SECRET = 'open sesame, Größe 7';
const room = (id: string, some: Partial<RoomConfig> = {}): RoomConfig => ({ id, members: [], ...some });
const update = (lab: Lab, credential: string) =>
  lab.execute('room.update', { room_id: 'ops', request: { credential } });
const apply = (lab: Lab, ...rooms: object[]) =>
  lab.execute('config.apply', { request: ApplyConfigRequest.parse({ rooms }), source: 'api' });
const hashOf = (lab: Lab, id = 'ops') => lab.network.topology.room(id)!.row.credential_hash;

it('ROOM-11 is kept as its hash; it is changed and taken away, and told without it', async () => {
  const lab = await openLab({ rooms: [] });
  const answers: unknown[] = [await lab.createRoom({ id: 'ops', credential: ` ${SECRET}\t` })];
  expect(hashOf(lab)).toBe(hashSecret(SECRET));
  answers.push(await update(lab, SECRET));
  expect(lab.typesSince(0)).toEqual(['room.created']);
  answers.push(await update(lab, 'another'));
  expect(hashOf(lab)).toBe(hashSecret('another'));
  answers.push(await lab.execute('room.update', { room_id: 'ops', request: { name: 'Ops' } }));
  expect(hashOf(lab)).toBe(hashSecret('another'));
  answers.push(await update(lab, ''));
  expect(hashOf(lab)).toBeNull();
  answers.push(await apply(lab, { id: 'ops', credential: SECRET }, { id: 'dev', credential: SECRET }));
  expect([hashOf(lab), hashOf(lab, 'dev')]).toEqual([hashSecret(SECRET), hashSecret(SECRET)]);
  answers.push(await apply(lab, { id: 'ops', name: 'Mine' }));
  expect(hashOf(lab)).toBe(hashSecret(SECRET));

  expect(lab.typesSince(1)).toEqual([...Array(4).fill('room.updated'), 'room.created', 'room.updated']);
  const shown = JSON.stringify([answers, lab.events, lab.network.topology.room('ops')!.sortedMembers]);
  expect(shown).not.toMatch(/credential|sesame|another/);
  expect(shown).not.toContain(hashSecret(SECRET));
});

it('ROOM-11 the room that comes back after its removal has the one that is asked for then', async () => {
  const lab = await openLab({ rooms: [] });
  for (const credential of [SECRET, undefined, 'new']) {
    await lab.createRoom({ id: 'ops', ...(credential !== undefined && { credential }) });
    expect(hashOf(lab)).toBe(credential === undefined ? null : hashSecret(credential));
    await lab.execute('room.remove', { room_id: 'ops' });
  }
});

it('ROOM-11 what no credential can be is refused by every way in, and the refusal does not show it', async () => {
  const lab = await openLab({ rooms: [room('ops', { credential: SECRET })] });
  const bad = [
    '   ',
    '\n',
    'x'.repeat(513),
    'sesame\u0000',
    'sesame\u001b[31m',
    'ses\name',
    'sesame\ud800',
    'sesame\u2028x',
  ];
  for (const credential of bad) {
    for (const refusal of [
      lab.createRoom({ id: 'dev', credential }),
      update(lab, credential),
      apply(lab, { id: 'ops', credential }),
      lab.network.start([room('ops', { credential })]),
    ]) {
      expect([credential, await codeOf(refusal)]).toEqual([credential, 'unprocessable_entity']);
      await expect(refusal).rejects.not.toThrow(/sesame|xxx/);
    }
  }
  expect(hashOf(lab)).toBe(hashSecret(SECRET));
  await update(lab, 'x'.repeat(512));
});

it('ROOM-11 ROOM-9 of the file counts when the file changed it, and is remembered as its hash', async () => {
  const file = path.join(labFolder(), 'moltnet.db');
  const declared = room('ops', { credential: SECRET });
  const start = (rooms: RoomConfig[]) => openLab({ path: file, rooms });
  const first = await start([declared, room('dev')]);
  const known = JSON.stringify({ id: 'ops', credential: hashSecret(SECRET) });
  expect(await first.store.meta(declarationKey('ops'))).toBe(known);
  await update(first, 'of the API');
  for (const name of [file, `${file}-wal`])
    expect(readFileSync(name).includes(SECRET.slice(0, 11)), name).toBe(false);
  await first.close();

  const same = await start([declared, room('dev')]);
  expect(same.notes).toEqual(['field credential of room ops: kept as the API set it']);
  expect(hashOf(same)).toBe(hashSecret('of the API'));
  await same.close();
  const changed = await start([room('ops', { credential: 'of the file' }), room('dev', { credential: '' })]);
  expect(changed.notes).toEqual(['field credential of room ops: taken from the file']);
  expect(hashOf(changed)).toBe(hashSecret('of the file'));
  await changed.close();
  // Not given: not changed.
  const silent = await start([room('ops')]);
  expect([silent.notes, hashOf(silent)]).toEqual([[], hashSecret('of the file')]);
  await silent.close();
  const away = await start([room('ops', { credential: '' })]);
  expect(hashOf(away)).toBeNull();
  expect(readFileSync(file).includes('of the file')).toBe(false);
});
