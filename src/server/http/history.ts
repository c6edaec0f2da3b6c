/** A page of rows out of storage: messages, artifacts, threads, DMs. */
import { pageInfo, parsePage, unknownCursor, type Page } from '../../network/paging.ts';
import type { ConversationKey } from '../../protocol/conversation.ts';
import type { PageQuery } from '../../protocol/pages.ts';
import { limits } from '../../protocol/limits.ts';
import type { PageRequest, PageRows } from '../../store/log-rows.ts';
import type { Store } from '../../store/store.ts';
import { bytesOf, isBackwards, pageText, type PageItem } from './pages.ts';

/** Body of a message page. Throws `invalid_cursor`, also for the cursor of another conversation (HIST-4). */
export async function messagePageText(
  store: Store,
  conversation: ConversationKey,
  query: PageQuery,
): Promise<string> {
  const page = parsePage(query);
  const cursor = page.before ?? page.after;
  let seq: number | undefined;
  if (cursor !== undefined) {
    const message = (await store.messages([cursor])).get(cursor);
    if (message?.conversation !== conversation) throw unknownCursor(page);
    seq = message.seq;
  }
  return storedPageText(
    'messages',
    (range) => store.messagePage(conversation, range),
    ({ id, payload }) => ({ id, json: payload }),
    {
      ...page,
      ...(page.before !== undefined && { from: { before: seq! } }),
      ...(page.after !== undefined && { from: { after: seq! } }),
    },
    'newest',
    ({ seq: place }) => place,
  );
}

/** Rows that are read at first: as many of the largest messages as are read in a few milliseconds. */
const FIRST_READ = 32;

/**
 * Body of a page of stored rows. It is read in steps, as far as its bytes go: 500 large messages would hold up everybody
 * else, for a page that has room for three.
 * @param page `from` is the cursor as storage knows it, when that is not the id
 * @param cursorOf the same of a row
 */
export async function storedPageText<T>(
  name: string,
  read: (range: PageRequest) => PageRows<T> | Promise<PageRows<T>>,
  item: (row: T) => PageItem,
  page: Page & { from?: Pick<PageRequest, 'before' | 'after'> },
  start: 'oldest' | 'newest',
  cursorOf: (row: T) => string | number = (row) => item(row).id,
): Promise<string> {
  const backwards = isBackwards(page, start);
  let items: PageItem[] = [];
  let bytes = 0;
  let range: Omit<PageRequest, 'limit'> = page.from ?? {
    ...(page.before !== undefined && { before: page.before }),
    ...(page.after !== undefined && { after: page.after }),
  };
  let step = Math.min(FIRST_READ, page.limit);
  let more = { more_before: false, more_after: false };
  for (let first = true; ; first = false) {
    const { rows, more_before, more_after } = await read({ ...range, limit: step });
    // What lies behind the page is what lay behind its first step.
    if (first) more = { more_before, more_after };
    else if (backwards) more.more_before = more_before;
    else more.more_after = more_after;
    const fresh = rows.map(item);
    for (const one of fresh) bytes += bytesOf(one);
    items = backwards ? fresh.concat(items) : items.concat(fresh);
    const left = page.limit - items.length;
    const space = limits.page_bytes.value - bytes;
    if (rows.length === 0 || !(backwards ? more_before : more_after) || left <= 0 || space <= 0) break;
    range = backwards ? { before: cursorOf(rows[0]!) } : { after: cursorOf(rows.at(-1)!) };
    // As many as will fit if they are like those before, and one for the page to end with.
    step = Math.min(left, Math.ceil((space / bytes) * items.length) + 1);
  }
  const ends = items.length > 0 ? { first: items[0]!.id, last: items.at(-1)!.id } : {};
  return pageText(name, items, asIs, pageInfo(page, { ...ends, ...more }, start), page, start);
}
const asIs = (item: PageItem): PageItem => item;
