import { expect, it } from 'vitest';
import { MOST_TERMS, searchTerms } from './search-terms.ts';

it.each([
  ['build green', ['build', 'green']],
  ['  "the build"  x ', ['the build', 'x']],
  ['pars*', ['pars*']],
  ['"open to the end', ['open to the end']],
  ['say"a phrase"now', ['say', 'a phrase', 'now']],
  ['- * " ** ""', []],
  ['"a*"', ['a']],
  ['日本 ñ', ['日本', 'ñ']],
  ['', []],
])('SEARCH-2 terms of %s', (query, terms) => {
  expect(searchTerms(query).map(({ text, prefix }) => (prefix ? `${text}*` : text))).toEqual(terms);
});

it('SEARCH-2 a query of any length is a bounded number of terms of bounded length', () => {
  const terms = searchTerms(`${'x'.repeat(100_000)} ${'word '.repeat(10_000)}`);
  expect(terms).toHaveLength(MOST_TERMS);
  expect(Math.max(...terms.map(({ text }) => text.length))).toBe(100);
});
