/** POST /v1/messages is served without the framework (direct.ts): nobody can tell, whichever way its path is written. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { limits } from '../../src/protocol/limits.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { startAuthLab } from '../support/auth-lab.ts';
import { ask, hello } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';

const general = { id: 'general', members: [], visibility: 'public' };
const DIRECT = '/v1/messages';
/** The same route by way of the framework. */
const FRAMED = '/v1/m%65ssages';

/** What a caller is told, without what differs from request to request. */
async function told(server: RunningServer, path: string, body: unknown, headers: Record<string, string>) {
  const answer = await ask(server, path, { method: 'POST', body, headers });
  const { date: _date, 'keep-alive': _kept, 'content-length': _length, ...rest } = answer.headers;
  const text = answer.text.replace(/"(message_id|event_id)":"[^"]*"/g, '"$1":""');
  return { status: answer.status, text, headers: rest };
}

it('HTTP-48 every way to write the path of a message is answered alike', async () => {
  const server = await startTestServer({ rooms: [general] });
  const own = { 'x-request-id': 'mine' };
  const cases: [name: string, body: unknown, headers: Record<string, string>][] = [
    ['a message', hello(), own],
    ['with nulls and unknown fields', { ...hello(), mentions: null, colour: 'red' }, own],
    ['of any type', hello(), { ...own, 'content-type': ';;' }],
    ['wrong type', hello({ parts: [{ kind: 'text', text: 5 }] }), own],
    ['not a message', {}, own],
    ['null', 'null', own],
    ['not an object', '[]', own],
    ['no such room', hello({ target: { kind: 'room', room_id: 'nope' } }), own],
    ['too large', `{"x":"${'y'.repeat(limits.body.value)}"}`, own],
    ['a foreign page', hello(), { ...own, origin: 'https://evil.example' }],
    ['a foreign site', hello(), { ...own, 'sec-fetch-site': 'cross-site' }],
    ['a foreign host', hello(), { ...own, host: 'evil.example' }],
  ];
  for (const [name, body, headers] of cases) {
    const direct = await told(server, DIRECT, body, headers);
    expect(direct, name).toEqual(await told(server, FRAMED, body, headers));
    expect(direct.headers['x-request-id'], name).toBe('mine');
  }
  const metrics = (await ask(server, '/metrics')).text;
  const counted =
    /moltnet_http_requests_total\{method="POST",route="POST \/v1\/messages",status="202"\} (\d+)/;
  expect(counted.exec(metrics)?.[1]).toBe('6');
});

it('HTTP-48 also with credentials, and without', async () => {
  const lab = await startAuthLab('bearer');
  const body = hello({ target: { kind: 'room', room_id: 'hall' }, from: { type: 'agent', id: 'member' } });
  const seen = new Set<unknown>();
  for (const who of [
    'member',
    'write',
    'observe',
    'attach',
    'session',
    'removed',
    'unknown',
    'anon',
  ] as const) {
    const sent = async (path: string) => {
      const { status, code } = await lab.call(who, `POST ${path}`, body);
      seen.add(status);
      return [status, code];
    };
    expect(await sent(DIRECT), who).toEqual(await sent(FRAMED));
  }
  expect([...seen].sort()).toEqual([202, 401, 403, 409]);
});

it('HTTP-4 a body that comes in pieces, cut inside a letter, is one body', async () => {
  const server = await startTestServer({ rooms: [general] });
  const body = Buffer.from(JSON.stringify(hello({ id: 'cut', parts: [{ kind: 'text', text: 'grüße 👋' }] })));
  const socket = connect(server.port, '127.0.0.1').setNoDelay();
  let answer = '';
  socket.on('data', (data) => (answer += String(data)));
  socket.write(`POST ${DIRECT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`);
  for (const byte of body)
    socket.write(Buffer.concat([Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]));
  socket.end('0\r\n\r\n');
  await once(socket, 'close');
  expect(answer).toMatch(/^HTTP\/1\.1 202 /);
  expect(JSON.parse((await ask(server, '/v1/messages/cut')).text)).toMatchObject({
    parts: [{ text: 'grüße 👋' }],
  });
});
