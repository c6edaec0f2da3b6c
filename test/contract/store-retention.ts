/** RET: what may go, and what is left when it is gone, whatever the engine. */
import { expect, it } from 'vitest';
import { searchTerms } from '../../src/store/search-terms.ts';
import type { Store } from '../../src/store/store.ts';
import { messageOf, roomOf, rowsOf, upTo, writesOf } from '../support/store-writes.ts';
import type { StoreFactory } from './store.ts';

const at = (minute: number): string => new Date(Date.UTC(2026, 10, 1, 0, minute)).toISOString();
const ids = (rows: readonly { id: string }[]): string[] => rows.map(({ id }) => id);

/** m0 to m9 in the room, t0 in its thread after m4, o0 in another room, d0 to d2 in a DM: a message a minute. */
async function history({ open }: StoreFactory): Promise<Store> {
  const store = await open();
  await store.commit([writesOf(roomOf('general'), roomOf('other'))]);
  for (const i of upTo(10)) {
    await store.commit([
      writesOf(
        messageOf(`m${i}`, 'room:general', { at: at(i), artifacts: i === 1 ? 1 : 0, mentions: ['beta'] }),
      ),
    ]);
    if (i === 4) await store.commit([writesOf(messageOf('t0', 'thread:t', { at: at(i) }))]);
  }
  await store.commit([writesOf(messageOf('o0', 'room:other', { at: at(0) }))]);
  for (const i of upTo(3))
    await store.commit([
      writesOf(messageOf(`d${i}`, 'dm:d', { at: at(i), participants: ['alpha', 'beta'] })),
    ]);
  return store;
}

export function retentionContract(factory: StoreFactory): void {
  it('RET-1 what may go: by age, by number, by either; of a room with its threads, of all DMs', async () => {
    const store = await history(factory);
    const room = { room_id: 'general' };
    expect(ids(await store.prunable(room, { before: at(3) }, 500))).toEqual(['m0', 'm1', 'm2']);
    expect(ids(await store.prunable(room, { newest: 6 }, 500))).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
    expect(ids(await store.prunable(room, { newest: 5 }, 500))).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 't0']);
    expect(ids(await store.prunable(room, { before: at(7), newest: 9 }, 500))).toHaveLength(8);
    expect(ids(await store.prunable(room, { newest: 0 }, 2))).toEqual(['m0', 'm1']);
    expect(await store.prunable(room, { newest: 11 }, 500)).toEqual([]);
    expect(await store.prunable(room, {}, 500)).toEqual([]);
    expect(ids(await store.prunable({ dms: true }, { newest: 1 }, 500))).toEqual(['d0', 'd1']);
    expect(ids(await store.prunable({ dms: true }, { before: at(1) }, 500))).toEqual(['d0']);
    expect(await store.prunable({ room_id: 'nowhere' }, { newest: 0 }, 500)).toEqual([]);
  });

  it('RET-2 what is pruned is in no page, no read of the log, no search; its cursor is unknown; the rest stays as it was', async () => {
    const store = await history(factory);
    const going = await store.prunable({ room_id: 'general' }, { before: at(3) }, 500);
    await store.commit([rowsOf({ op: 'prune', seqs: going.map(({ seq }) => seq) })]);
    expect(ids((await store.messagePage('room:general', { limit: 100 })).rows)).toEqual(
      upTo(7).map((i) => `m${i + 3}`),
    );
    expect((await store.messages(['m0', 'm3'])).has('m0')).toBe(false);
    expect(await store.eventSeq('evt_m0')).toBeUndefined();
    expect(await store.eventSeq('evt_m3')).toBeDefined();
    expect((await store.artifactPage({ room_id: 'general' }, { limit: 10 })).rows).toEqual([]);
    expect((await store.mentionsAfter('beta', undefined, 0, 500)).length).toBe(7);
    const told = (await store.events({ rooms: ['general'] }, 0, 500)).filter(
      ({ type }) => type === 'message.created',
    );
    expect(told).toHaveLength(8);
    expect((await store.conversationEvents('room:general', 0, 500)).length).toBe(7);
    // It counts what was said.
    expect((await store.conversations(['room:general'])).get('room:general')?.message_count).toBeDefined();
    const found = await store.search({
      terms: searchTerms('text'),
      readable: { rooms: 'all', participants: 'all' },
      limit: 100,
    });
    expect(ids(found.rows.map(({ row }) => row))).toEqual([
      'd2',
      'd1',
      'd0',
      'o0',
      'm9',
      'm8',
      'm7',
      'm6',
      'm5',
      't0',
      'm4',
      'm3',
    ]);
    // An id that is gone may come again.
    await store.commit([writesOf(messageOf('m0', 'room:general'))]);
    expect(ids((await store.messagePage('room:general', { limit: 1 })).rows)).toEqual(['m0']);
  });

  it('RET-3 the newest event stays, whatever is asked, so that no seq is given twice', async () => {
    const store = await history(factory);
    const { head } = store;
    await store.commit([rowsOf({ op: 'prune', seqs: upTo(head + 5) })]);
    expect(ids((await store.messagePage('dm:d', { limit: 10 })).rows)).toEqual(['d2']);
    expect(await store.commit([writesOf(messageOf('next', 'room:general'))])).toEqual([[head + 1]]);
    const { reopen } = factory;
    if (!reopen) return;
    const again = await reopen(store);
    expect(again.head).toBe(head + 1);
    expect(await again.eventSeq('evt_next')).toBe(head + 1);
  });
}
