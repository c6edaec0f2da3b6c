/**
 * Pages as they are sent (HIST rules): items are JSON text already and are put together, never parsed. A page ends
 * early when its body would grow over limits.page_bytes.
 */
import { unknownCursor, type Page } from '../../network/paging.ts';
import { limits } from '../../protocol/limits.ts';
import type { PageInfo } from '../../protocol/pages.ts';

export interface PageItem {
  /** Its cursor. */
  id: string;
  json: string;
}

/**
 * Body of a page.
 * @param name the list's key (`messages`, `rooms`, …)
 * @param item makes one row's text; it is asked only for the rows that fit
 * @param start where this collection begins without a cursor: which end to keep when the bytes do not suffice
 */
export function pageText<T>(
  name: string,
  rows: readonly T[],
  item: (row: T) => PageItem,
  info: PageInfo,
  page: Page,
  start: 'oldest' | 'newest',
): string {
  const backwards = isBackwards(page, start);
  const kept = fitting(rows, item, backwards);
  let { has_more, next_before, next_after } = info;
  if (kept.length < rows.length) {
    has_more = true;
    if (backwards) next_before = kept[0]!.id;
    else next_after = kept.at(-1)!.id;
  }
  let text = `{"${name}":[`;
  for (let i = 0; i < kept.length; i++) text += i === 0 ? kept[i]!.json : `,${kept[i]!.json}`;
  return `${text}],"page":${JSON.stringify({ has_more, next_before, next_after })}}`;
}

/** Whether a page is read from its end. */
export const isBackwards = (page: Page, start: 'oldest' | 'newest'): boolean =>
  page.before !== undefined || (page.after === undefined && start === 'newest');

/** What an item takes in a page: its text and a comma. */
export const bytesOf = ({ json }: PageItem): number => Buffer.byteLength(json) + 1;

/** The items that fit in a page's bytes, counted from the end that was asked for; at least one. */
function fitting<T>(rows: readonly T[], item: (row: T) => PageItem, fromEnd: boolean): PageItem[] {
  const kept: PageItem[] = [];
  let bytes = 0;
  for (let i = 0; i < rows.length; i++) {
    const next = item(rows[fromEnd ? rows.length - 1 - i : i]!);
    bytes += bytesOf(next);
    if (bytes > limits.page_bytes.value && i > 0) break;
    kept.push(next);
  }
  return fromEnd ? kept.toReversed() : kept;
}

/** Refuses the page's cursor, if it has one and `exists` says that its object is not in the collection. */
export async function requireCursor(
  page: Page,
  exists: (id: string) => boolean | Promise<boolean>,
): Promise<void> {
  const cursor = page.before ?? page.after;
  if (cursor !== undefined && !(await exists(cursor))) throw unknownCursor(page);
}
