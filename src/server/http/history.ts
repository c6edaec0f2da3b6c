/** A page of rows out of storage: messages, artifacts, threads, DMs. */
import { pageInfo, parsePage, unknownCursor, type Page } from '../../network/paging.ts';
import type { ConversationKey } from '../../protocol/conversation.ts';
import type { PageQuery } from '../../protocol/pages.ts';
import type { PageRows, Store } from '../../store/store.ts';
import { pageText, type PageItem } from './pages.ts';

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
  const rows = await store.messagePage(conversation, {
    limit: page.limit,
    ...(page.before === undefined ? {} : { before: seq! }),
    ...(page.after === undefined ? {} : { after: seq! }),
  });
  return storedPageText('messages', rows, ({ id, payload }) => ({ id, json: payload }), page, 'newest');
}

/** Body of a page of stored rows. */
export function storedPageText<T>(
  name: string,
  { rows, more_before, more_after }: PageRows<T>,
  item: (row: T) => PageItem,
  page: Page,
  start: 'oldest' | 'newest',
): string {
  const items = rows.map(item);
  const ends = items.length > 0 ? { first: items[0]!.id, last: items.at(-1)!.id } : {};
  return pageText(name, items, pageInfo(page, { ...ends, more_before, more_after }, start), page, start);
}
