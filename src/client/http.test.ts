import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { MoltnetError } from '../protocol/errors.ts';
import { ConnectionError, createClient, everyItem, RefusedError } from './http.ts';

type Handler = (req: IncomingMessage, res: ServerResponse, body: string) => void;

async function serve(handler: Handler): Promise<string> {
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => handler(req, res, Buffer.concat(chunks).toString()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const json = (
  res: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void =>
  void res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
const failure = async (promise: Promise<unknown>): Promise<ConnectionError & RefusedError> =>
  promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as never,
  );

it('NODE-20 a refusal carries the code, the status and the text of the server', async () => {
  const url = await serve((_req, res) =>
    json(
      res,
      409,
      { code: 'dm_participants_mismatch', error: 'not these', request_id: 'req_1' },
      { 'retry-after': '3' },
    ),
  );
  const error = await failure(createClient({ baseUrl: url }).network());
  expect(error).toBeInstanceOf(MoltnetError);
  expect(error).toMatchObject({
    code: 'dm_participants_mismatch',
    status: 409,
    message: 'not these',
    request_id: 'req_1',
    retry_after: 3,
    retry: false,
  });
});

it('NODE-20 a code that is not known here keeps its status and becomes the generic one', async () => {
  const url = await serve((_req, res) => json(res, 422, { code: 'too_blue', error: 'too blue' }));
  expect(await failure(createClient({ baseUrl: url }).network())).toMatchObject({
    code: 'unprocessable_entity',
    wire_code: 'too_blue',
    status: 422,
  });
});

it('NODE-21 nobody there: one plain sentence, and it is known that nothing was sent', async () => {
  const error = await failure(createClient({ baseUrl: 'http://127.0.0.1:1/' }).network());
  expect(error).toBeInstanceOf(ConnectionError);
  expect(error.message).toBe(
    'no Moltnet server at http://127.0.0.1:1: connection refused; start one with `moltnet start`, or correct the address',
  );
  expect(error).toMatchObject({ problem: 'refused', maybe_done: false });
});

it('NODE-21 a connection that breaks, or an answer that does not come, may have been carried out', async () => {
  const broken = await serve((req) => void req.socket.destroy());
  expect(
    await failure(
      createClient({ baseUrl: broken }).send({
        target: { kind: 'room' },
        from: { type: 'human', id: 'a' },
        parts: [],
      }),
    ),
  ).toMatchObject({ problem: 'broken', maybe_done: true });
  const half = await serve((_req, res) => {
    res.writeHead(200, { 'content-length': '100' }).write('{"id":');
    setImmediate(() => res.destroy());
  });
  expect(await failure(createClient({ baseUrl: half }).network())).toMatchObject({
    problem: 'broken',
    maybe_done: true,
  });
  const mute = await serve(() => {});
  expect(await failure(createClient({ baseUrl: mute, timeoutMs: 50 }).network())).toMatchObject({
    problem: 'timeout',
    maybe_done: true,
  });
  const dripping = await serve((_req, res) => {
    res.writeHead(200);
    const timer = setInterval(() => res.write(' '), 5);
    res.on('close', () => clearInterval(timer));
  });
  expect(await failure(createClient({ baseUrl: dripping, timeoutMs: 60 }).network())).toMatchObject({
    problem: 'timeout',
  });
});

it('NODE-22 what is not Moltnet is told as such; redirects are not followed', async () => {
  let asked = 0;
  const url = await serve((req, res) => {
    asked++;
    if (req.url === '/v1/network') res.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
    else if (req.url === '/v1/rooms') res.writeHead(301, { location: 'http://127.0.0.1:1/v1/rooms' }).end();
    else if (req.url === '/v1/agents')
      res.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>');
    else if (req.url === '/v1/guard') json(res, 200, ['not', 'an', 'object']);
    else json(res, 404, { nothing: true });
  });
  const client = createClient({ baseUrl: url });
  expect((await failure(client.network())).message).toContain(
    '(status 200, text/html) is not a Moltnet server',
  );
  expect((await failure(client.rooms())).message).toContain(
    'redirects to http://127.0.0.1:1/v1/rooms, which is not followed',
  );
  expect(await failure(client.agents())).toMatchObject({ status: 502, code: 'bad_gateway', retry: true });
  expect(await failure(client.guard())).toMatchObject({ problem: 'bad_answer' });
  expect(await failure(client.dm('x'))).toMatchObject({ problem: 'bad_answer' });
  expect(asked).toBe(5);
  const raw = createTcpServer((socket) => void socket.on('error', () => {}).end('SSH-2.0-OpenSSH\r\n'));
  await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void raw.close());
  expect(
    (
      await failure(
        createClient({ baseUrl: `http://127.0.0.1:${(raw.address() as AddressInfo).port}` }).network(),
      )
    ).message,
  ).toContain('does not speak HTTP');
});

it('NODE-22 an answer over the limit is refused while it is read', async () => {
  const url = await serve((_req, res) => json(res, 200, { filler: 'x'.repeat(10_000) }));
  expect(await failure(createClient({ baseUrl: url, maxBytes: 1_000 }).network())).toMatchObject({
    problem: 'answer_too_large',
  });
});

it('NODE-23 paths are encoded, pages asked for as given, null lists are empty', async () => {
  const seen: string[] = [];
  const url = await serve((req, res, body) => {
    seen.push(`${req.method} ${req.url} ${body} ${req.headers.authorization}`);
    json(res, 200, { messages: null, page: { has_more: false } });
  });
  const client = createClient({ baseUrl: `${url}/base/`, token: 't0' });
  expect(await client.messages('thread:a:b', { after: 'm1', limit: 5 })).toEqual({
    messages: [],
    page: { has_more: false },
  });
  await client.room('../x?y');
  await client.updateRoomMembers('r', { add: ['a'] });
  await client.artifacts({ dm_id: 'd 1' }, { limit: 2 });
  expect(seen).toEqual([
    'GET /base/v1/threads/a%3Ab/messages?after=m1&limit=5  Bearer t0',
    'GET /base/v1/rooms/..%2Fx%3Fy  Bearer t0',
    'PATCH /base/v1/rooms/r/members {"add":["a"]} Bearer t0',
    'GET /base/v1/artifacts?dm_id=d+1&limit=2  Bearer t0',
  ]);
});

it('NODE-23 every item of a list, page by page, even from a server that repeats itself', async () => {
  const url = await serve((req, res) => {
    const after = new URL(req.url!, 'http://x').searchParams.get('after');
    const page = after === null ? ['a', 'b'] : after === 'b' ? ['c'] : [];
    json(res, 200, {
      rooms: page.map((id) => ({ id })),
      page: { has_more: true, ...(page.length > 0 ? { next_after: page.at(-1) } : {}) },
    });
  });
  const client = createClient({ baseUrl: url });
  expect(
    (
      await everyItem(
        (page) => client.rooms(page),
        ({ rooms }) => rooms,
      )
    ).map(({ id }) => id),
  ).toEqual(['a', 'b', 'c']);
  const stuck = await serve((_req, res) =>
    json(res, 200, { rooms: [{ id: 'a' }], page: { has_more: true, next_after: 'a' } }),
  );
  expect(
    await everyItem(
      (page) => createClient({ baseUrl: stuck }).rooms(page),
      ({ rooms }) => rooms,
    ),
  ).toHaveLength(2);
});

it('CLIENT-3 claims, invitations, rotation, joining, identity and reload are the routes of the wire', async () => {
  const seen: string[] = [];
  const url = await serve((req, res, body) => {
    seen.push(`${req.method} ${req.url} ${body}`);
    json(res, 200, {});
  });
  const client = createClient({ baseUrl: url });
  await client.registerAgent({
    requested_agent_id: 'alpha',
    claim_key: 'mkey_v1_k',
    claim_code: 'minv_v1_c',
  });
  await client.rotateToken('al pha');
  await client.inviteAgent('alpha', { expires_in: 60 });
  await client.inviteAgent('alpha');
  await client.joinRoom('the/room', { agent: 'alpha', credential: 'let me in' });
  await client.identity();
  await client.reload();
  expect(seen).toEqual([
    'POST /v1/agents/register {"requested_agent_id":"alpha","claim_key":"mkey_v1_k","claim_code":"minv_v1_c"}',
    'POST /v1/agents/al%20pha/rotate-token {}',
    'POST /v1/agents/alpha/invite {"expires_in":60}',
    'POST /v1/agents/alpha/invite {}',
    'POST /v1/rooms/the%2Froom/join {"from":{"type":"agent","id":"alpha"},"credential":"let me in"}',
    'GET /v1/identity ',
    'POST /v1/reload {}',
  ]);
});

it('CLIENT-4 Retry-After is read as seconds, also where it is a date', async () => {
  let header = '';
  const url = await serve((_req, res) =>
    json(res, 429, { code: 'rate_limited', error: 'slow down' }, { 'retry-after': header }),
  );
  const asked = async (value: string): Promise<number | undefined> => {
    header = value;
    return (await failure(createClient({ baseUrl: url }).network())).retry_after;
  };
  expect(await asked('12')).toBe(12);
  expect(await asked('-1')).toBeUndefined();
  expect(await asked('soon')).toBeUndefined();
  expect(await asked(new Date(0).toUTCString())).toBe(0);
  expect(await asked('Fri, 31 Dec 9999 23:59:59 GMT')).toBeGreaterThan(1e9);
});

it('NODE-24 close breaks off what is under way and refuses what comes after', async () => {
  const mute = await serve(() => {});
  const client = createClient({ baseUrl: mute, keepAlive: true });
  const running = failure(client.network());
  await new Promise((resolve) => setImmediate(resolve));
  client.close();
  client.close();
  expect(await running).toMatchObject({ problem: 'closed' });
  expect(await failure(client.network())).toMatchObject({ problem: 'closed', maybe_done: false });
});

it('NODE-20 it loads nothing but itself: no schema library, no other dependency', async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('./http.ts', import.meta.url))],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
  });
  expect(Object.keys(metafile.inputs).filter((file) => file.includes('node_modules'))).toEqual([]);
});

it('NODE-21 https where a server speaks plain HTTP: the sentence says what to write', async () => {
  const url = (await serve((_req, res) => json(res, 200, {}))).replace('http:', 'https:');
  const error = await failure(createClient({ baseUrl: url }).network());
  expect(error).toMatchObject({
    problem: 'tls',
    message: `what answers at ${url} does not speak TLS; write http:// in place of https://`,
  });
});
