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
 * @param start where this collection begins without a cursor: which end to keep when the bytes do not suffice
 */
export function pageText(
  name: string,
  items: readonly PageItem[],
  info: PageInfo,
  page: Page,
  start: 'oldest' | 'newest',
): string {
  const backwards = page.before !== undefined || (page.after === undefined && start === 'newest');
  const kept = fitting(items, backwards);
  let { has_more, next_before, next_after } = info;
  if (kept.length < items.length) {
    has_more = true;
    if (backwards) next_before = kept[0]!.id;
    else next_after = kept.at(-1)!.id;
  }
  let text = `{"${name}":[`;
  for (let i = 0; i < kept.length; i++) text += i === 0 ? kept[i]!.json : `,${kept[i]!.json}`;
  return `${text}],"page":${JSON.stringify({ has_more, next_before, next_after })}}`;
}

/** The items that fit in a page's bytes, counted from the end that was asked for; at least one. */
function fitting(items: readonly PageItem[], fromEnd: boolean): readonly PageItem[] {
  // UTF-8 takes at most three bytes per UTF-16 unit: most pages need no exact count.
  let units = 0;
  for (const { json } of items) units += json.length + 1;
  if (units * 3 <= limits.page_bytes.value) return items;
  let bytes = 0;
  let kept = 0;
  for (; kept < items.length; kept++) {
    bytes += Buffer.byteLength(items[fromEnd ? items.length - 1 - kept : kept]!.json) + 1;
    if (bytes > limits.page_bytes.value && kept > 0) break;
  }
  return fromEnd ? items.slice(items.length - kept) : items.slice(0, kept);
}

/** Refuses the page's cursor, if it has one and `exists` says that its object is not in the collection. */
export async function requireCursor(
  page: Page,
  exists: (id: string) => boolean | Promise<boolean>,
): Promise<void> {
  const cursor = page.before ?? page.after;
  if (cursor !== undefined && !(await exists(cursor))) throw unknownCursor(page);
}
