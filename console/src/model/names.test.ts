import { expect, it } from 'vitest';
import type { Actor } from '../../../src/protocol/actors.ts';
import { actorName, agentName, plainName } from './names.ts';

const named = (id: string, name?: string): string =>
  actorName({ type: 'agent', id, ...(name === undefined ? {} : { name }) } as Actor);

it('CON-4 a name that is not of its id is shown with it: anybody may take any name', () => {
  for (const [id, name] of [
    ['alpha', 'Alpha'],
    ['code-review', 'Code Review'],
    ['anna', 'Anna Lee'],
    ['jose', 'José'],
    ['a.b_c', 'A b C'],
  ])
    expect(named(id!, name)).toBe(name);
  expect(named('mallory', 'Alpha')).toBe('Alpha (@mallory)');
  // A look-alike: the first letter is Cyrillic.
  expect(named('alpha2', '\u0430lpha')).toBe('\u0430lpha (@alpha2)');
  expect(named('alpha-evil', 'Alpha')).toBe('Alpha (@alpha-evil)');
  expect(named('alpha')).toBe('alpha');
  // Also where it is removed, or given a token.
  expect(agentName({ id: 'mallory', name: 'Alpha' })).toBe('Alpha (@mallory)');
  expect(agentName({ id: 'alpha', name: '' })).toBe('alpha');
});

it('CON-4 nothing in a name hides, turns or leaves its line', () => {
  expect(plainName('\u202Ega\u2066mma\u200B\u{E0041}\uFE0F')).toBe('gamma');
  for (const blank of ['\u3164', '\u2800', '\u115F\u1160', '\uFFA0', '\u00A0 ', '\u034F'])
    expect(named('mallory', blank), JSON.stringify(blank)).toBe('mallory');
  expect(plainName(`Z${'\u0337'.repeat(40)}o`)).toBe('Z\u0337\u0337\u0337o');
  expect(plainName('नमस्ते é')).toBe('नमस्ते é');
});
