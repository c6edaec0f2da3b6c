/** Starting and stopping a server. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { createLog } from '../../src/server/log.ts';
import { startServer } from '../../src/server/server.ts';
import { ask, askJson, hello, raw } from '../support/server-http.ts';
import { startTestServer, temporaryFolder, testConfig } from '../support/server.ts';

const rooms = [{ id: 'general', members: [], visibility: 'public' }];
const silent = { log: createLog('silent') };

it('HTTP-12 answers what was accepted, and what it said was stored is there after a start', async () => {
  const file = path.join(await temporaryFolder(), 'moltnet.db');
  const server = await startTestServer({ rooms, storage: { kind: 'sqlite', sqlite: { path: file } } });
  const sent = Array.from({ length: 200 }, (_, i) =>
    ask(server, '/v1/messages', { method: 'POST', body: hello({ id: `m${i}` }) }).then(
      ({ status, text }) => ({ id: `m${i}`, status, text }),
      () => undefined,
    ),
  );
  // Some are answered, some on their way.
  await Promise.race(sent);
  await server.stop();
  const answers = (await Promise.all(sent)).filter((answer) => answer !== undefined);
  expect(
    answers.every(
      ({ status, text }) =>
        status === 202 || (status === 503 && (JSON.parse(text) as { code: string }).code === 'stopping'),
    ),
  ).toBe(true);
  const accepted = answers.filter(({ status }) => status === 202).map(({ id }) => id);
  expect(accepted.length).toBeGreaterThan(0);

  const again = await startTestServer({ rooms, storage: { kind: 'sqlite', sqlite: { path: file } } });
  const { json } = await askJson<{ messages: { id: string }[] }>(
    again,
    '/v1/rooms/general/messages?limit=500',
  );
  const stored = json.messages.map(({ id }) => id);
  expect(stored).toEqual(expect.arrayContaining(accepted));
  expect(new Set(stored).size).toBe(stored.length);
});

it('HTTP-12 a connection that is kept open is told to stop, and does not hold it up', async () => {
  const server = await startTestServer({ rooms });
  // A request whose body never ends.
  const hanging = request({
    host: '127.0.0.1',
    port: server.port,
    path: '/v1/messages',
    method: 'POST',
    headers: { 'content-length': '100' },
  });
  const hung = once(hanging, 'error');
  hanging.write('{');
  await once(hanging, 'socket');
  await ask(server, '/healthz');
  const began = performance.now();
  await server.stop();
  expect(performance.now() - began).toBeLessThan(5_000);
  await hung;
  await expect(ask(server, '/healthz')).rejects.toThrow(/ECONNREFUSED/);
});

it('HTTP-12 a request that comes after the stop began is refused', async () => {
  const server = await startTestServer({ rooms });
  const socket = connect(server.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let got = '';
  socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
  await once(socket, 'connect');
  socket.write('GET /v1/network HTTP/1.1\r\nhost: 127.0.0.1\r\n');
  // What was written before is there when the answer to this has come.
  await ask(server, '/healthz');
  const stopped = server.stop();
  socket.write('\r\n');
  await once(socket, 'close');
  expect(got).toMatch(/^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*"code":"stopping"/);
  await stopped;
});

it('HTTP-14 a request whose headers do not come is ended', async () => {
  const server = await startTestServer();
  const body = await raw(
    server,
    'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n',
    /^HTTP\/1\.1 408 [\s\S]*(\{"code":.*\})$/,
  );
  expect(JSON.parse(body)).toMatchObject({ code: 'bad_request', error: 'the request was not sent in time' });
});

it('HTTP-12 attachments are closed with 1012, event streams end', async () => {
  const server = await startTestServer({ rooms });
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/v1/attach`);
  const frames: { op: string }[] = [];
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as { op: string }));
  const closed = once(socket, 'close');
  await once(socket, 'message');
  socket.send(
    JSON.stringify({
      op: 'IDENTIFY',
      version: 'moltnet.attach.v1',
      network_id: 'local',
      agent: { type: 'agent', id: 'cody' },
      capabilities: {},
    }),
  );
  await once(socket, 'message');
  expect(frames.map(({ op }) => op)).toEqual(['HELLO', 'READY']);
  const stream = await fetch(`${server.url}/v1/events/stream`);
  const ended = stream.text();

  await server.stop();
  const [code] = (await closed) as [number];
  expect(code).toBe(1012);
  expect(await ended).toMatch(/^: stream-open\n\n/);
});

it('HTTP-12 stopping twice is stopping once', async () => {
  const server = await startTestServer({ storage: { kind: 'sqlite' } });
  const first = server.stop();
  expect(server.stop()).toBe(first);
  await first;
  await server.stop();
});

it('HTTP-13 a taken port is named, and nothing stays open', async () => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  const file = path.join(await temporaryFolder(), 'moltnet.db');
  const config = testConfig({
    server: { listen_addr: `127.0.0.1:${port}` },
    storage: { kind: 'sqlite', sqlite: { path: file } },
  });
  await expect(startServer(config, silent)).rejects.toThrow(
    new RegExp(`port ${port} is taken.*server\\.listen_addr`),
  );
  // The file is free again.
  const server = await startServer(
    testConfig({ storage: { kind: 'sqlite', sqlite: { path: file } } }),
    silent,
  );
  await server.stop();
});

it('HTTP-13 what cannot be started is explained', async () => {
  const reason = (changes: Parameters<typeof testConfig>[0]) =>
    startServer(testConfig(changes), silent).then(
      async (server) => {
        await server.stop();
        return 'started';
      },
      (error: Error) => error.message,
    );
  expect(await reason({ server: { listen_addr: 'nonsense' } })).toMatch(
    /server\.listen_addr.*127\.0\.0\.1:8787/,
  );
  expect(await reason({ server: { listen_addr: '203.0.113.7:0' } })).toMatch(
    /203\.0\.113\.7 is no address of this machine/,
  );
  expect(await reason({ storage: { kind: 'postgres' } })).toMatch(/storage\.kind postgres needs an address/);
  expect(await reason({ rooms: [{ id: 'a b', members: [] }] })).toMatch(/a b/);
});

it('SAFE-3 it listens where it is told to', async () => {
  const everywhere = await startTestServer({ server: { listen_addr: ':0' } });
  expect(everywhere.url).toBe(`http://127.0.0.1:${everywhere.port}`);
  expect((await ask(everywhere, '/healthz')).status).toBe(200);
  const named = await startTestServer({ server: { listen_addr: 'localhost:0' } });
  expect((await ask(named, '/healthz')).status).toBe(200);
});
