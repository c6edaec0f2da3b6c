import { expect, it } from 'vitest';
import { bearer, codeOf, openLab, type Lab } from '../../test/support/network-lab.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import { parsePauseScope } from '../protocol/pauses.ts';

const NOW = Date.UTC(2026, 10, 21, 10);
const AT = '2026-11-21T10:00:00.000Z';
const LATER = '2026-11-21T11:00:00.000Z';
const clock = () => NOW;

const pause = (lab: Lab, scope: PauseScope, until?: string) =>
  lab.execute('pause.set', { scope, paused: true, ...(until !== undefined && { until }) });
const resume = (lab: Lab, scope: PauseScope, over = false) =>
  lab.execute('pause.set', { scope, paused: false, over });
const scopeFor = (lab: Lab, agent: string, room?: string) =>
  lab.network.topology.pausedFor(agent, room)?.scope;

it('PAUSE-1 an agent, a room or everything: the widest counts, and a DM has no room', async () => {
  const lab = await openLab({ clock });
  await lab.register('alpha');
  expect(scopeFor(lab, 'alpha', 'general')).toBeUndefined();
  await pause(lab, 'agent:alpha');
  expect([
    scopeFor(lab, 'alpha', 'general'),
    scopeFor(lab, 'alpha'),
    scopeFor(lab, 'beta', 'general'),
  ]).toEqual(['agent:alpha', 'agent:alpha', undefined]);
  await pause(lab, 'room:general');
  expect([scopeFor(lab, 'beta', 'general'), scopeFor(lab, 'beta')]).toEqual(['room:general', undefined]);
  expect(scopeFor(lab, 'alpha', 'general')).toBe('room:general');
  await pause(lab, '*');
  expect([scopeFor(lab, 'beta'), scopeFor(lab, 'alpha', 'general')]).toEqual(['*', '*']);
  for (const scope of ['*', 'room:general', 'agent:alpha'] as const) await resume(lab, scope);
  expect([scopeFor(lab, 'alpha', 'general'), lab.network.topology.pauses()]).toEqual([undefined, []]);
});

it('PAUSE-2 is told and answered as it is; what is so already is told nobody', async () => {
  const lab = await openLab({ clock });
  const change = { scope: 'room:general', at: AT, by: 'operator', until: LATER, paused: true };
  expect(await pause(lab, 'room:general', '2026-11-21T12:00:00+01:00')).toEqual(change);
  expect(lab.events.at(-1)).toMatchObject({ type: 'pause.changed', room_id: 'general', held: false });
  expect(JSON.parse(lab.events.at(-1)!.payload)).toEqual(change);
  const mark = lab.events.length;
  expect(await pause(lab, 'room:general', LATER)).toEqual(change);
  expect(lab.events.length).toBe(mark);
  expect(await pause(lab, 'room:general')).toEqual({
    scope: 'room:general',
    at: AT,
    by: 'operator',
    paused: true,
  });
  expect(await resume(lab, 'room:general')).toEqual({
    scope: 'room:general',
    at: AT,
    by: 'operator',
    paused: false,
    since: AT,
  });
  expect(lab.typesSince(mark)).toEqual(['pause.changed', 'pause.changed']);
  expect(await resume(lab, 'room:general')).toMatchObject({ paused: false });
  expect(lab.events.length).toBe(mark + 2);
  await lab.register('alpha');
  await pause(lab, 'agent:alpha');
  expect(lab.events.at(-1)).toMatchObject({ agent_id: 'alpha' });
  await pause(lab, '*');
  for (const field of ['agent_id', 'room_id', 'conversation'])
    expect(lab.events.at(-1)).not.toHaveProperty(field);
});

it('PAUSE-3 survives a restart, and inside one batch counts what came before', async () => {
  const lab = await openLab({ clock });
  await lab.register('alpha');
  await Promise.all([pause(lab, '*'), resume(lab, '*'), pause(lab, 'agent:alpha', LATER), resume(lab, '*')]);
  const { pauses } = await lab.store.loadTopology();
  expect(pauses).toEqual([{ scope: 'agent:alpha', paused_by: 'operator', at: AT, until: LATER }]);
  expect(lab.network.topology.pauses()).toEqual(pauses);
  await lab.network.close();
  const again = await openLab({ clock, store: lab.store });
  expect(again.network.topology.pauses()).toEqual(pauses);
});

it('PAUSE-4 admin, or observe and write; a person by name, nobody else', async () => {
  const lab = await openLab({ clock, settings: { auth_mode: 'bearer' } });
  const set = (identity: ReturnType<typeof bearer>) =>
    lab.execute('pause.set', { scope: '*', paused: true }, identity);
  for (const scopes of [['observe'], ['write'], ['attach', 'write'], ['pair']] as const)
    expect(await codeOf(set(bearer('x', [...scopes])))).toBe('forbidden');
  expect(await set({ ...bearer('x', ['observe', 'write']), human: { id: 'ana' } })).toMatchObject({
    by: 'ana',
  });
  expect(await lab.execute('pause.set', { scope: '*', paused: false }, bearer('x', ['admin']))).toMatchObject(
    {
      by: 'operator',
    },
  );
});

it('PAUSE-5 of what there is, until a time that is to come; what is gone can go on', async () => {
  const lab = await openLab({ clock });
  for (const scope of ['agent:nobody', 'room:nowhere'] as const)
    expect(await codeOf(pause(lab, scope))).toBe('not_found');
  for (const until of [
    AT,
    '2026-11-21T09:59:59.999Z',
    'tomorrow',
    '2026-11-22',
    '+275760-09-13T00:00:00Z',
    'x'.repeat(9_999),
  ])
    expect(await codeOf(pause(lab, 'room:general', until))).toBe('unprocessable_entity');
  await pause(lab, 'room:general');
  await lab.execute('room.remove', { room_id: 'general' });
  expect(await resume(lab, 'room:general')).toMatchObject({ paused: false });
  expect(lab.network.topology.pauses()).toEqual([]);
  for (const scope of ['', 'alpha', 'agent:', 'agent:a:b', 'dm:d', 'thread:t', 'room: a', '**'])
    expect(() => parsePauseScope(scope)).toThrow(/can be paused/);
});

it('PAUSE-6 its end by time is a change like any other, and none for a pause that was made anew', async () => {
  let now = NOW;
  const lab = await openLab({ clock: () => now });
  await pause(lab, '*', LATER);
  expect(await resume(lab, '*', true)).toMatchObject({ paused: true, until: LATER });
  now = Date.parse(LATER);
  expect(await resume(lab, '*', true)).toEqual({
    scope: '*',
    at: LATER,
    by: 'until',
    paused: false,
    since: AT,
  });
  await pause(lab, '*');
  expect(await resume(lab, '*', true)).toMatchObject({ paused: true });
  expect(lab.network.topology.pauses()).toHaveLength(1);
});
