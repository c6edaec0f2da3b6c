import { expect, it } from 'vitest';
import type { SearchPage } from '../../src/protocol/search.ts';
import { askJson } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';

type Server = Awaited<ReturnType<typeof startTestServer>>;
const as = (token?: string) => (token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
const say = (server: Server, token: string, id: string, target: object, text: string, from = 'alpha') =>
  askJson(server, '/v1/messages', {
    method: 'POST',
    ...as(token),
    body: { id, target, from: { type: 'agent', id: from }, parts: [{ kind: 'text', text }] },
  });
const search = async (server: Server, query: string, token?: string) => {
  const { status, json } = await askJson(server, `/v1/search?${query}`, as(token));
  const page = json as unknown as SearchPage & { code?: string };
  return { status, code: page.code, page, ids: page.results?.map(({ message }) => message.id) };
};

async function network(): Promise<Server> {
  const server = await startTestServer({
    auth: {
      mode: 'bearer',
      public_read: true,
      tokens: [
        { id: 'a', value: 'alpha-token', scopes: ['attach', 'write'], agents: ['alpha'] },
        { id: 'b', value: 'beta-token', scopes: ['attach', 'write'], agents: ['beta'] },
        { id: 'o', value: 'admin-token', scopes: ['observe', 'admin', 'write'] },
      ],
    },
    rooms: [
      { id: 'hall', members: ['alpha', 'beta'], visibility: 'public' },
      { id: 'den', members: ['alpha'], visibility: 'private' },
    ],
  });
  await say(server, 'alpha-token', 'm1', { kind: 'room', room_id: 'hall' }, 'the word in the hall');
  await say(server, 'alpha-token', 'm2', { kind: 'room', room_id: 'den' }, 'the word in the den');
  await say(
    server,
    'alpha-token',
    'm3',
    { kind: 'dm', participant_ids: ['alpha', 'gamma'] },
    'the word between us',
  );
  await say(
    server,
    'beta-token',
    'm4',
    { kind: 'thread', thread_id: 't1', room_id: 'hall' },
    'the word in a thread',
    'beta',
  );
  return server;
}

it('SEARCH-4 a caller finds what it may read: agents, observers, and the public', async () => {
  const server = await network();
  expect((await search(server, 'q=word', 'admin-token')).ids).toEqual(['m4', 'm3', 'm2', 'm1']);
  expect((await search(server, 'q=word', 'alpha-token')).ids).toEqual(['m4', 'm3', 'm2', 'm1']);
  expect((await search(server, 'q=word', 'beta-token')).ids).toEqual(['m4', 'm1']);
  expect((await search(server, 'q=word')).ids).toEqual(['m4', 'm1']);
  // Whether there is a message that one may not read is not told by a cursor either.
  for (const [id, code] of [
    ['m1', undefined],
    ['m2', 'invalid_cursor'],
    ['m3', 'invalid_cursor'],
    ['nothing', 'invalid_cursor'],
  ])
    expect((await search(server, `q=word&before=${id}`, 'beta-token')).code, id).toBe(code);
  expect((await search(server, 'q=word&before=m3', 'alpha-token')).ids).toEqual(['m2', 'm1']);
  const den = await search(server, 'q=word&conversation=room:den', 'beta-token');
  expect([den.status, den.code]).toEqual([403, 'forbidden']);
  // What is removed is not found, not even by those who read everything.
  await askJson(server, '/v1/rooms/den', { method: 'DELETE', ...as('admin-token') });
  expect((await search(server, 'q=word', 'admin-token')).ids).toEqual(['m4', 'm3', 'm1']);
});

it('SEARCH-3 filters, cursors, and a whole message with its snippet', async () => {
  const server = await network();
  const ids = async (query: string) => (await search(server, query, 'admin-token')).ids;
  expect(await ids('from=beta')).toEqual(['m4']);
  expect(await ids('from=molt://local/agents/alpha&q=word')).toEqual(['m3', 'm2', 'm1']);
  expect(await ids('q=word&conversation=room:hall')).toEqual(['m4', 'm1']);
  expect(await ids('q=word&conversation=thread:t1')).toEqual(['m4']);
  expect(await ids('q=word&until=2020-01-01')).toEqual([]);
  expect(await ids(`q=word&since=2020-01-01&until=${new Date().toISOString().slice(0, 10)}`)).toHaveLength(4);
  const first = await search(server, 'q=word&limit=3', 'admin-token');
  expect([first.ids, first.page.page]).toEqual([['m4', 'm3', 'm2'], { has_more: true, next_before: 'm2' }]);
  const next = await search(server, 'q=word&limit=3&before=m2', 'admin-token');
  expect([next.ids, next.page.page]).toEqual([['m1'], { has_more: false }]);
  expect(next.page.results[0]).toMatchObject({
    message: { id: 'm1', from: { id: 'alpha' }, parts: [{ text: 'the word in the hall' }] },
    conversation: 'room:hall',
    snippet: [{ text: 'the ' }, { text: 'word', hit: true }, { text: ' in the hall' }],
  });
});

it.each([
  ['', 422, 'unprocessable_entity'],
  ['q=%20*%22', 422, 'unprocessable_entity'],
  ['q=x&has=wings', 422, 'unprocessable_entity'],
  ['q=x&since=yesterday', 422, 'unprocessable_entity'],
  ['q=x&until=2026-02-31', 422, 'unprocessable_entity'],
  ['q=x&conversation=hall', 422, 'invalid_target'],
  ['q=x&conversation=room:nowhere', 404, 'not_found'],
  ['q=x&from=%2F%2F', 422, 'invalid_id'],
  ['q=x&before=nothing', 422, 'invalid_cursor'],
  ['q=x&before=%20%2F', 422, 'invalid_cursor'],
])('SEARCH-10 a question that cannot be answered is told why: %s', async (query, status, code) => {
  const server = await startTestServer({});
  const { status: got, code: why } = await search(server, query);
  expect([got, why]).toEqual([status, code]);
});

it('SEARCH-10 a long question is searched for as far as it goes', async () => {
  const server = await startTestServer({});
  expect((await search(server, `q=${'word+'.repeat(3_000)}`)).status).toBe(200);
});
