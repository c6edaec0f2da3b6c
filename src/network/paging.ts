/**
 * Pages (wire.md 3.5, W29). `limit` is clamped and never refused. `has_more` says whether there is more in the direction
 * that was asked; `next_before` and `next_after` stand where there is something to be had with them.
 */
import { MoltnetError } from '../protocol/errors.ts';
import { isId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { PageInfo } from '../protocol/pages.ts';

export interface Page {
  limit: number;
  before?: string;
  after?: string;
}

/** Reads the query of a page. Throws `invalid_cursor`. */
export function parsePage(query: { limit?: string; before?: string; after?: string }): Page {
  const before = cursorOf(query.before, 'before');
  const after = cursorOf(query.after, 'after');
  if (before !== undefined && after !== undefined)
    throw new MoltnetError('invalid_cursor', 'before and after came together; give one of them');
  const asked = /^\s*\+?\d{1,15}\s*$/.test(query.limit ?? '') ? Number(query.limit) : 0;
  return {
    limit: asked === 0 ? limits.page_default.value : Math.min(asked, limits.page_max.value),
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
  };
}

function cursorOf(given: string | undefined, field: string): string | undefined {
  const cursor = (given ?? '').trim();
  if (cursor === '') return undefined;
  if (!isId(cursor))
    throw new MoltnetError(
      'invalid_cursor',
      `${field}: not a cursor: ${JSON.stringify(cursor.slice(0, 160))}; use next_before or next_after of a page`,
    );
  return cursor;
}

/** What a caller reads when the cursor's object is not there: unknown, removed, or of another collection. */
export function unknownCursor(page: Page): MoltnetError {
  const field = page.before === undefined ? 'after' : 'before';
  return new MoltnetError(
    'invalid_cursor',
    `${field}: ${page.before ?? page.after} is not in this collection; begin again without a cursor`,
  );
}

/**
 * The PageInfo of a window. `first` and `last` are the cursors of its ends, undefined for an empty one. Without a cursor
 * an id-sorted collection begins at its start, messages and artifacts at their end (`newest`).
 */
export function pageInfo(
  page: Page,
  window: { first?: string; last?: string; more_before: boolean; more_after: boolean },
  start: 'oldest' | 'newest',
): PageInfo {
  const backwards = page.before !== undefined || (page.after === undefined && start === 'newest');
  return {
    has_more: backwards ? window.more_before : window.more_after,
    ...(window.more_before && window.first !== undefined && { next_before: window.first }),
    ...(window.more_after && window.last !== undefined && { next_after: window.last }),
  };
}

/** One page of ascending ids, of those that `visible` lets through. Throws `invalid_cursor` for an id that is not among them. */
export function pageOfIds(
  sorted: readonly string[],
  page: Page,
  visible: (id: string) => boolean,
): { ids: string[]; info: PageInfo } {
  const cursor = page.before ?? page.after;
  let at = -1;
  if (cursor !== undefined) {
    at = find(sorted, cursor);
    if (at < 0 || !visible(cursor)) throw unknownCursor(page);
  }
  const step = page.before === undefined ? 1 : -1;
  const ids: string[] = [];
  let i = page.before === undefined ? at + 1 : at - 1;
  for (; i >= 0 && i < sorted.length && ids.length < page.limit; i += step)
    if (visible(sorted[i]!)) ids.push(sorted[i]!);
  const ahead = anyVisible(sorted, i, step, visible);
  // The cursor itself lies behind the window.
  const behind = cursor !== undefined;
  if (step < 0) ids.reverse();
  const window = {
    ...(ids.length > 0 && { first: ids[0]!, last: ids[ids.length - 1]! }),
    more_before: step > 0 ? behind : ahead,
    more_after: step > 0 ? ahead : behind,
  };
  return { ids, info: pageInfo(page, window, 'oldest') };
}

function anyVisible(
  sorted: readonly string[],
  from: number,
  step: number,
  visible: (id: string) => boolean,
): boolean {
  for (let i = from; i >= 0 && i < sorted.length; i += step) if (visible(sorted[i]!)) return true;
  return false;
}

/** Index of an id in an ascending list, -1 when it is not there. */
function find(sorted: readonly string[], id: string): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const there = sorted[middle]!;
    if (there === id) return middle;
    if (there < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
