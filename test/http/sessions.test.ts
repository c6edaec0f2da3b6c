/** Browser sessions over their life: what a page may do with one, and everything that ends it. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ServerConfig } from '../../src/config/types.ts';
import { createLog } from '../../src/server/log.ts';
import { startServer, type RunningServer } from '../../src/server/server.ts';
import { ask, askHead, askJson, askUpgrade, hello } from '../support/server-http.ts';
import { startTestServer, temporaryFolder, testConfig } from '../support/server.ts';
import { AttachClient } from '../support/attach-client.ts';
import { SseClient } from '../support/sse-client.ts';

const TOKENS: ServerConfig['auth']['tokens'] = [
  { id: 'root', value: 'root-secret', scopes: ['observe', 'write', 'admin', 'attach'] },
  { id: 'watch', value: 'watch-secret', scopes: ['observe'] },
];
const GENERAL = { id: 'general', members: ['eve'] };
const root = { authorization: 'Bearer root-secret' };

const bearer = (more: Partial<ServerConfig['auth']> = {}): Promise<RunningServer> =>
  startTestServer({ auth: { mode: 'bearer', tokens: TOKENS, ...more }, rooms: [GENERAL] });

async function logIn(server: RunningServer, token = 'root-secret'): Promise<{ cookie: string }> {
  const { headers } = await ask(server, '/console/session', { method: 'POST', body: { token } });
  return { cookie: /^[^;]+/.exec(String(headers['set-cookie']))![0] };
}
const who = async (server: RunningServer, headers: Record<string, string>): Promise<unknown> =>
  (await askJson(server, '/v1/identity', { headers })).json['credential'];

describe('what a session writes and streams', () => {
  const signs = (
    server: RunningServer,
  ): [what: string, headers: Record<string, string>, opens: boolean][] => [
    ['nothing', {}, false],
    ['its Origin', { origin: server.url }, true],
    ['Sec-Fetch-Site', { 'sec-fetch-site': 'same-origin' }, true],
    ['Referer of a page here', { referer: `${server.url}/console/rooms/general` }, true],
    ['typed in', { 'sec-fetch-site': 'none' }, false],
    ['a foreign Origin', { origin: 'https://evil.example' }, false],
    ['a foreign Origin, our Referer', { origin: 'https://evil.example', referer: `${server.url}/` }, false],
    ['no origin at all', { origin: 'null' }, false],
    ['another site', { 'sec-fetch-site': 'cross-site', referer: `${server.url}/` }, false],
    ['another port', { 'sec-fetch-site': 'same-site' }, false],
    ['a foreign Referer', { referer: 'https://evil.example/' }, false],
    ['the Referer of another port', { referer: 'http://127.0.0.1:1/' }, false],
    ['a Referer that is none', { referer: 'here' }, false],
  ];

  it('SESS-7 needs a sign that a page of this server sends it', async () => {
    const server = await bearer({ agent_registration: 'open' });
    const cookie = await logIn(server);
    for (const [what, sign, opens] of signs(server)) {
      const headers = { ...cookie, ...sign };
      const body = hello({ parts: [{ kind: 'text', text: what }] });
      const sent = await askJson(server, '/v1/messages', { method: 'POST', headers, body });
      expect([what, sent.status, sent.json['code']]).toEqual(
        opens ? [what, 202, undefined] : [what, 403, 'foreign_origin'],
      );
      expect([what, (await askHead(server, '/v1/events/stream', headers)).status]).toEqual([
        what,
        opens ? 200 : 403,
      ]);
      expect([what, await askUpgrade(server, headers)]).toEqual([what, opens ? 101 : 403]);
    }
    const { json } = await askJson<{ messages: { parts: { text: string }[] }[] }>(
      server,
      '/v1/rooms/general/messages',
      { headers: cookie },
    );
    expect(json.messages.map(({ parts }) => parts[0]!.text)).toEqual(
      signs(server)
        .filter(([, , opens]) => opens)
        .map(([what]) => what),
    );
  });

  it('SESS-7 every way to write: none is left out', async () => {
    const server = await bearer();
    const headers = await logIn(server);
    const document = await askJson<{ paths: Record<string, Record<string, unknown>> }>(
      server,
      '/openapi.json',
      { headers: root },
    );
    const writes = Object.entries(document.json.paths).flatMap(([at, methods]) =>
      Object.keys(methods)
        .filter((method) => method !== 'get')
        .map((method) => [method.toUpperCase(), at.replace(/\{\w+\}/g, 'x')] as const),
    );
    expect(writes.length).toBeGreaterThan(12);
    for (const [method, at] of writes) {
      const { status, json } = await askJson(server, at, {
        method,
        headers,
        ...(method !== 'DELETE' && { body: {} }),
      });
      expect([method, at, status, json['code']]).toEqual([method, at, 403, 'foreign_origin']);
    }
    expect(await who(server, headers)).toBe('session');
  });

  it('SESS-7 a program with a token, and a cookie that is none, need no sign', async () => {
    const server = await bearer();
    const { cookie } = await logIn(server);
    const write = (headers: Record<string, string>) =>
      ask(server, '/v1/messages', { method: 'POST', headers, body: hello() });
    expect((await write({ ...root, cookie })).status).toBe(202);
    expect((await write({ cookie: 'moltnet_auth=old' })).status).toBe(401);
    const none = await startTestServer({ rooms: [GENERAL] });
    const plain = await ask(none, '/v1/messages', { method: 'POST', headers: { cookie }, body: hello() });
    expect(plain.status).toBe(202);
  });
});

describe('the end of a session', () => {
  it('SESS-6 SESS-13 logout: at once, with its streams, and no other session', async () => {
    const server = await bearer({ public_read: true });
    const mine = await logIn(server);
    const other = await logIn(server);
    const own = { origin: server.url };
    const stream = await SseClient.open(server.port, { headers: { ...mine, ...own } });
    const kept = await SseClient.open(server.port, { headers: { ...other, ...own } });
    const anonymous = await SseClient.open(server.port);
    const out = await askJson(server, '/console/session', { method: 'DELETE', headers: { ...mine, ...own } });
    expect([out.status, out.json]).toMatchObject([200, { credential: 'anonymous', scopes: [] }]);
    expect(String(out.headers['set-cookie'])).toMatch(/^moltnet_auth=; Path=\/; .*Max-Age=0/);
    await stream.until(() => stream.ended);
    expect([stream.broken, kept.ended, anonymous.ended]).toEqual([false, false, false]);
    expect([await who(server, mine), await who(server, other)]).toEqual(['anonymous', 'session']);
    // Again, and without one: nothing to end.
    for (const headers of [{ ...mine, ...own }, {}])
      expect((await ask(server, '/console/session', { method: 'DELETE', headers })).status).toBe(200);
    expect(await who(server, other)).toBe('session');
    await ask(server, '/v1/messages', { method: 'POST', headers: root, body: hello({ id: 'm1' }) });
    await kept.until(() => kept.messages.includes('m1'));
  });

  it('SESS-6 a restart ends none, but those whose token is gone or has another value', async () => {
    const file = path.join(await temporaryFolder(), 'moltnet.db');
    const start = (tokens: ServerConfig['auth']['tokens']): Promise<RunningServer> => {
      const config = testConfig({
        auth: { mode: 'bearer', tokens },
        storage: { kind: 'sqlite', sqlite: { path: file } },
        rooms: [GENERAL],
      });
      return startServer(config, { log: createLog('silent') });
    };
    let server = await start(TOKENS);
    const watching = await logIn(server, 'watch-secret');
    const mine = await logIn(server);
    await server.stop();
    server = await start(TOKENS);
    expect([await who(server, mine), await who(server, watching)]).toEqual(['session', 'session']);
    await server.stop();
    server = await start([TOKENS[0]!, { ...TOKENS[1]!, value: 'another-secret' }]);
    expect([await who(server, mine), await who(server, watching)]).toEqual(['session', 'anonymous']);
    await server.stop();
    // What has ended does not come back with its token.
    server = await start(TOKENS);
    expect([await who(server, mine), await who(server, watching)]).toEqual(['session', 'anonymous']);
    await server.stop();
  });
});

describe("an agent's token that is replaced or removed", () => {
  async function attached(registration: 'open' | 'token') {
    const server = await bearer({ agent_registration: registration, public_read: true });
    const invite = await askJson(server, '/v1/agents/eve/invite', {
      method: 'POST',
      headers: root,
      body: {},
    });
    const { json } = await askJson(server, '/v1/agents/register', {
      method: 'POST',
      body: { requested_agent_id: 'eve', claim_code: invite.json['code'] },
    });
    const headers = { authorization: `Bearer ${String(json['agent_token'])}` };
    const url = `${server.url.replace('http', 'ws')}/v1/attach`;
    return { server, headers, url, client: await AttachClient.attach({ url, agent: 'eve', headers }) };
  }

  it('SESS-13 rotated: its attachment and its streams end, and the new one is let in', async () => {
    const { server, headers, url, client } = await attached('open');
    const stream = await SseClient.open(server.port, { headers });
    const rotated = await askJson(server, '/v1/agents/eve/rotate-token', {
      method: 'POST',
      headers: root,
      body: {},
    });
    await client.gone();
    await stream.until(() => stream.ended);
    expect(client.closeCode).toBe(1006);
    expect(client.error).toMatch(/does not hold any more|was replaced/);
    expect((await ask(server, '/v1/rooms', { headers })).status).toBe(401);
    const fresh = { authorization: `Bearer ${String(rotated.json['agent_token'])}` };
    const again = await AttachClient.attach({ url, agent: 'eve', headers: fresh });
    expect(again.has('READY')).toBe(true);
  });

  it('SESS-13 removed: it is told so, and hangs up', async () => {
    const { server, headers, client } = await attached('token');
    const stream = await SseClient.open(server.port, { headers });
    await ask(server, '/v1/agents/eve', { method: 'DELETE', headers: root });
    await client.gone();
    await stream.until(() => stream.ended);
    expect([client.closeCode, client.error]).toEqual([1006, expect.stringContaining('removed')]);
    expect(await askUpgrade(server, headers)).toBe(403);
  });
});
