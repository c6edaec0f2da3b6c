import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { ask, askJson } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';
import { eventually, GENERAL, useBrowser } from './harness.ts';

const open = useBrowser();

const TOKENS = [
  {
    id: 'anna',
    value: 'anna-secret-token',
    scopes: ['observe', 'write', 'admin'],
    human: { id: 'anna', name: 'Anna Lee' },
  },
  { id: 'bob', value: 'bob-secret-token', scopes: ['observe', 'write'], human: { id: 'bob', name: 'Bob' } },
];
const start = () => startTestServer({ auth: { mode: 'bearer', tokens: TOKENS }, rooms: [GENERAL] });

it('SAFE-6 SESS-5 a page of a stranger frames nothing, writes nothing and reads nothing with somebody’s session', async () => {
  const server = await start();
  const { page } = await open(server, '/console/rooms/general?access_token=anna-secret-token');
  await page.getByText('Signed in as Anna Lee').waitFor();
  // The token is in no address that stays, nor can the page read it.
  expect(page.url()).not.toContain('token');
  expect(await page.evaluate('document.referrer + location.href + document.cookie')).not.toContain('secret');

  const evil = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><script>
      const told = (window.told = {});
      const tried = (name, promise) => promise.then((value) => { told[name] = value; }, () => { told[name] = 'refused'; });
      const base = ${JSON.stringify(server.url)};
      const send = (path, method, body) => fetch(base + path, { method, body, credentials: 'include', mode: 'no-cors' }).then((answer) => answer.type);
      addEventListener('load', () => Promise.all([
        tried('read', fetch(base + '/v1/rooms', { credentials: 'include' }).then((answer) => answer.text())),
        tried('write', send('/v1/messages', 'POST', JSON.stringify({ target: { kind: 'room', room_id: 'general' }, parts: [{ kind: 'text', text: 'forged' }] }))),
        tried('reload', send('/v1/reload', 'POST')),
        tried('logout', fetch(base + '/console/session', { method: 'DELETE', credentials: 'include' }).then((answer) => answer.text())),
        tried('mark', fetch(base + '/v1/reads/room:general', { method: 'PUT', credentials: 'include', body: '{}' }).then((answer) => answer.text())),
        new Promise((resolve) => { const stream = new EventSource(base + '/v1/events/stream', { withCredentials: true }); stream.onopen = () => { told.stream = 'open'; resolve(); }; stream.onerror = () => { told.stream = 'refused'; stream.close(); resolve(); }; }),
      ]).then(() => { told.done = true; }));
    </script><iframe src="${server.url}/console/rooms/general"></iframe><iframe src="${server.url}/console/picture#x"></iframe>`);
  });
  await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void evil.close());
  // Another site to the browser, on the same machine.
  const stranger = await page.context().newPage();
  await stranger.goto(`http://localhost:${(evil.address() as AddressInfo).port}/`);
  await eventually(() => stranger.evaluate('told.done')).toBe(true);
  expect(await stranger.evaluate('told')).toMatchObject({
    read: 'refused',
    logout: 'refused',
    mark: 'refused',
    stream: 'refused',
  });
  for (const frame of stranger.frames().slice(1))
    expect(
      await frame
        .locator('body')
        .innerText()
        .catch(() => ''),
    ).not.toMatch(/general|Moltnet/);
  const { json } = await askJson<{ messages: unknown[] }>(server, '/v1/rooms/general/messages', {
    headers: { authorization: 'Bearer anna-secret-token' },
  });
  expect(json.messages).toEqual([]);
  // And she is still signed in.
  await page.reload();
  await page.getByText('Signed in as Anna Lee').waitFor();
});

it('SESS-15 SESS-7 a ticket is good once; a session without admin administers nothing, and its stream ends with it', async () => {
  const server = await start();
  const ticketOf = async (token: string) =>
    (await askJson<{ ticket: string }>(server, '/console/tickets', { method: 'POST', body: { token } })).json
      .ticket;
  const ticket = await ticketOf('bob-secret-token');
  const bob = await open(server, `/console/?ticket=${ticket}`);
  await bob.page.getByText('Signed in as Bob').waitFor();
  expect(bob.page.url()).not.toContain('ticket');
  const thief = await open(server, `/console/?ticket=${ticket}`);
  await thief.page.getByLabel('Token').waitFor();
  expect(thief.page.url()).not.toContain('ticket');

  const status = (path: string, method: string) =>
    bob.page.evaluate(
      `fetch(${JSON.stringify(path)}, { method: ${JSON.stringify(method)}, body: ${JSON.stringify(method)} === 'GET' ? undefined : '{}' }).then((answer) => answer.status)`,
    );
  for (const [path, method] of [
    ['/v1/rooms', 'POST'],
    ['/v1/rooms/general', 'DELETE'],
    ['/v1/reload', 'POST'],
    ['/v1/agents/alpha/rotate-token', 'POST'],
    ['/v1/agents/alpha', 'DELETE'],
    ['/v1/pairing-invites', 'POST'],
    ['/metrics', 'GET'],
  ] as const)
    expect([path, await status(path, method)]).toEqual([path, 403]);

  // A stream that was opened by hand hears nothing after the logout, though nobody closed it.
  await bob.page.evaluate(
    `new Promise((resolve) => { const stream = new EventSource('/v1/events/stream'); window.heard = 0; stream.onopen = resolve; stream.onerror = () => { window.ended = true; }; stream.addEventListener('message.created', () => { window.heard++; }); })`,
  );
  await bob.page.getByRole('button', { name: 'Sign out' }).click();
  await eventually(() => bob.page.evaluate('window.ended')).toBe(true);
  const said = await ask(server, '/v1/messages', {
    method: 'POST',
    headers: { authorization: 'Bearer anna-secret-token' },
    body: { target: { kind: 'room', room_id: 'general' }, parts: [{ kind: 'text', text: 'after' }] },
  });
  expect(said.status, said.text).not.toBe(401);
  expect(await bob.page.evaluate('window.heard')).toBe(0);
});
