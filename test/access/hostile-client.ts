/** A client that means harm: bytes on bare sockets, and a grammar of requests that no honest program sends. */
import { connect, type Socket } from 'node:net';
import * as fc from 'fast-check';

export interface RawAnswer {
  /** 0 when the connection ended without a status line. */
  status: number;
  code?: string;
  text: string;
}

/** Writes the bytes, says that nothing follows, and takes what comes back until the end, or until it is clear. */
export function rawSend(port: number, bytes: string | Buffer): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    const done = (): void => {
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
      const code = /\r\n\r\n(?:[\da-f]+\r\n)?\{"code":"(\w+)"/.exec(text)?.[1];
      socket.destroy();
      resolve({ status, text, ...(code !== undefined && { code }) });
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      // A stream or an attachment goes on; that it was opened is the answer.
      if (text.startsWith('HTTP/1.1 101') || /\r\ncontent-type: text\/event-stream/i.test(text)) done();
      else if (text.length > 3_000_000) done();
    });
    socket.on('error', done);
    socket.on('close', done);
  });
}

/** A connection that says this much and then nothing; `closed` says whether the server has given up on it. */
export interface Silent {
  socket: Socket;
  closed: boolean;
}
export function silent(port: number, bytes: string, read = true): Silent {
  const state: Silent = { socket: connect(port, '127.0.0.1', () => socket.write(bytes)), closed: false };
  const { socket } = state;
  socket.on('error', () => {});
  socket.on('close', () => (state.closed = true));
  if (read) socket.resume();
  else socket.pause();
  return state;
}

export const requestText = (
  method: string,
  at: string,
  headers: readonly (readonly [string, string])[] = [],
  body = '',
): string => {
  const length = body === '' && method === 'GET' ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${at} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${lines}${length}\r\n${body}`;
};

export const UPGRADE = [
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', Buffer.from('0123456789abcdef').toString('base64')],
] as const;
export const upgradeText = (headers: readonly (readonly [string, string])[]): string =>
  requestText('GET', '/v1/attach', [...headers, ...UPGRADE]).replace(
    'Connection: close',
    'Connection: Upgrade',
  );

const word = fc.oneof(
  fc.constantFrom('hall', 'den', 'member', 'nowhere', 't-hall', 'm-hall', 'dm-in', 'register', 'stream'),
  fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '%00',
    '%2F',
    '%5c',
    '%zz',
    '%c0%af',
    '%',
    '*',
    ':roomID',
    "'",
    '"',
    '<b>',
    '~',
  ),
  fc.string({ unit: 'grapheme-ascii', maxLength: 12 }).map((text) => encodeURIComponent(text)),
  fc.constant('a'.repeat(2_000)),
);
const PATHS = [
  '/v1/network',
  '/v1/rooms',
  '/v1/rooms/{}',
  '/v1/rooms/{}/messages',
  '/v1/rooms/{}/threads',
  '/v1/rooms/{}/members',
  '/v1/rooms/{}/join',
  '/v1/threads/{}',
  '/v1/threads/{}/messages',
  '/v1/dms',
  '/v1/dms/{}',
  '/v1/dms/{}/messages',
  '/v1/messages',
  '/v1/messages/{}',
  '/v1/artifacts',
  '/v1/agents',
  '/v1/agents/{}',
  '/v1/agents/{}/invite',
  '/v1/agents/{}/rotate-token',
  '/v1/agents/register',
  '/v1/agents/wake-failed',
  '/v1/guard',
  '/v1/guard/resume',
  '/v1/guard/{}',
  '/v1/pauses',
  '/v1/pauses/{}',
  '/v1/pairings',
  '/v1/apply',
  '/v1/reload',
  '/v1/identity',
  '/v1/attach',
  '/v1/events/stream',
  '/metrics',
  '/healthz',
  '/skill.md',
  '/install.md',
  '/console/{}',
  '/console/session',
  '/console/tickets',
  '/{}',
  '//{}',
  '/{}/{}/{}',
  'http://evil.test/v1/rooms',
  '*',
];
const at = fc
  .tuple(fc.constantFrom(...PATHS), fc.array(word, { minLength: 3, maxLength: 3 }))
  .map(([path, words]) => words.reduce((text, each) => text.replace('{}', each), path));
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          'limit',
          'before',
          'after',
          'access_token',
          'room_id',
          'dm_id',
          '__proto__',
          'last_event_id',
        ),
        word,
      )
      .map(([name, value]) => `?${name}=${value}`),
  },
);
const value = fc.oneof(
  fc.constantFrom(
    'null',
    '',
    'https://evil.test',
    'evil.test',
    '127.0.0.1',
    '127.0.0.1, 127.0.0.1',
    'a=b',
    '*/*',
    '0',
    '-1',
    '99999999999999999999',
  ),
  fc.string({ unit: 'grapheme-ascii', maxLength: 60 }).map((text) => text.replace(/[\r\n]/g, '')),
);
const header = fc.tuple(
  fc.constantFrom(
    'Origin',
    'Sec-Fetch-Site',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'Forwarded',
    'X-Real-IP',
    'Cookie',
    'Authorization',
    'X-Request-Id',
    'Content-Type',
    'Content-Encoding',
    'Last-Event-ID',
    'Range',
    'Expect',
    'TE',
    'Accept-Encoding',
    'X-HTTP-Method-Override',
    'X-Original-URL',
    'Upgrade',
  ),
  value,
);
const json = fc.oneof(
  fc.json({ maxDepth: 5 }),
  fc
    .record(
      {
        id: fc.constantFrom('m-hall', 'x y', '__proto__', ''),
        from: fc.record({
          type: fc.constantFrom('agent', 'human', ' human', 'system'),
          id: fc.constantFrom('member', 'far', 'ann', 'net_b:x', 'new'),
        }),
        target: fc.record({
          kind: fc.constantFrom('room', 'thread', 'dm'),
          room_id: fc.constantFrom('hall', 'den', 'vault', 'nowhere'),
          dm_id: fc.constantFrom('dm-in', 'dm-out', 'dm-new'),
        }),
        parts: fc.array(fc.record({ kind: fc.constantFrom('text', 'url', 'exe'), text: fc.string() }), {
          maxLength: 3,
        }),
        requested_agent_id: fc.constantFrom('member', 'squat', 'ann', 'removed', 'a b', 'net_b:x'),
        claim_code: fc.string(),
        token: fc.string(),
        credential: fc.string(),
        origin: fc.record({ network_id: fc.constantFrom('net_b', 'local'), message_id: fc.string() }),
      },
      { requiredKeys: [] },
    )
    .map((each) => JSON.stringify(each)),
);
const body = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 4, arbitrary: json },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }) },
  { weight: 1, arbitrary: fc.constantFrom('{', '[[[[[[', '{"id":', '\u0000', '{"a":1}{"b":2}') },
);
const method = fc.oneof(
  { weight: 6, arbitrary: fc.constant('GET') },
  { weight: 5, arbitrary: fc.constant('POST') },
  { weight: 3, arbitrary: fc.constantFrom('PATCH', 'DELETE', 'PUT', 'HEAD', 'OPTIONS') },
  { weight: 1, arbitrary: fc.constantFrom('TRACE', 'CONNECT', 'PROPFIND', 'get', 'FOO', '') },
);
/** What is done to the bytes afterwards. */
const damage = fc.oneof(
  { weight: 20, arbitrary: fc.constant('none' as const) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'half' as const,
      'folded' as const,
      'bare-lf' as const,
      'two-lengths' as const,
      'chunked-and-length' as const,
      'http/3' as const,
    ),
  },
);

/** `credentials` are real ones, as header lines: an attacker may have one. */
export const hostileRequest = (credentials: readonly (readonly [string, string])[]): fc.Arbitrary<string> =>
  fc
    .tuple(
      method,
      at,
      query,
      fc.array(header, { maxLength: 3 }),
      fc.option(fc.constantFrom(...credentials), { freq: 2 }),
      body,
      damage,
    )
    .map(([verb, path, search, headers, credential, content, how]) => {
      const all = credential === null ? headers : [credential, ...headers];
      const text = requestText(verb, `${path}${search}`, all, content);
      switch (how) {
        case 'half':
          return text.slice(0, Math.floor(text.length / 2));
        case 'folded':
          return text.replace('Connection: close', 'Connection:\r\n close');
        case 'bare-lf':
          return text.replaceAll('\r\n', '\n');
        case 'two-lengths':
          return text.replace('\r\n\r\n', '\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n');
        case 'chunked-and-length':
          return text.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n');
        case 'http/3':
          return text.replace('HTTP/1.1', 'HTTP/3.0');
        case 'none':
          return text;
      }
    });

/** Frames for the attachment WebSocket. */
export const hostileFrame: fc.Arbitrary<string> = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .record(
      {
        op: fc.constantFrom(
          'IDENTIFY',
          'ACK',
          'WAKE',
          'BOOTSTRAP',
          'PONG',
          'PING',
          'ERROR',
          'EVENT',
          'READY',
          'HELLO',
          'x',
        ),
        version: fc.constantFrom('moltnet.attach.v1', 'moltnet.attach.v2', ''),
        network_id: fc.constantFrom('local', 'other'),
        agent: fc.record({
          id: fc.constantFrom('member', 'squat', 'ann', 'far', 'removed', 'net_b:x', '../x', 'new'),
          type: fc.string(),
        }),
        cursor: fc.oneof(fc.string(), fc.constant('evt_x')),
        capabilities: fc.record({ delivery: fc.constantFrom(0, 1, 2, -1, 1.5) }),
        bindings: fc.oneof(
          fc.jsonValue(),
          fc.constant({ rooms: [{ id: 'vault', wake: 'all' }], dms: { enabled: true, wake: 'all' } }),
        ),
        wake_id: fc.string(),
        conversation: fc.constantFrom('room:vault', 'dm:dm-out', 'x', 'room:'),
        attempt: fc.oneof(fc.integer(), fc.double()),
        rooms: fc.array(fc.string(), { maxLength: 4 }),
        claim_key: fc.string(),
      },
      { requiredKeys: ['op'] },
    )
    .map((frame) => JSON.stringify({ version: 'moltnet.attach.v1', ...frame })),
);
