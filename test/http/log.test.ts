/** What the server's log holds, and what it does not. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { newClaimKey } from '../../src/protocol/credentials.ts';
import { startServer, type ServerOptions } from '../../src/server/server.ts';
import { AttachClient } from '../support/attach-client.ts';
import { ask, askJson, askUpgrade, hello } from '../support/server-http.ts';
import { testConfig, type ConfigChanges } from '../support/server.ts';

async function logged(level: string, changes: ConfigChanges = {}, options: ServerOptions = {}) {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  const server = await startServer(testConfig({ rooms: [{ id: 'general', members: [] }], ...changes }), {
    log: pino({ level }, sink),
    ...options,
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

it('SESS-14 no secret of any kind is in the log, at any level, whatever becomes of it', async () => {
  const secrets = {
    root: 'root-c0ffee-value',
    old: 'old-c0ffee-value',
    fresh: 'fresh-c0ffee-value',
    room: 'room-c0ffee-value',
    wrong: 'wrong-c0ffee-value',
    key: newClaimKey(),
  };
  const auth = (value: string): ConfigChanges['auth'] => ({
    mode: 'bearer',
    public_read: true,
    agent_registration: 'open',
    tokens: [
      { id: 'root', value: secrets.root, scopes: ['observe', 'write', 'admin'] },
      { value, scopes: ['attach', 'write'], agents: ['bob'], human: { id: 'ann' } },
    ],
  });
  const rooms = [{ id: 'general', members: [], credential: secrets.room }];
  let value = secrets.fresh;
  const { server, lines } = await logged(
    'trace',
    { auth: auth(secrets.old), rooms },
    { reload: () => testConfig({ auth: auth(value), rooms }) },
  );
  const root = { authorization: `Bearer ${secrets.root}` };
  const post = async (path: string, body: unknown, headers: Record<string, string> = root) =>
    (await askJson(server, path, { method: 'POST', headers, body })).json;
  const seen: unknown[] = Object.values(secrets);
  const keep = (one: unknown): string => (seen.push(one), String(one));

  const claim = { requested_agent_id: 'eve', claim_key: secrets.key };
  keep((await post('/v1/agents/register', claim, {}))['agent_token']);
  const minted = keep((await post('/v1/agents/register', claim, {}))['agent_token']);
  const eve = { authorization: `Bearer ${minted}` };
  const url = `${server.url.replace('http', 'ws')}/v1/attach`;
  const attached = await AttachClient.attach({ url, agent: 'eve', headers: eve });
  await post('/v1/agents/register', claim, {});
  await post('/v1/rooms/general/join', { from: { id: 'eve' }, credential: secrets.wrong }, eve);
  await post('/v1/rooms/general/join', { from: { id: 'eve' }, credential: secrets.room }, eve);
  await post('/v1/rooms', { id: 'new', credential: secrets.room });
  const code = keep((await post('/v1/agents/carl/invite', {}))['code']);
  await post('/v1/agents/register', { requested_agent_id: 'dora', claim_code: code }, {});
  keep(
    (await post('/v1/agents/register', { requested_agent_id: 'carl', claim_code: code }, {}))['agent_token'],
  );
  keep((await post('/v1/agents/eve/rotate-token', {}))['agent_token']);
  await attached.gone();
  const again = await AttachClient.attach({ url, agent: 'zoe' });
  again.sendRaw(`{"op":"IDENTIFY","claim_key":"${secrets.key}"`);
  await again.gone();
  keep(again.of('READY')[0]!['agent_token']);

  const login = await ask(server, '/console/session', { method: 'POST', body: { token: secrets.old } });
  const cookie = /^[^;]+/.exec(String(login.headers['set-cookie']))![0];
  keep(cookie.slice('moltnet_auth='.length));
  for (const token of [secrets.root, secrets.wrong, minted])
    for (const path of ['/', '/console/', '/console/x.js', '/v1/rooms', '/nowhere', '/v1/agents/%zz'])
      await ask(server, `${path}?access_token=${token}`);
  for (const authorization of [`Bearer ${secrets.wrong}`, `Basic ${secrets.wrong}`, `Bearer ${minted}`])
    for (const path of ['/v1/rooms', '/nowhere', '/v1/attach', '/v1/events/stream'])
      await ask(server, path, { headers: { authorization, cookie: 'moltnet_auth=wrong-c0ffee-value' } });
  await askUpgrade(server, { authorization: `Bearer ${secrets.wrong}` }, `/v1/attach?token=${secrets.wrong}`);
  await post('/console/session', { token: secrets.wrong }, {});
  await ask(server, '/console/session', { method: 'POST', body: `{"token": ${secrets.wrong}` });
  await post('/v1/reload', {});
  value = `not to be ${secrets.wrong}`;
  await post('/v1/reload', {});
  await ask(server, '/console/session', { method: 'DELETE', headers: { cookie, origin: server.url } });
  await ask(server, '/v1/agents/carl', { method: 'DELETE', headers: root });
  await server.stop();

  const text = JSON.stringify(lines);
  expect(lines.length).toBeGreaterThan(30);
  expect(text).toContain('configuration reloaded');
  expect(text).not.toContain('c0ffee');
  expect(text).not.toMatch(/(?:magt|mkey|minv|mses)_v1_/);
  for (const secret of seen) {
    expect(String(secret).length).toBeGreaterThan(15);
    expect(text).not.toContain(String(secret));
  }
});
