/** Networks that move from one storage to another. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { anyone } from '../../src/network/identity.ts';
import type { Store } from '../../src/store/store.ts';
import { exportItems } from '../../src/transfer/export.ts';
import { parseItem, type Item } from '../../src/transfer/items.ts';
import { openLab } from './network-lab.ts';

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

/** A network with one of everything. */
export async function lived() {
  const lab = await openLab({ settings: { guard: { turns: 2 } } });
  await lab.createRoom({ id: 'den', members: ['alpha', 'net_b:gamma'], visibility: 'private' });
  await lab.createRoom({ id: 'gone', members: ['alpha'] });
  await lab.register('alpha', 'Alpha');
  await lab.register('beta');
  await lab.register('left');
  await lab.send('agent:alpha', 'room:den', 'hello @alpha');
  await lab.send('agent:alpha', 'room:gone', 'before it went');
  await lab.send('human:ann', 'room:den', {
    id: 'with-parts',
    parts: [
      { kind: 'text', text: 'see' },
      { kind: 'url', url: 'https://example.org/x', filename: 'x.md' },
      { kind: 'data', data: { deep: { er: [1, null, 'ä\u{1f600}'] } } },
    ],
    intent: 'inform',
  });
  await lab.send('agent:alpha', 'dm:@alpha,beta', 'between us');
  await lab.send('agent:beta', 'thread:t1@den', 'in a thread');
  const secret = await lab.send('agent:alpha', 'room:den', 'a secret');
  await lab.execute('message.redact', { message_id: secret.message_id }, anyone);
  for (let i = 0; i < 4; i++)
    await lab.send(`agent:${i % 2 ? 'beta' : 'alpha'}`, 'room:general', `turn ${i}`);
  await lab.execute('room.remove', { room_id: 'gone' }, anyone);
  await lab.execute('agent.remove', { agent_id: 'left' }, anyone);
  await lab.execute('pause.set', { scope: 'agent:beta', paused: true, until: undefined }, anyone);
  return lab;
}
