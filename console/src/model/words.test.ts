import { expect, it } from 'vitest';
import { insertMention, mentionAt, mentionCandidates } from './mentions.ts';
import { initials, personId, plainName } from './names.ts';
import { dayName, shortTime } from './times.ts';

it('CON-6 a mention is what stands between an @ and the caret', () => {
  expect(mentionAt('hi @al', 6)).toEqual({ query: 'al', start: 3, end: 6 });
  expect(mentionAt('@', 1)).toEqual({ query: '', start: 0, end: 1 });
  expect(mentionAt('hi @alpha, bye', 14)).toBeUndefined();
  expect(mentionAt('mail ada@example', 16)).toBeUndefined();
});

it('CON-6 a chosen mention is written out once, with one space behind it', () => {
  expect(insertMention('hi @al', { query: 'al', start: 3, end: 6 }, 'alpha')).toEqual({
    text: 'hi @alpha ',
    caret: 10,
  });
  expect(insertMention('@al and more', { query: 'al', start: 0, end: 3 }, 'alpha')).toEqual({
    text: '@alpha and more',
    caret: 7,
  });
});

it('CON-6 agents whose id begins with what is typed come first, connected ones before others', () => {
  const agent = (id: string, connected: boolean) => ({ id, network_id: 'local', connected });
  const agents = [agent('alpha', false), agent('beta', true), agent('malta', true), agent('alma', true)];
  expect(mentionCandidates(agents, 'al').map(({ id }) => id)).toEqual(['alma', 'alpha', 'malta']);
});

it('CON-4 a name keeps none of the characters that deceive', () => {
  expect(plainName('\u202Ead\u200Bmin\u2066\n')).toBe('admin');
  expect(initials('claude-review')).toBe('CR');
  expect(initials('Codex (@codex-impl)')).toBe('CO');
  expect(initials('😀')).toBe('😀');
});

it('CON-6 a person’s id is made of what an id allows', () => {
  expect(personId('Ada Keller')).toBe('ada-keller');
  expect(personId('Žofie Müller!')).toBe('zofie-muller');
  expect(personId('日本')).toBe('operator');
  expect(personId('--x--')).toBe('x');
});

it('CON-4 days and times are as a person says them', () => {
  const now = new Date(2026, 10, 21, 15, 30).getTime();
  expect(dayName(new Date(2026, 10, 21, 0, 1).getTime(), now)).toBe('Today');
  expect(dayName(new Date(2026, 10, 20, 23, 59).getTime(), now)).toBe('Yesterday');
  expect(dayName(new Date(2026, 10, 1).getTime(), now)).not.toContain('2026');
  expect(dayName(new Date(2025, 10, 1).getTime(), now)).toContain('2025');
  expect(shortTime(new Date(2026, 10, 20, 9, 5).toISOString(), now)).toMatch(/^yesterday .*05/);
});
