/** Refusals, bodies and request ids, over a real socket. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { errors } from '../../src/protocol/errors.ts';
import { limits } from '../../src/protocol/limits.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { ask, askJson, hello, raw } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';

const general = { id: 'general', members: [], visibility: 'public' };
const post = (server: RunningServer, body: unknown, headers: Record<string, string> = {}) =>
  askJson(server, '/v1/messages', { method: 'POST', body, headers });

describe('the error envelope', () => {
  it('HTTP-2 has its keys in order and the request id of the answer', async () => {
    const server = await startTestServer();
    const { status, text, headers } = await ask(server, '/v1/rooms/nope');
    expect([status, headers['content-type']]).toEqual([404, 'application/json']);
    expect(text).toBe(
      `{"code":"not_found","error":"no such room: nope","request_id":"${headers['x-request-id'] as string}"}`,
    );
  });

  it("HTTP-1 the request id is the caller's when it is well-formed", async () => {
    const server = await startTestServer();
    const idFor = async (id: string) =>
      (await ask(server, '/healthz', { headers: { 'x-request-id': id } })).headers['x-request-id'];
    for (const id of ['a', 'A.b:c_d-1', 'x'.repeat(128)]) expect(await idFor(id)).toBe(id);
    for (const id of ['', 'a b', 'x'.repeat(129), 'ä', 'a"b'])
      expect(await idFor(id)).toMatch(/^req_[0-9a-f]{16}$/);
    expect(
      (await askJson(server, '/v1/nope', { headers: { 'x-request-id': 'mine' } })).json['request_id'],
    ).toBe('mine');
    expect(
      (await askJson(server, '/v1/agents/%zz', { headers: { 'x-request-id': 'mine' } })).json,
    ).toMatchObject({ code: 'bad_request', request_id: 'mine' });
  });

  it('HTTP-2 what is not HTTP is refused in it too', async () => {
    const server = await startTestServer();
    for (const bytes of [
      'hello\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET /\x01 HTTP/1.1\r\nhost: x\r\n\r\n',
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`,
      'POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    ]) {
      const body = await raw(server, bytes, /\{"code":.*\}$/);
      expect(JSON.parse(body)).toEqual({
        code: 'bad_request',
        error: expect.any(String),
        request_id: expect.stringMatching(/^req_/),
      });
    }
    expect((await ask(server, '/healthz')).status).toBe(200);
  });
});

describe('bodies', () => {
  it('HTTP-4 any content type is read as JSON', async () => {
    const server = await startTestServer({ rooms: [general] });
    for (const type of [
      'application/json',
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/json; charset=utf-16',
      'nonsense',
      ';;',
      '',
    ])
      expect([
        type,
        (await post(server, hello(), type === '' ? {} : { 'content-type': type })).status,
      ]).toEqual([type, 202]);
  });

  it('HTTP-4 exactly one JSON value, and null is an empty object', async () => {
    const server = await startTestServer({ rooms: [general] });
    for (const body of [
      '{',
      '{}{}',
      '',
      ' ',
      'undefined',
      "{'a':1}",
      '{"a":1,}',
      '{"a":01}',
      '\ufeff{}',
      JSON.stringify(hello()) + 'x',
      Buffer.from([0xff, 0xfe]),
      '[]',
      '"text"',
      '5',
      'true',
      '[{}]',
    ]) {
      const { status, json } = await post(server, body);
      expect([String(body), status, json['code']]).toEqual([String(body), 400, 'bad_request']);
    }
    expect((await askJson(server, '/v1/messages', { method: 'POST' })).json).toMatchObject({
      code: 'bad_request',
      error: expect.stringContaining('body'),
    });
    // An empty request is understood, and then lacks what a message needs.
    for (const body of ['null', ' null ', '{}'])
      expect([body, (await post(server, body)).status]).toEqual([body, 422]);
    expect((await askJson(server, '/v1/apply', { method: 'POST', body: 'null' })).status).toBe(200);
  });

  it('HTTP-4 a key __proto__ is refused, for it would be lost on the way; the word is not', async () => {
    const server = await startTestServer({ rooms: [general] });
    const data = (key: string) =>
      JSON.stringify(hello({ parts: [{ kind: 'data', data: { key: 1 } }] })).replace('"key"', key);
    for (const key of ['"__proto__"', '"\\u005f_pr\\u006fto__" ', '"a":{"__proto__":2},"b"']) {
      const { status, json } = await post(server, data(key));
      expect([key, status, json['code']]).toEqual([key, 400, 'bad_request']);
    }
    for (const key of ['"__PROTO__"', '"a":"__proto__","b"', '"constructor"'])
      expect([key, (await post(server, data(key))).status]).toEqual([key, 202]);
  });

  it('HTTP-4 a field of the wrong type is named', async () => {
    const server = await startTestServer({ rooms: [general] });
    const cases: [unknown, string][] = [
      [hello({ parts: [{ kind: 'text', text: 5 }] }), 'parts[0].text'],
      [hello({ parts: 'hi' }), 'parts'],
      [hello({ target: 'general' }), 'target'],
      [hello({ from: { type: 'human', id: ['ada'] } }), 'from.id'],
      [hello({ id: 7 }), 'id'],
      [hello({ mentions: [null] }), 'mentions[0]'],
      [hello({ parts: [{ kind: 'data', data: [1] }] }), 'parts[0].data'],
      [hello({ origin: { network_id: {} } }), 'origin.network_id'],
    ];
    for (const [body, field] of cases) {
      const { status, json } = await post(server, body);
      expect([status, json['code'], (json['error'] as string).split(':')[0]]).toEqual([
        400,
        'bad_request',
        field,
      ]);
    }
  });

  it('HTTP-4 unknown fields are ignored, null lists are empty ones', async () => {
    const server = await startTestServer({ rooms: [general] });
    expect(
      (
        await post(
          server,
          hello({ hop_count: 3, origin: { network_id: '', message_id: '' }, mentions: null, id: null }),
        )
      ).status,
    ).toBe(202);
    expect(
      (await post(server, `{"toString":{"id":"x"},"constructor":1,${JSON.stringify(hello()).slice(1)}`))
        .status,
    ).toBe(202);
  });

  it('HTTP-4 HTTP-7 a body over 1 MiB is refused, one of 1 MiB is read', async () => {
    const server = await startTestServer({ rooms: [general] });
    const padded = (bytes: number) => `${JSON.stringify(hello())}${' '.repeat(bytes)}`.slice(0, bytes);
    expect((await post(server, padded(limits.body.value))).status).toBe(202);
    expect((await post(server, padded(limits.body.value + 1))).json['code']).toBe('body_too_large');
    const chunked = await raw(
      server,
      `POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n${(limits.body.value + 1).toString(16)}\r\n${padded(limits.body.value + 1)}\r\n0\r\n\r\n`,
      /^HTTP\/1\.1 (\d{3})[\s\S]*"code":"body_too_large"/,
    );
    expect(chunked).toBe('400');
    const { json } = await askJson<{ messages: unknown[] }>(server, '/v1/rooms/general/messages');
    expect(json.messages).toHaveLength(1);
  });
});

describe('limits', () => {
  const depth = (n: number): unknown => (n === 0 ? 1 : { a: depth(n - 1) });
  const many = <T>(n: number, item: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => item(i));
  const bytes = (n: number) => 'x'.repeat(n);
  const at = (name: keyof typeof limits) => limits[name].value;

  /** What goes over each limit that a request can go over, and the most that does not. */
  const cases: [limit: keyof typeof limits, over: unknown, most: unknown][] = [
    [
      'text',
      hello({ parts: [{ kind: 'text', text: bytes(at('text') + 1) }] }),
      hello({ parts: [{ kind: 'text', text: bytes(at('text')) }] }),
    ],
    [
      'text',
      hello({ parts: [{ kind: 'text', text: '€'.repeat(at('text') / 2) }] }),
      hello({ parts: [{ kind: 'text', text: '€'.repeat(Math.floor(at('text') / 3)) }] }),
    ],
    [
      'message',
      hello({ parts: many(3, () => ({ kind: 'text', text: bytes(at('text') - 10) })) }),
      hello({
        parts: [
          { kind: 'text', text: bytes(at('text')) },
          { kind: 'text', text: bytes(at('text') - 2_000) },
        ],
      }),
    ],
    [
      'message',
      hello({ parts: [{ kind: 'data', data: { a: bytes(at('message')) } }] }),
      hello({ parts: [{ kind: 'data', data: { a: bytes(at('message') - 2_000) } }] }),
    ],
    // Control characters take six bytes each in JSON.
    [
      'message',
      hello({ parts: [{ kind: 'text', text: '\u0001'.repeat(at('text') / 2) }] }),
      hello({ parts: [{ kind: 'text', text: '\u0001'.repeat(at('text') / 4) }] }),
    ],
    [
      'parts',
      hello({ parts: many(at('parts') + 1, () => ({ kind: 'text', text: '' })) }),
      hello({ parts: many(at('parts'), () => ({ kind: 'text', text: '' })) }),
    ],
    [
      'mentions',
      hello({ mentions: many(at('mentions') + 1, (i) => `a${i}`) }),
      hello({ mentions: many(at('mentions'), (i) => `a${i}`) }),
    ],
    [
      'data_depth',
      hello({ parts: [{ kind: 'data', data: depth(at('data_depth') + 1) }] }),
      hello({ parts: [{ kind: 'data', data: depth(at('data_depth') - 1) }] }),
    ],
    [
      'url',
      hello({ parts: [{ kind: 'url', url: `https://example.com/${bytes(at('url'))}` }] }),
      hello({ parts: [{ kind: 'url', url: `https://example.com/${bytes(at('url') - 20)}` }] }),
    ],
    [
      'filename',
      hello({ parts: [{ kind: 'file', filename: bytes(at('filename') + 1) }] }),
      hello({ parts: [{ kind: 'file', filename: bytes(at('filename')) }] }),
    ],
    [
      'media_type',
      hello({ parts: [{ kind: 'file', media_type: `text/${bytes(at('media_type'))}` }] }),
      hello({ parts: [{ kind: 'file', media_type: `text/${bytes(at('media_type') - 5)}` }] }),
    ],
    ['id', hello({ id: bytes(at('id') + 1) }), hello({ id: bytes(at('id')) })],
    [
      'agent_id',
      hello({ from: { type: 'agent', id: bytes(at('agent_id') + 1) } }),
      hello({ from: { type: 'agent', id: bytes(at('agent_id')) } }),
    ],
    [
      'name',
      hello({ from: { type: 'human', id: 'ada', name: bytes(at('name') + 1) } }),
      hello({ from: { type: 'human', id: 'ada', name: bytes(at('name')) } }),
    ],
    [
      'dm_participants',
      hello({
        target: {
          kind: 'dm',
          dm_id: 'd1',
          participant_ids: ['ada', ...many(at('dm_participants'), (i) => `net_b:p${i}`)],
        },
      }),
      hello({
        target: {
          kind: 'dm',
          dm_id: 'd2',
          participant_ids: ['ada', ...many(at('dm_participants') - 1, (i) => `net_b:p${i}`)],
        },
      }),
    ],
  ];
  it.each(cases)('HTTP-7 %s of a message', async (limit, over, most) => {
    const server = await startTestServer({ rooms: [general] });
    const code = (limits[limit] as { code?: keyof typeof errors }).code!;
    const refused = await post(server, over);
    expect([refused.json['code'], refused.status], JSON.stringify(refused.json)).toEqual([
      code,
      errors[code].status,
    ]);
    const { json } = await askJson<{ messages: unknown[] }>(server, '/v1/rooms/general/messages');
    expect(json.messages).toEqual([]);
    const taken = await post(server, most);
    expect(taken.status, JSON.stringify(taken.json)).toBe(202);
  });

  it('HTTP-7 members of a room and of one list', async () => {
    const server = await startTestServer();
    const list = (from: number, n: number) => many(n, (i) => `m${from + i}`);
    expect(
      (await askJson(server, '/v1/rooms', { method: 'POST', body: { id: 'r', members: list(0, 257) } })).json[
        'code'
      ],
    ).toBe('too_many_members');
    expect(
      (await ask(server, '/v1/rooms', { method: 'POST', body: { id: 'r', members: list(0, 256) } })).status,
    ).toBe(201);
    const add = (body: unknown) =>
      askJson<{ code?: string; members?: string[] }>(server, '/v1/rooms/r/members', {
        method: 'PATCH',
        body,
      });
    expect((await add({ add: list(0, 257) })).json.code).toBe('too_many_members');
    for (let n = 256; n < limits.room_members.value; n += 256)
      expect((await add({ add: list(n, 256) })).status).toBe(200);
    expect((await add({ add: ['one-more'] })).json.code).toBe('too_many_members');
    expect((await add({ remove: ['m0'], add: ['m1'] })).json.members).toHaveLength(
      limits.room_members.value - 1,
    );
    expect((await add({ add: ['one-more'] })).status).toBe(200);
    expect(
      (
        await askJson(server, '/v1/rooms', {
          method: 'POST',
          body: { id: 'x', name: bytes(limits.name.value + 1) },
        })
      ).json['code'],
    ).toBe('invalid_name');
  });

  it('HTTP-7 items of one apply, rooms and agents of a network', async () => {
    const server = await startTestServer();
    const apply = (body: unknown) => askJson(server, '/v1/apply', { method: 'POST', body });
    expect((await apply({ rooms: many(1_001, (i) => ({ id: `r${i}` })) })).json['code']).toBe(
      'unprocessable_entity',
    );
    for (let n = 0; n < limits.rooms.value; n += 1_000)
      expect((await apply({ rooms: many(1_000, (i) => ({ id: `r${n + i}` })) })).status).toBe(200);
    expect(
      (await askJson(server, '/v1/rooms', { method: 'POST', body: { id: 'one-more' } })).json['code'],
    ).toBe('too_many_rooms');
    for (let n = 0; n < limits.agents.value; n += 1_000)
      expect((await apply({ agents: many(1_000, (i) => ({ id: `a${n + i}` })) })).status).toBe(200);
    expect(
      (
        await askJson(server, '/v1/agents/register', {
          method: 'POST',
          body: { requested_agent_id: 'one-more' },
        })
      ).json['code'],
    ).toBe('too_many_agents');
    expect((await ask(server, '/v1/agents?limit=500')).status).toBe(200);
  }, 60_000);

  it('HTTP-7 event streams of one address', async () => {
    const server = await startTestServer();
    const open: AbortController[] = [];
    const stream = async () => {
      const controller = new AbortController();
      open.push(controller);
      return (await fetch(`${server.url}/v1/events/stream`, { signal: controller.signal })).status;
    };
    for (let n = 0; n < limits.sse_streams_per_identity.value; n++) expect(await stream()).toBe(200);
    const refused = await askJson(server, '/v1/events/stream');
    expect([refused.status, refused.json['code'], refused.headers['retry-after']]).toEqual([
      503,
      'too_many_streams',
      '1',
    ]);
    for (const controller of open) controller.abort();
  });
});

it('HTTP-46 a request that was refused before its body was there is answered once, whatever the body turns out to be', async () => {
  const server = await startTestServer();
  for (const rest of [
    'Transfer-Encoding: xchunked\r\n\r\n{}',
    'Transfer-Encoding: chunked\r\n\r\nno chunk\r\n',
  ]) {
    const socket = connect(server.port, '127.0.0.1');
    let got = '';
    socket.on('data', (chunk) => (got += chunk.toString()));
    socket.on('error', () => {});
    socket.write(`POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n${rest}`);
    await once(socket, 'close');
    expect(got.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404']);
  }
});

it('HTTP-47 CONNECT is refused with an answer', async () => {
  const server = await startTestServer();
  const answer = await raw(
    server,
    'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n',
    /\}$/,
  );
  expect(answer).toBeDefined();
  expect(
    await raw(
      server,
      'CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n',
      /^HTTP\/1\.1 405 [\s\S]*"code":"method_not_allowed"/,
    ),
  ).toContain('405');
});
