/** Random and hostile input: whatever is sent, the answer is no 5xx and the server goes on. */
import { connect } from 'node:net';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RunningServer } from '../../src/server/server.ts';
import { ask, askJson, hello, raw } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';

const rooms = [{ id: 'general', members: ['ada'], visibility: 'public' }];

async function isWell(server: RunningServer): Promise<void> {
  expect((await ask(server, '/readyz')).status).toBe(200);
  expect((await ask(server, '/v1/messages', { method: 'POST', body: hello() })).status).toBe(202);
  expect((await ask(server, '/v1/rooms/general/messages')).status).toBe(200);
}

const PATHS = [
  '/v1/messages',
  '/v1/rooms',
  '/v1/rooms/general',
  '/v1/rooms/general/members',
  '/v1/apply',
  '/v1/agents/register',
  '/v1/agents/wake-failed',
  '/v1/guard/resume',
  '/v1/pauses',
] as const;

/** Strings that have broken something somewhere: NUL, half surrogates, newlines, very long, ids of every form. */
const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '\u0000',
    'a\u0000b',
    '\ud800',
    'x\udfff',
    '\r\n\r\n',
    '__proto__',
    'constructor',
    'toString',
    '',
    ' ',
    'general',
    ' general ',
    'molt://local/agents/a',
    'molt://',
    'net:',
    ':a',
    'a:b:c',
    'dm_0123456789abcdef0123456789abcdef',
    "'; DROP TABLE events; --",
    '%00',
    '../../x',
    '<script>',
    '@ada',
    '-1',
    '1e999',
  ),
  fc.string({ minLength: 127, maxLength: 300 }),
);
const json = fc.jsonValue({ maxDepth: 4 });
const part = fc.record(
  {
    kind: fc.oneof(fc.constantFrom('text', 'url', 'data', 'file', 'image', 'audio', ' text '), nasty),
    text: fc.oneof(nasty, json),
    media_type: nasty,
    url: nasty,
    filename: nasty,
    data: fc.oneof(json, fc.dictionary(nasty, json)),
  },
  { requiredKeys: [] },
);
const target = fc.record(
  {
    kind: fc.constantFrom('room', 'thread', 'dm', 'Room', ''),
    room_id: fc.oneof(fc.constant('general'), nasty),
    thread_id: nasty,
    parent_message_id: nasty,
    dm_id: nasty,
    participant_ids: fc.array(nasty, { maxLength: 5 }),
  },
  { requiredKeys: ['kind'] },
);
const message = fc.record(
  {
    id: nasty,
    origin: fc.record({ network_id: nasty, message_id: nasty }),
    target,
    from: fc.record(
      {
        type: fc.constantFrom('human', 'agent', ' human', 'system'),
        id: nasty,
        name: nasty,
        network_id: nasty,
        fqid: nasty,
      },
      { requiredKeys: ['type', 'id'] },
    ),
    parts: fc.array(part, { maxLength: 4 }),
    mentions: fc.array(nasty, { maxLength: 4 }),
  },
  { requiredKeys: ['target', 'from', 'parts'] },
);
const room = fc.record(
  {
    id: nasty,
    name: nasty,
    members: fc.array(nasty, { maxLength: 4 }),
    add: fc.array(nasty, { maxLength: 4 }),
    remove: fc.array(nasty, { maxLength: 4 }),
    visibility: nasty,
    write_policy: nasty,
    guard: json,
    requested_agent_id: nasty,
    conversation: nasty,
    agent_id: nasty,
    event: json,
    network_id: nasty,
    rooms: fc.array(fc.record({ id: nasty, name: nasty }), { maxLength: 3 }),
    agents: fc.array(fc.record({ id: nasty, name: nasty }), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);

it('HTTP-3 no body yields a 5xx, and what was accepted can be read', async () => {
  const server = await startTestServer({ rooms, storage: { kind: 'sqlite' } });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...PATHS),
      fc.oneof(message, message, room, json, nasty),
      async (path, body) => {
        const text = typeof body === 'string' ? body : JSON.stringify(body);
        const { status, text: answer } = await ask(server, path, {
          method: path.startsWith('/v1/rooms/') ? 'PATCH' : 'POST',
          body: Buffer.from(text),
        });
        expect(status, answer).toBeLessThan(500);
        const parsed = JSON.parse(answer) as { message_id?: string; accepted?: boolean };
        // What a paired network gave and we let go is answered too, as not accepted.
        if (parsed.message_id !== undefined && parsed.accepted !== false)
          expect((await ask(server, `/v1/messages/${parsed.message_id}`)).status).toBe(200);
      },
    ),
    { numRuns: 600 },
  );
  await isWell(server);
});

it('HTTP-3 no bytes for a body do', async () => {
  const server = await startTestServer({ rooms });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      expect(
        (await ask(server, '/v1/messages', { method: 'POST', body: Buffer.from(bytes) })).status,
      ).toBeLessThan(500);
    }),
    { numRuns: 150 },
  );
  // Deep nesting must not overflow a stack, and long numbers and keys must not be kept.
  for (const body of [
    '['.repeat(500_000),
    '{"a":'.repeat(150_000),
    `{"parts":${'['.repeat(400_000)}${']'.repeat(400_000)}}`,
    `{"id":${'9'.repeat(500_000)}}`,
    `{"${'k'.repeat(900_000)}":1}`,
    JSON.stringify(
      hello({
        parts: [
          { kind: 'data', data: JSON.parse(`${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`) as unknown },
        ],
      }),
    ),
  ])
    expect((await ask(server, '/v1/messages', { method: 'POST', body })).status).toBeLessThan(500);
  await isWell(server);
});

it('HTTP-3 no path, query or header does', async () => {
  const server = await startTestServer({ rooms });
  const encoded = nasty.map((text) => encodeURIComponent(text.toWellFormed()));
  const segment = fc.oneof(
    encoded,
    fc.constantFrom(
      'v1',
      'rooms',
      'general',
      'messages',
      'threads',
      'dms',
      'agents',
      'artifacts',
      'guard',
      'events',
      'stream',
      'console',
      '%',
      '%zz',
      '%c0%af',
      '..',
      '*',
      ':roomID',
    ),
  );
  const path = fc.array(segment, { maxLength: 5 }).map((parts) => `/${parts.join('/')}`);
  const query = fc
    .array(
      fc.tuple(
        fc.constantFrom(
          'limit',
          'before',
          'after',
          'room_id',
          'dm_id',
          'thread_id',
          '__proto__',
          'last_event_id',
        ),
        encoded,
      ),
      { maxLength: 3 },
    )
    .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join('&'));
  const header = fc.tuple(
    fc.constantFrom(
      'x-request-id',
      'accept-version',
      'accept',
      'content-type',
      'authorization',
      'cookie',
      'range',
      'if-none-match',
      'expect',
      'last-event-id',
      'accept-encoding',
      'sec-fetch-site',
      'origin',
      'host',
    ),
    fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\x20-\x7e]/g, '')),
  );
  const known = fc.constantFrom(
    '/v1/rooms',
    '/v1/agents',
    '/v1/dms',
    '/v1/guard',
    '/v1/artifacts',
    '/v1/rooms/general/messages',
    '/v1/rooms/general/threads',
    '/v1/pairings',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'HEAD', 'PUT', 'OPTIONS', 'DELETE'),
      fc.oneof(path, known),
      query,
      fc.array(header, { maxLength: 2 }),
      async (method, route, search, headers) => {
        // The stream does not end, which is right; it has tests of its own.
        if (route.startsWith('/v1/events/stream')) return;
        const { status } = await ask(server, `${route}?${search}`, {
          method,
          headers: Object.fromEntries(headers),
        });
        expect(status).toBeLessThan(500);
      },
    ),
    { numRuns: 500 },
  );
  expect((await askJson(server, '/v1/rooms')).status).toBe(200);
});

it('HTTP-3 HTTP-14 requests that stop half-way, or lie about their length, harm nobody', async () => {
  const server = await startTestServer({ rooms });
  const head = 'POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\n';
  const half = [
    `${head}content-length: 100\r\n\r\n{"id":`,
    head,
    `${head}transfer-encoding: chunked\r\n\r\n5\r\n{"id"`,
  ].map((bytes) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(bytes));
    socket.on('error', () => {});
    return socket;
  });
  await isWell(server);
  for (const socket of half) socket.destroy();
  await isWell(server);
  // Two requests in one packet are two requests.
  const body = JSON.stringify(hello());
  const one = `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  await raw(server, one + one, /202[\s\S]*202/);
});
