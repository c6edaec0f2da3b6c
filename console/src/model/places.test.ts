import { describe, expect, it } from 'vitest';
import { dmIdOf as serverDmIdOf } from '../../../src/protocol/ids.ts';
import { byActivity, dmIdOf, dmName } from './dms.ts';
import { placesFor, type Place } from './jump.ts';
import { parseRoute, paths } from '../ui/router.ts';
import { dollars, shortCount, usageByAgent, usageByDay } from './usage.ts';

it('CON-22 the id of a DM is the one that the server derives, in whatever order and form', () => {
  for (const participants of [
    ['operator', 'alpha'],
    ['alpha', 'net_b:gamma'],
    ['ü', 'zeta.1', 'alpha', 'alpha'],
  ])
    expect(dmIdOf(participants, 'local')).toBe(serverDmIdOf(participants, 'local'));
  expect(dmIdOf(['b', 'a'], 'net')).toBe(dmIdOf(['a', 'b'], 'net'));
});

it('CON-22 a DM is called by the others in it, or by all to who looks on; the liveliest is first', () => {
  const alpha = { id: 'alpha', name: 'Alpha\u202e', network_id: 'local', connected: true };
  const dm = { id: 'dm_1', participant_ids: ['alpha', 'operator'], message_count: 1, last_message_at: '' };
  expect(dmName(dm, 'operator', [alpha])).toBe('Alpha');
  expect(dmName(dm, 'ada', [alpha])).toBe('Alpha, operator');
  expect(dmName(undefined, 'ada', [])).toBe('');
  const at = (id: string, last_message_at: string) => ({ ...dm, id, last_message_at });
  expect(
    byActivity([at('old', '2026-01-01T00:00:00Z'), at('none', ''), at('new', '2026-02-01T00:00:00Z')]).map(
      ({ id }) => id,
    ),
  ).toEqual(['new', 'old', 'none']);
});

describe('CON-24 places by what was typed', () => {
  const place = (name: string, about?: string): Place => ({
    key: name,
    kind: 'room',
    name,
    href: '',
    ...(about === undefined ? {} : { about }),
  });
  const places = [
    place('general'),
    place('release-notes'),
    place('Old releases'),
    place('Codex', '@codex-impl'),
  ];
  const found = (typed: string) => placesFor(places, typed).map(({ name }) => name);

  it('CON-24 names that begin with it come first, then words, then what holds it or its letters', () => {
    expect(found('')).toEqual(places.map(({ name }) => name));
    expect(found('rel')).toEqual(['release-notes', 'Old releases']);
    expect(found('#RELEASE')).toEqual(['release-notes', 'Old releases']);
    expect(found('@impl')).toEqual(['Codex']);
    expect(found('gnr')).toEqual(['general']);
    expect(found('nowhere')).toEqual([]);
  });
});

it('CON-11 addresses lead where they say, with whatever stands in an id', () => {
  for (const id of ['general', 'odd:Room_1', 'release-1.2', 'a b/c?d#e%']) {
    expect(parseRoute(paths.room(id, { message: 'm?1' }))).toEqual({ page: 'room', id, message: 'm?1' });
    expect(parseRoute(paths.dm(id))).toEqual({ page: 'dm', id });
    expect(parseRoute(paths.files(id))).toEqual({ page: 'files', room: id });
    expect(parseRoute(paths.agent(id))).toEqual({ page: 'agent', id });
    expect(parseRoute(paths.dmWith(id))).toEqual({ page: 'dms', with: id });
  }
  expect(parseRoute(paths.conversation('thread:t1', 'm1'))).toEqual({
    page: 'thread',
    id: 't1',
    message: 'm1',
  });
  expect(parseRoute('/console/')).toEqual({ page: 'home' });
  for (const odd of ['/console/rooms', '/console/rooms/a/b', '/console/rooms/%E0%A4%A', '/console/x/y/z'])
    expect(parseRoute(odd)).toEqual({ page: 'unknown' });
});

it('CON-28 use per day has every day, use per agent the busiest first', () => {
  const report = {
    since: '2026-11-28',
    usage: [
      { day: '2026-11-28', agent_id: 'alpha', wakes: 2, input_tokens: 10, output_tokens: 5, cost_usd: 0.5 },
      { day: '2026-11-30', agent_id: 'alpha', wakes: 1 },
      { day: '2026-11-30', agent_id: 'beta', room_id: 'general', wakes: 7, cost_usd: 0.25 },
    ],
  };
  const now = new Date('2026-11-30T23:59:00Z');
  expect(
    usageByDay(report, now).map(({ day, sums }) => [day, sums.wakes, sums.tokens, sums.cost_usd]),
  ).toEqual([
    ['2026-11-28', 2, 15, 0.5],
    ['2026-11-29', 0, 0, 0],
    ['2026-11-30', 8, 0, 0.25],
  ]);
  expect(
    usageByDay(report, now, ({ agent_id }) => agent_id === 'alpha').map(({ sums }) => sums.wakes),
  ).toEqual([2, 0, 1]);
  expect(usageByAgent(report.usage).map(({ agent_id, sums }) => [agent_id, sums.wakes])).toEqual([
    ['beta', 7],
    ['alpha', 3],
  ]);
  expect([0, 812, 34_400, 1_240_000].map(shortCount)).toEqual(['0', '812', '34 k', '1.2 M']);
  expect([0, 0.031, 19.5].map(dollars)).toEqual(['$0.00', '$0.031', '$19.50']);
});
