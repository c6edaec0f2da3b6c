import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../protocol/limits.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { pageOfIds, parsePage } from './paging.ts';

const refusal = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as MoltnetError).code;
  }
};
const all = () => true;

describe('the query of a page', () => {
  it('ID-5 clamps the limit and never refuses it', () => {
    const limit = (value?: string) => parsePage({ ...(value !== undefined && { limit: value }) }).limit;
    for (const value of [undefined, '', '0', '-1', 'abc', '10abc', '1.5', '1e2', '0x10', ' '])
      expect([value, limit(value)]).toEqual([value, limits.page_default.value]);
    expect([limit('1'), limit(' 7 '), limit('500'), limit('501'), limit('999999999999999')]).toEqual([
      1, 7, 500, 500, 500,
    ]);
  });

  it('ID-5 refuses a malformed cursor, and two at once', () => {
    for (const cursor of ['a b', '-a', 'x'.repeat(129), 'ü']) {
      expect(refusal(() => parsePage({ before: cursor }))).toBe('invalid_cursor');
      expect(refusal(() => parsePage({ after: cursor }))).toBe('invalid_cursor');
    }
    expect(refusal(() => parsePage({ before: 'a', after: 'b' }))).toBe('invalid_cursor');
    expect(parsePage({ before: ' a ', after: ' ' })).toEqual({ limit: 100, before: 'a' });
  });
});

describe('pages of ids', () => {
  it('ID-5 an unknown cursor is refused, and so is one that the caller may not see', () => {
    expect(refusal(() => pageOfIds(['a', 'c'], { limit: 5, after: 'b' }, all))).toBe('invalid_cursor');
    expect(refusal(() => pageOfIds(['a', 'b', 'c'], { limit: 5, before: 'b' }, (id) => id !== 'b'))).toBe(
      'invalid_cursor',
    );
    expect(refusal(() => pageOfIds([], { limit: 5, before: 'b' }, all))).toBe('invalid_cursor');
  });

  it('ID-5 has_more is about the direction that was asked', () => {
    const ids = ['a', 'b', 'c', 'd'];
    expect(pageOfIds(ids, { limit: 2 }, all)).toEqual({
      ids: ['a', 'b'],
      info: { has_more: true, next_after: 'b' },
    });
    expect(pageOfIds(ids, { limit: 2, after: 'b' }, all)).toEqual({
      ids: ['c', 'd'],
      info: { has_more: false, next_before: 'c' },
    });
    expect(pageOfIds(ids, { limit: 2, after: 'd' }, all)).toEqual({ ids: [], info: { has_more: false } });
    expect(pageOfIds(ids, { limit: 2, before: 'd' }, all)).toEqual({
      ids: ['b', 'c'],
      info: { has_more: true, next_before: 'b', next_after: 'c' },
    });
    expect(pageOfIds(ids, { limit: 2, before: 'b' }, all)).toEqual({
      ids: ['a'],
      info: { has_more: false, next_after: 'a' },
    });
    expect(pageOfIds([], { limit: 2 }, all)).toEqual({ ids: [], info: { has_more: false } });
  });

  it('ID-5 walked either way, give each visible id once, in order', () => {
    const ids = fc
      .uniqueArray(fc.stringMatching(/^[a-z0-9]{1,3}$/), { maxLength: 30 })
      .map((list) => list.sort());
    fc.assert(
      fc.property(ids, fc.integer({ min: 1, max: 7 }), fc.func(fc.boolean()), (sorted, limit, visible) => {
        const seen = sorted.filter((id) => visible(id));
        const forward: string[] = [];
        for (
          let page = pageOfIds(sorted, { limit }, visible);
          ;
          page = pageOfIds(sorted, { limit, after: page.info.next_after! }, visible)
        ) {
          forward.push(...page.ids);
          expect(page.ids.length).toBeLessThanOrEqual(limit);
          if (!page.info.has_more) break;
        }
        expect(forward).toEqual(seen);
        const last = seen.at(-1);
        if (last === undefined) return;
        const backward = [last];
        for (
          let page = pageOfIds(sorted, { limit, before: last }, visible);
          ;
          page = pageOfIds(sorted, { limit, before: page.info.next_before! }, visible)
        ) {
          backward.unshift(...page.ids);
          if (!page.info.has_more) break;
        }
        expect(backward).toEqual(seen);
      }),
    );
  });
});
