import { beforeEach, expect, it } from 'vitest';
import type { ConversationKey } from '../../src/protocol/conversation.ts';
import type { PageRequest, PageRows } from '../../src/store/log-rows.ts';
import type { Store } from '../../src/store/store.ts';
import { messageOf, upTo, writesOf } from '../support/store-writes.ts';
import type { StoreFactory } from './store.ts';

/** A page as its rows' names and what lies on either side. */
async function shown<T>(
  page: Promise<PageRows<T>>,
  name: (row: T) => unknown,
): Promise<[unknown[], boolean, boolean]> {
  const { rows, more_before, more_after } = await page;
  return [rows.map(name), more_before, more_after];
}

export function historyContract({ open }: StoreFactory): void {
  let store: Store;
  beforeEach(async () => {
    store = await open();
  });

  it('STO-21 messages: newest first page, before and after a seq, and what lies on either side', async () => {
    // seqs 1, 3, 5, 7, 9 are of this room, the others of a neighbour.
    for (const i of upTo(5))
      await store.commit([writesOf(messageOf(`m${i}`, 'room:general'), messageOf(`x${i}`, 'room:other'))]);
    const page = (request: PageRequest) =>
      shown(store.messagePage('room:general', request), ({ seq }) => seq);
    expect(await page({ limit: 2 })).toEqual([[7, 9], true, false]);
    expect(await page({ limit: 5 })).toEqual([[1, 3, 5, 7, 9], false, false]);
    expect(await page({ limit: 2, before: 7 })).toEqual([[3, 5], true, true]);
    expect(await page({ limit: 2, before: 6 })).toEqual([[3, 5], true, true]);
    expect(await page({ limit: 2, before: 5 })).toEqual([[1, 3], false, true]);
    expect(await page({ limit: 2, before: 1 })).toEqual([[], false, true]);
    expect(await page({ limit: 2, before: 100 })).toEqual([[7, 9], true, false]);
    expect(await page({ limit: 2, after: 0 })).toEqual([[1, 3], false, true]);
    expect(await page({ limit: 2, after: 1 })).toEqual([[3, 5], true, true]);
    expect(await page({ limit: 2, after: 2 })).toEqual([[3, 5], true, true]);
    expect(await page({ limit: 2, after: 5 })).toEqual([[7, 9], true, false]);
    expect(await page({ limit: 2, after: 9 })).toEqual([[], true, false]);
    expect(await page({ limit: 9, after: 1, before: 9 })).toEqual([[3, 5, 7], true, true]);
    expect(await page({ limit: 9, after: 1, before: 100 })).toEqual([[3, 5, 7, 9], true, false]);
    expect(await shown(store.messagePage('room:none', { limit: 2 }), ({ id }) => id)).toEqual([
      [],
      false,
      false,
    ]);
  });

  it('STO-21 a walk over the pages meets every message once, in either direction', async () => {
    await store.commit(
      upTo(23).map((i) => writesOf(messageOf(`m${i}`, i % 3 === 0 ? 'room:other' : 'room:general'))),
    );
    const all = upTo(23)
      .filter((i) => i % 3 !== 0)
      .map((i) => `m${i}`);
    for (const limit of [1, 2, 5, 14, 15, 16]) {
      const forward: string[] = [];
      for (let after = 0, more = true; more;) {
        const page = await store.messagePage('room:general', { limit, after });
        forward.push(...page.rows.map(({ id }) => id));
        after = page.rows.at(-1)!.seq;
        more = page.more_after;
      }
      expect(forward).toEqual(all);
      const backward: string[] = [];
      for (let before: number | undefined, more = true; more;) {
        const page = await store.messagePage('room:general', {
          limit,
          ...(before !== undefined && { before }),
        });
        backward.unshift(...page.rows.map(({ id }) => id));
        before = page.rows[0]!.seq;
        more = page.more_before;
      }
      expect(backward).toEqual(all);
    }
  });

  it('STO-20 no read returns more than 500 rows, nor more than are asked for', async () => {
    await store.commit(
      upTo(510).map((i) =>
        writesOf(
          messageOf(`m${i}`, 'room:general', { mentions: ['beta'], artifacts: 1 }),
          messageOf(`d${i}`, `dm:d${i}`, { participants: ['alpha', 'beta'] }),
          messageOf(`t${i}`, `thread:t${i}`),
        ),
      ),
    );
    const big = { limit: 100_000 };
    expect((await store.messagePage('room:general', big)).rows).toHaveLength(500);
    expect((await store.artifactPage({ room_id: 'general' }, big)).rows).toHaveLength(500);
    expect((await store.threadPage('general', big)).rows).toHaveLength(500);
    expect((await store.threadPage('general', { ...big, order: 'activity' })).rows).toHaveLength(500);
    expect((await store.dmPage(undefined, big)).rows).toHaveLength(500);
    expect((await store.dmPage('beta', big)).rows).toHaveLength(500);
    expect(await store.events({ all: true }, 0, 100_000)).toHaveLength(500);
    expect(
      await store.events({ rooms: ['general'], participant: 'beta' }, 0, Number.POSITIVE_INFINITY),
    ).toHaveLength(500);
    expect(await store.conversationEvents('room:general', 0, 100_000)).toHaveLength(500);
    expect(await store.roomConversationsAfter('general', 0, 100_000)).toHaveLength(500);
    expect(await store.dmConversationsAfter('beta', 0, 100_000)).toHaveLength(500);
    expect(await store.mentionsAfter('beta', undefined, 0, 100_000)).toHaveLength(500);
    for (const [limit, rows] of [
      [0, 0],
      [-1, 0],
      [Number.NaN, 500],
      [1.9, 1],
    ] as const) {
      expect((await store.messagePage('room:general', { limit })).rows).toHaveLength(rows);
      expect(await store.events({ all: true }, 0, limit)).toHaveLength(rows);
      expect(await store.events({ rooms: ['general'] }, 0, limit)).toHaveLength(rows);
      expect(await store.conversationEvents('room:general', 0, limit)).toHaveLength(rows);
    }
    expect(await store.messagePage('room:general', { limit: 0 })).toEqual({
      rows: [],
      more_before: true,
      more_after: false,
    });
  });

  it('STO-21 messages are looked up by id, whole', async () => {
    await store.commit([
      writesOf(
        messageOf('m1', 'room:general', { content_hash: null }),
        messageOf('m2', 'thread:t'),
        messageOf('m3', 'dm:d', { participants: ['alpha', 'beta'] }),
      ),
    ]);
    const found = await store.messages(['m3', 'nope', 'm1', 'm1', "'; DROP TABLE events; --", '']);
    expect([...found.keys()].sort()).toEqual(['m1', 'm3']);
    expect(found.get('m1')).toEqual({
      seq: 1,
      id: 'm1',
      event_id: 'evt_m1',
      conversation: 'room:general',
      room_id: 'general',
      content_hash: null,
      sender: 'molt://local/agents/alpha',
      payload: messageOf('m1', 'room:general').payload,
      created_at: messageOf('m1', 'room:general').created_at,
    });
    expect(found.get('m3')).toMatchObject({ room_id: null, conversation: 'dm:d' });
    expect((await store.messages([])).size).toBe(0);
  });

  it('STO-21 text comes back as it was given, to the last character', async () => {
    const texts = [
      '"\\\n\t\u007f',
      'ß 漢字 🦞 \u{10ffff}',
      'a'.repeat(200_000),
      "Robert'); DROP TABLE messages;--",
      '\u2028\u2029\ufeff',
    ];
    await store.commit(texts.map((text, i) => writesOf(messageOf(`m${i}`, 'room:general', { text }))));
    const { rows } = await store.messagePage('room:general', { limit: 10 });
    expect(
      rows.map(({ payload }) => (JSON.parse(payload) as { parts: { text: string }[] }).parts[0]!.text),
    ).toEqual(texts);
  });

  it('STO-23 artifacts: by conversation and by room with its threads, in the order of message and part', async () => {
    await store.commit([
      writesOf(
        messageOf('b', 'room:general', { artifacts: 2 }),
        messageOf('a', 'thread:t', { artifacts: 2 }),
      ),
      writesOf(
        messageOf('c', 'room:other', { artifacts: 1 }),
        messageOf('d', 'room:general', { artifacts: 1 }),
        messageOf('e', 'dm:x', { artifacts: 1, participants: ['p', 'q'] }),
      ),
    ]);
    const room = (request: PageRequest) =>
      shown(store.artifactPage({ room_id: 'general' }, request), ({ id }) => id.slice(4));
    const one = (conversation: ConversationKey, request: PageRequest) =>
      shown(store.artifactPage({ conversation }, request), ({ id }) => id.slice(4));
    expect(await room({ limit: 10 })).toEqual([['b_0', 'b_1', 'a_0', 'a_1', 'd_0'], false, false]);
    expect(await room({ limit: 2 })).toEqual([['a_1', 'd_0'], true, false]);
    expect(await room({ limit: 2, before: 'art_a_1' })).toEqual([['b_1', 'a_0'], true, true]);
    expect(await room({ limit: 2, before: 'art_b_0' })).toEqual([[], false, true]);
    expect(await room({ limit: 2, after: 'art_b_0' })).toEqual([['b_1', 'a_0'], true, true]);
    expect(await room({ limit: 2, after: 'art_a_0' })).toEqual([['a_1', 'd_0'], true, false]);
    expect(await room({ limit: 2, after: 'art_d_0' })).toEqual([[], true, false]);
    expect(await room({ limit: 2, after: 'art_nope_0' })).toEqual([[], false, false]);
    expect(await one('room:general', { limit: 2 })).toEqual([['b_1', 'd_0'], true, false]);
    expect(await one('thread:t', { limit: 2, after: 'art_a_0' })).toEqual([['a_1'], true, false]);
    expect(await one('dm:x', { limit: 1 })).toEqual([['e_0'], false, false]);
    expect((await store.artifactPage({ conversation: 'dm:x' }, { limit: 1 })).rows).toEqual([
      {
        id: 'art_e_0',
        seq: 5,
        part_index: 0,
        conversation: 'dm:x',
        payload: '{"message_id":"e","part_index":0,"url":"https://example.org"}',
      },
    ]);
    expect(await store.artifactExists({ room_id: 'general' }, 'art_a_1')).toBe(true);
    expect(await store.artifactExists({ conversation: 'room:general' }, 'art_a_1')).toBe(false);
    expect(await store.artifactExists({ conversation: 'thread:t' }, 'art_a_1')).toBe(true);
    expect(await store.artifactExists({ room_id: 'other' }, 'art_a_1')).toBe(false);
  });

  it('STO-22 threads of a room: by id in byte order, from the start', async () => {
    // Byte order: digits, capitals, small letters.
    for (const id of ['b', 'A', 'a', '9', 'C'])
      await store.commit([writesOf(messageOf(`m-${id}`, `thread:${id}`))]);
    await store.commit([
      writesOf(messageOf('m', 'room:general'), messageOf('n', 'thread:zz', { room: 'other' })),
    ]);
    const page = (request: PageRequest) => shown(store.threadPage('general', request), ({ id }) => id);
    expect(await page({ limit: 10 })).toEqual([['9', 'A', 'C', 'a', 'b'], false, false]);
    expect(await page({ limit: 2 })).toEqual([['9', 'A'], false, true]);
    expect(await page({ limit: 2, after: 'A' })).toEqual([['C', 'a'], true, true]);
    expect(await page({ limit: 2, after: 'C' })).toEqual([['a', 'b'], true, false]);
    expect(await page({ limit: 2, after: 'b' })).toEqual([[], true, false]);
    expect(await page({ limit: 2, before: 'b' })).toEqual([['C', 'a'], true, true]);
    expect(await page({ limit: 2, before: 'C' })).toEqual([['9', 'A'], false, true]);
    expect(await page({ limit: 2, before: '9' })).toEqual([[], false, true]);
    expect(await page({ limit: 2, after: 'B' })).toEqual([['C', 'a'], true, true]);
  });

  it('STO-22 threads of a room by activity: newest first, going on to older ones', async () => {
    for (const [i, id] of ['x', 'y', 'z', 'x', 'w'].entries())
      await store.commit([writesOf(messageOf(`m${i}`, `thread:${id}`))]);
    const page = (request: PageRequest) =>
      shown(store.threadPage('general', { ...request, order: 'activity' }), ({ id }) => id);
    expect(await page({ limit: 10 })).toEqual([['w', 'x', 'z', 'y'], false, false]);
    expect(await page({ limit: 2 })).toEqual([['w', 'x'], false, true]);
    expect(await page({ limit: 2, after: 'x' })).toEqual([['z', 'y'], true, false]);
    expect(await page({ limit: 2, before: 'y' })).toEqual([['x', 'z'], true, true]);
    expect(await page({ limit: 2, before: 'w' })).toEqual([[], false, true]);
    expect(await page({ limit: 2, after: 'nope' })).toEqual([[], false, false]);
  });

  it('STO-22 DMs: all, or those of one participant, by id, with their sorted participants', async () => {
    const dms: [string, string[]][] = [
      ['d3', ['beta', 'alpha']],
      ['d1', ['gamma', 'alpha']],
      ['d2', ['gamma', 'beta', 'net_b:x']],
    ];
    for (const [id, participants] of dms)
      await store.commit([writesOf(messageOf(`m-${id}`, `dm:${id}`, { participants }))]);
    const page = (participant: string | undefined, request: PageRequest) =>
      shown(store.dmPage(participant, request), ({ id }) => id);
    expect(await page(undefined, { limit: 2 })).toEqual([['d1', 'd2'], false, true]);
    expect(await page(undefined, { limit: 2, after: 'd2' })).toEqual([['d3'], true, false]);
    expect(await page(undefined, { limit: 2, before: 'd3' })).toEqual([['d1', 'd2'], false, true]);
    expect(await page('alpha', { limit: 1 })).toEqual([['d1'], false, true]);
    expect(await page('alpha', { limit: 1, after: 'd1' })).toEqual([['d3'], true, false]);
    expect(await page('beta', { limit: 5, before: 'd3' })).toEqual([['d2'], false, true]);
    expect(await page('net_b:x', { limit: 5 })).toEqual([['d2'], false, false]);
    expect(await page('nobody', { limit: 5 })).toEqual([[], false, false]);
    expect((await store.dmPage('net_b:x', { limit: 5 })).rows[0]).toMatchObject({
      key: 'dm:d2',
      kind: 'dm',
      room_id: null,
      participants: ['beta', 'gamma', 'net_b:x'],
      last_seq: 3,
    });
    expect((await store.conversations(['dm:d3'])).get('dm:d3')).toMatchObject({
      participants: ['alpha', 'beta'],
    });
  });
}
