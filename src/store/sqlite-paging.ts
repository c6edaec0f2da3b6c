/** What all pages have in common: bounds, the direction in which they are read, and what lies on either side. */
import { limits } from '../protocol/limits.ts';
import type { PageRequest, PageRows } from './log-rows.ts';

/** A count of rows that a read may return: none when none are asked for, and at most 500. STO-20. */
export const bounded = (limit: number): number => {
  const max = limits.page_max.value;
  return Number.isFinite(limit) ? Math.min(Math.max(Math.trunc(limit), 0), max) : max;
};

export interface PageSource<T, C> {
  /** Ascending rows with after < key < before; an absent bound is open. */
  ascending(bounds: Bounds<C>, limit: number): T[];
  /** The same, descending. */
  descending(bounds: Bounds<C>, limit: number): T[];
  /** Whether there is a row with key <= bound. */
  anyUpTo(bound: C): boolean;
  /** Whether there is a row with key >= bound. */
  anyFrom(bound: C): boolean;
}
export interface Bounds<C> {
  before?: C;
  after?: C;
}

/**
 * One page in ascending order. `after` reads forward from the bound, `before` backward from it; with neither, the
 * end that `open` names is read.
 */
export function readPage<T, C>(
  source: PageSource<T, C>,
  bounds: Bounds<C>,
  requested: number,
  open: 'first' | 'newest',
): PageRows<T> {
  const limit = bounded(requested);
  const { before, after } = bounds;
  const forward = after !== undefined || (before === undefined && open === 'first');
  const rows = forward ? source.ascending(bounds, limit + 1) : source.descending(bounds, limit + 1);
  const more = rows.length > limit;
  if (more) rows.length = limit;
  const moreBefore = after !== undefined && source.anyUpTo(after);
  const moreAfter = before !== undefined && source.anyFrom(before);
  if (forward) return { rows, more_before: moreBefore, more_after: more || moreAfter };
  return { rows: rows.toReversed(), more_before: more, more_after: moreAfter };
}

/** The bounds of a page whose key is a seq; a bound of another type is a fault of the caller. */
export function seqBounds({ before, after }: PageRequest): Bounds<number> {
  return {
    ...(before !== undefined && { before: number(before) }),
    ...(after !== undefined && { after: number(after) }),
  };
}
/** The bounds of a page whose key is an id. */
export function idBounds({ before, after }: PageRequest): Bounds<string> {
  return {
    ...(before !== undefined && { before: text(before) }),
    ...(after !== undefined && { after: text(after) }),
  };
}
function number(value: number | string): number {
  if (typeof value !== 'number') throw new TypeError('the bound of this page is a seq');
  return value;
}
function text(value: number | string): string {
  if (typeof value !== 'string') throw new TypeError('the bound of this page is an id');
  return value;
}
