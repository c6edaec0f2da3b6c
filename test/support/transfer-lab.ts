/** Networks that move from one storage to another. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { exportItems } from '../../src/transfer/export.ts';
import { parseItem, type Item } from '../../src/transfer/items.ts';

export const NOW = '2026-11-30T12:00:00.000Z';

/** The items of an export, as they come out of a file. */
export async function exported(store: Store): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of exportItems(store, NOW))
    items.push(parseItem(JSON.stringify(item), items.length + 1));
  return items;
}

export async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield item;
}

/** What two exports of one network have in common: all but when and as which they were made. */
export const contents = (items: readonly Item[]): unknown[] =>
  items.map((item) =>
    item.kind === 'moltnet.export' ? { network: item.network_id, head: item.head } : item,
  );

export function scratch(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'moltnet-transfer-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
