/** What the server's log holds, and what it does not. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { startServer } from '../../src/server/server.ts';
import { ask, askUpgrade, hello } from '../support/server-http.ts';
import { testConfig } from '../support/server.ts';

async function logged(level: string) {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  const server = await startServer(testConfig({ rooms: [{ id: 'general', members: [] }] }), {
    log: pino({ level }, sink),
  });
  onTestFinished(() => server.stop());
  return { server, lines, text: () => JSON.stringify(lines) };
}

it('HTTP-11 a request that went well is not logged at info, a refusal is, with its request id', async () => {
  const { server, lines } = await logged('info');
  const before = lines.length;
  await ask(server, '/v1/network');
  await ask(server, '/v1/messages', { method: 'POST', body: hello() });
  expect(lines.slice(before)).toEqual([]);
  await ask(server, '/v1/rooms/nope', { headers: { 'x-request-id': 'mine' } });
  await askUpgrade(server, { origin: 'https://evil.example' });
  expect(lines.slice(before)).toMatchObject([
    {
      level: 40,
      component: 'transport.http',
      request_id: 'mine',
      method: 'GET',
      path: '/v1/rooms/nope',
      status: 404,
      code: 'not_found',
    },
    { level: 40, component: 'transport.attach', path: '/v1/attach', status: 403, code: 'foreign_origin' },
  ]);
});

it('HTTP-11 no body, header or query is in the log, at any level', async () => {
  const { server, text } = await logged('trace');
  const secret = 'sesame-1234';
  await ask(server, `/v1/network?access_token=${secret}`, {
    headers: { authorization: `Bearer ${secret}`, cookie: `moltnet_auth=${secret}` },
  });
  await ask(server, `/v1/nope?access_token=${secret}`);
  await ask(server, `/v1/agents/%zz?access_token=${secret}`);
  await ask(server, '/v1/messages', {
    method: 'POST',
    body: hello({ parts: [{ kind: 'text', text: secret }] }),
  });
  await ask(server, '/v1/messages', { method: 'POST', body: `{"text": ${secret}` });
  await askUpgrade(server, { origin: 'https://evil.example' }, `/v1/attach?access_token=${secret}`);
  expect(text()).toContain('/v1/messages');
  expect(text()).not.toContain(secret);
});
