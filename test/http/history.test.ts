/** Pages and cursors over a real socket. */
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/protocol/limits.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { ask, askJson, hello } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';

interface Page {
  [name: string]: unknown;
  page: { has_more: boolean; next_before?: string; next_after?: string };
}
const general = { id: 'general', members: [], visibility: 'public' };

/** Sends n messages `m000` … one after another. */
async function fill(
  server: RunningServer,
  n: number,
  changes: (i: number) => Record<string, unknown> = () => ({}),
): Promise<string[]> {
  const ids = Array.from({ length: n }, (_, i) => `m${String(i).padStart(3, '0')}`);
  for (const [i, id] of ids.entries()) {
    const { status, text } = await ask(server, '/v1/messages', {
      method: 'POST',
      body: hello({ id, ...changes(i) }),
    });
    if (status !== 202) throw new Error(text);
  }
  return ids;
}

async function get(
  server: RunningServer,
  path: string,
  list: string,
): Promise<{ ids: string[]; page: Page['page'] }> {
  const { status, json } = await askJson<Page>(server, path);
  expect(status, JSON.stringify(json)).toBe(200);
  return { ids: (json[list] as { id: string }[]).map(({ id }) => id), page: json.page };
}

/** Follows a page's cursors to the end. */
async function walk(
  server: RunningServer,
  path: string,
  list: string,
  direction: 'next_before' | 'next_after',
  start = '',
): Promise<string[][]> {
  const pages: string[][] = [];
  for (let query = start; pages.length < 100;) {
    const { ids, page } = await get(server, `${path}${path.includes('?') ? '&' : '?'}${query}`, list);
    pages.push(ids);
    const next = page[direction];
    if (!page.has_more || next === undefined) return pages;
    query = `${direction === 'next_before' ? 'before' : 'after'}=${next}`;
  }
  throw new Error('the pages do not end');
}

describe('messages', () => {
  it('HIST-1 HIST-2 HIST-5 HIST-8 both ways through a room', async () => {
    const server = await startTestServer({ rooms: [general] });
    const ids = await fill(server, 23);
    const path = '/v1/rooms/general/messages';
    expect(await get(server, `${path}?limit=10`, 'messages')).toEqual({
      ids: ids.slice(13),
      page: { has_more: true, next_before: 'm013' },
    });
    expect(await get(server, `${path}?limit=10&before=m013`, 'messages')).toMatchObject({
      ids: ids.slice(3, 13),
      page: { has_more: true, next_before: 'm003' },
    });
    const oldest = await get(server, `${path}?limit=10&before=m003`, 'messages');
    expect([oldest.ids, oldest.page.has_more, oldest.page.next_before]).toEqual([
      ids.slice(0, 3),
      false,
      undefined,
    ]);
    const backwards = await walk(server, `${path}?limit=7`, 'messages', 'next_before');
    expect(backwards.toReversed().flat()).toEqual(ids);
    const forwards = await walk(server, `${path}?limit=7`, 'messages', 'next_after', `after=${ids[0]}`);
    expect(forwards.flat()).toEqual(ids.slice(1));
    const last = await get(server, `${path}?limit=7&after=m020`, 'messages');
    expect([last.ids, last.page.has_more, last.page.next_after]).toEqual([
      ['m021', 'm022'],
      false,
      undefined,
    ]);
  });

  it('HIST-5 HIST-6 after the last one there is nothing: an empty list and no more', async () => {
    const server = await startTestServer({ rooms: [general] });
    expect((await ask(server, '/v1/rooms/general/messages')).text).toBe(
      '{"messages":[],"page":{"has_more":false}}',
    );
    await fill(server, 2);
    expect(await get(server, '/v1/rooms/general/messages?after=m001', 'messages')).toMatchObject({
      ids: [],
      page: { has_more: false },
    });
    expect(await get(server, '/v1/rooms/general/messages?before=m000', 'messages')).toMatchObject({
      ids: [],
      page: { has_more: false },
    });
  });

  it('HIST-3 any limit is taken', async () => {
    const server = await startTestServer({ rooms: [general] });
    await fill(server, 3);
    for (const [limit, count] of [
      ['2', 2],
      ['+2', 2],
      [' 2 ', 2],
      ['0', 3],
      ['-1', 3],
      ['x', 3],
      ['', 3],
      ['1.5', 3],
      ['1e1', 3],
      ['99999999999999999999', 3],
      ['2&limit=1', 2],
    ] as const)
      expect([
        limit,
        (
          await get(
            server,
            `/v1/rooms/general/messages?limit=${encodeURIComponent(limit).replace('%26', '&').replace('%3D', '=')}`,
            'messages',
          )
        ).ids.length,
      ]).toEqual([limit, count]);
  });

  it('HIST-3 at most 500 come at once', async () => {
    const server = await startTestServer({
      rooms: Array.from({ length: 501 }, (_, i) => ({ id: `r${i}`, members: [] })),
    });
    expect((await get(server, '/v1/rooms?limit=9999', 'rooms')).ids).toHaveLength(limits.page_max.value);
    expect((await get(server, '/v1/rooms', 'rooms')).ids).toHaveLength(limits.page_default.value);
  });

  it('HIST-4 a cursor is a message of this conversation', async () => {
    const server = await startTestServer({ rooms: [general, { id: 'other', members: [] }] });
    await fill(server, 2);
    await ask(server, '/v1/messages', {
      method: 'POST',
      body: hello({ id: 'elsewhere', target: { kind: 'room', room_id: 'other' } }),
    });
    await ask(server, '/v1/messages', {
      method: 'POST',
      body: hello({ id: 'in_thread', target: { kind: 'thread', room_id: 'general', thread_id: 't' } }),
    });
    for (const query of [
      'before=elsewhere',
      'after=elsewhere',
      'after=in_thread',
      'before=unknown',
      'before=a%20b',
      'after=%00',
      `after=${'x'.repeat(129)}`,
      'before=m000&after=m001',
      'before=m001&after=m001',
    ]) {
      const { status, json } = await askJson(server, `/v1/rooms/general/messages?${query}`);
      expect([query, status, json['code']]).toEqual([query, 422, 'invalid_cursor']);
    }
    expect(
      (await get(server, '/v1/rooms/general/messages?before=%20m001%20&after=', 'messages')).ids,
    ).toEqual(['m000']);
  });

  it('HIST-8 every message is met once, while others write', async () => {
    const server = await startTestServer({ rooms: [general] });
    const ids = await fill(server, 40);
    const done = new AbortController();
    const writer = (async () => {
      for (let i = 0; !done.signal.aborted; i++)
        await ask(server, '/v1/messages', { method: 'POST', body: hello({ id: `late${i}` }) });
    })();
    const backwards = await walk(
      server,
      '/v1/rooms/general/messages?limit=3',
      'messages',
      'next_before',
      'before=m039',
    );
    done.abort();
    await writer;
    expect(backwards.toReversed().flat()).toEqual(ids.slice(0, 39));
  });

  it('HIST-7 a page ends early, and no body is ever above 1 MiB', async () => {
    const server = await startTestServer({ rooms: [general] });
    // Three bytes a character, so that bytes and characters differ.
    const text = '\u20ac'.repeat(Math.floor(limits.text.value / 3));
    const ids = await fill(server, 20, () => ({ parts: [{ kind: 'text', text }] }));
    for (const direction of ['next_before', 'next_after'] as const) {
      const seen: string[] = [];
      for (let query = direction === 'next_after' ? 'after=m000' : '', more = true; more;) {
        const { text: body } = await ask(server, `/v1/rooms/general/messages?limit=500&${query}`);
        expect(Buffer.byteLength(body)).toBeLessThanOrEqual(limits.body.value);
        const page = JSON.parse(body) as { messages: { id: string }[]; page: Page['page'] };
        if (page.page.has_more) expect(page.messages.length).toBeGreaterThan(3);
        const met = page.messages.map(({ id }) => id);
        seen.splice(direction === 'next_before' ? 0 : seen.length, 0, ...met);
        more = page.page.has_more;
        if (more) expect(page.page[direction]).toBe(direction === 'next_before' ? met[0] : met.at(-1));
        query = direction === 'next_before' ? `before=${met[0]}` : `after=${met.at(-1)}`;
      }
      expect(seen).toEqual(direction === 'next_before' ? ids : ids.slice(1));
    }
  });
});

describe('collections by id', () => {
  const paths: [list: string, path: string][] = [
    ['rooms', '/v1/rooms'],
    ['agents', '/v1/agents'],
    ['threads', '/v1/rooms/general/threads'],
    ['dms', '/v1/dms'],
    ['conversations', '/v1/guard'],
  ];
  it.each(paths)('HIST-1 HIST-2 HIST-5 %s', async (list, path) => {
    const names = ['B', 'a', 'a.b', 'a:b', 'c', 'd', 'e'].filter(
      (name) => list !== 'agents' || !name.includes(':'),
    );
    const server = await startTestServer({
      rooms: [general, ...(list === 'rooms' ? names.map((id) => ({ id, members: [] })) : [])],
      guard: { turns: 1 },
    });
    if (list === 'rooms') await ask(server, '/v1/rooms/general', { method: 'DELETE' });
    for (const name of names) {
      if (list === 'agents')
        await ask(server, '/v1/agents/register', { method: 'POST', body: { requested_agent_id: name } });
      const target =
        list === 'dms'
          ? { kind: 'dm', dm_id: name, participant_ids: ['x', 'y'] }
          : { kind: 'thread', room_id: 'general', thread_id: name };
      if (list !== 'rooms' && list !== 'agents')
        for (const id of ['x', 'y'])
          await ask(server, '/v1/messages', {
            method: 'POST',
            body: hello({ target, from: { type: 'agent', id } }),
          });
    }
    const key = (name: string) => (list === 'conversations' ? `thread:${name}` : name);
    const all = names.map(key).sort();
    const idsOf = async (query: string) => {
      const { json } = await askJson<Page>(server, `${path}?${query}`);
      return {
        ids: (json[list] as { id?: string; conversation?: string }[]).map(
          (item) => item.id ?? item.conversation,
        ),
        page: json.page,
      };
    };
    const first = await idsOf('limit=3');
    expect(first).toEqual({ ids: all.slice(0, 3), page: { has_more: true, next_after: all[2] } });
    const second = await idsOf(`limit=3&after=${encodeURIComponent(all[2]!)}`);
    expect([second.ids, second.page.has_more, second.page.next_before]).toEqual([
      all.slice(3, 6),
      all.length > 6,
      all[3],
    ]);
    const end = await idsOf(`limit=3&after=${encodeURIComponent(all.at(-1)!)}`);
    expect([end.ids, end.page.has_more]).toEqual([[], false]);
    const before = await idsOf(`limit=2&before=${encodeURIComponent(all[4]!)}`);
    expect([before.ids, before.page.has_more, before.page.next_before]).toEqual([
      all.slice(2, 4),
      true,
      all[2],
    ]);
    const head = await idsOf(`limit=9&before=${encodeURIComponent(all[1]!)}`);
    expect([head.ids, head.page.has_more, head.page.next_after]).toEqual([all.slice(0, 1), false, all[0]]);
    for (const query of [
      'after=unknown',
      `before=${encodeURIComponent(all[0]!)}&after=${encodeURIComponent(all[1]!)}`,
    ])
      expect((await askJson(server, `${path}?${query}`)).json['code']).toBe('invalid_cursor');
  });

  it('HIST-4 a guard cursor may be longer than an id', async () => {
    const server = await startTestServer({ rooms: [general], guard: { turns: 1 } });
    const threads = ['x', 'y', 'z'].map((end) => 't'.repeat(127) + end);
    for (const thread_id of threads)
      for (const id of ['x', 'y'])
        await ask(server, '/v1/messages', {
          method: 'POST',
          body: hello({
            target: { kind: 'thread', room_id: 'general', thread_id },
            from: { type: 'agent', id },
          }),
        });
    const { json } = await askJson<{ conversations: { conversation: string }[]; page: Page['page'] }>(
      server,
      '/v1/guard?limit=1',
    );
    expect(json.page.next_after).toBe(`thread:${threads[0]}`);
    const next = await askJson<{ conversations: { conversation: string }[] }>(
      server,
      `/v1/guard?limit=1&after=${json.page.next_after}`,
    );
    expect(next.json.conversations.map((state) => state.conversation)).toEqual([`thread:${threads[1]}`]);
  });
});

it('HIST-7 a page of large rooms ends early too', async () => {
  const server = await startTestServer();
  const members = (room: number) =>
    Array.from(
      { length: 256 },
      (_, i) => `net-${'n'.repeat(100)}:member-${room}-${String(i).padStart(110, '0')}`,
    );
  for (let room = 0; room < 20; room++)
    expect(
      (
        await ask(server, '/v1/rooms', {
          method: 'POST',
          body: { id: `room-${String(room).padStart(2, '0')}`, members: members(room) },
        })
      ).status,
    ).toBe(201);
  const first = await ask(server, '/v1/rooms');
  expect(Buffer.byteLength(first.text)).toBeLessThanOrEqual(limits.body.value);
  expect((await walk(server, '/v1/rooms', 'rooms', 'next_after')).flat()).toHaveLength(20);
});
