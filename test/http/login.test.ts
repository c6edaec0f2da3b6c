/** Who the caller is: credentials, logging a browser in, and the token in an address. */
import { describe, expect, it } from 'vitest';
import { newClaimKey } from '../../src/protocol/credentials.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { ask, askJson, askUpgrade, hello, type Ask } from '../support/server-http.ts';
import { startTestServer, type ConfigChanges } from '../support/server.ts';

const WATCH = 'watch-secret';
const ANNA = 'anna-secret';
const TOKENS = [
  { id: 'watch', value: WATCH, scopes: ['observe'] },
  { id: 'anna', value: ANNA, scopes: ['observe', 'write', 'admin'], human: { id: 'anna', name: 'Anna' } },
  { value: 'listed-secret', scopes: ['write', 'attach'], agents: ['zoe', 'bob'] },
];

const bearer = (auth: ConfigChanges['auth'] = {}, more: ConfigChanges = {}): Promise<RunningServer> =>
  startTestServer({
    rooms: [{ id: 'general', members: ['bob'] }],
    ...more,
    auth: { mode: 'bearer', tokens: TOKENS, ...auth },
  });
const as = (token: string): { headers: Record<string, string> } => ({
  headers: { authorization: `Bearer ${token}` },
});
const logIn = (server: RunningServer, token: string, more: Ask = {}) =>
  askJson(server, '/console/session', { method: 'POST', body: { token }, ...more });
const cookieOf = (answer: { headers: Record<string, unknown> }): string =>
  /^moltnet_auth=mses_v1_[\w-]{43}/.exec(String(answer.headers['set-cookie']))![0];

describe('credentials', () => {
  it('SESS-1 only an Authorization header that begins exactly with "Bearer ", and the cookie, are one', async () => {
    const server = await bearer();
    const status = async (headers: Record<string, string>, path = '/v1/rooms') => {
      const { status, json } = await askJson(server, path, { headers });
      return json['code'] === undefined ? status : [status, json['code']];
    };
    expect(await status({ authorization: `Bearer ${WATCH}` })).toBe(200);
    expect(await status({ authorization: `Bearer   ${WATCH}  ` })).toBe(200);
    for (const authorization of [
      `bearer ${WATCH}`,
      `Bearer${WATCH}`,
      `Basic ${WATCH}`,
      WATCH,
      'Bearer',
      'Bearer ',
      `Bearer ${WATCH}x`,
      'Bearer magt_v1_nobody',
      '',
    ])
      expect([authorization, await status({ authorization })]).toEqual([
        authorization,
        [401, 'unauthorized'],
      ]);
    expect(await status({}, `/v1/rooms?access_token=${WATCH}`)).toEqual([401, 'unauthorized']);
    // The header counts, whatever the cookie says.
    const cookie = cookieOf(await logIn(server, WATCH));
    expect(await status({ cookie })).toBe(200);
    expect(await status({ cookie: `a=b; ${cookie} ; moltnet_authx=1` })).toBe(200);
    expect(await status({ cookie, authorization: 'Bearer wrong' })).toEqual([401, 'unauthorized']);
  });

  it('SESS-1 an unknown token is refused where all may read, too; an unknown cookie is as none', async () => {
    const server = await bearer({ public_read: true });
    const open = ['/v1/network', '/v1/rooms', '/install.md', '/skill.md', '/healthz', '/readyz'];
    for (const path of open) {
      expect([path, (await ask(server, path, as('wrong'))).status]).toEqual([path, 401]);
      const headers = { cookie: 'moltnet_auth=wrong' };
      expect([path, (await ask(server, path, { headers })).status]).toEqual([path, 200]);
    }
    for (const path of ['/console/', '/console/rooms/general'])
      expect((await ask(server, path, as('wrong'))).status).toBe(200);
    expect((await ask(await bearer(), '/healthz', as('wrong'))).status).toBe(200);
  });

  it('SESS-1 in mode none nothing is looked at', async () => {
    const server = await startTestServer({ rooms: [{ id: 'general', members: [] }] });
    for (const authorization of ['Bearer wrong', 'Basic x'])
      expect((await ask(server, '/v1/rooms', { headers: { authorization } })).status).toBe(200);
    const { json, headers } = await logIn(server, 'anything');
    expect(json).toMatchObject({ mode: 'none', credential: 'anonymous', can_send_human: true });
    expect(headers['set-cookie']).toBeUndefined();
  });

  it("SESS-1 SESS-3 an agent's token: used once, its claim key is spent; removed, it is told so", async () => {
    const server = await bearer({ public_read: true, agent_registration: 'open' });
    const claim_key = newClaimKey();
    const claim = () =>
      askJson(server, '/v1/agents/register', {
        method: 'POST',
        body: { requested_agent_id: 'eve', claim_key },
      });
    const first = String((await claim()).json['agent_token']);
    const second = String((await claim()).json['agent_token']);
    expect(second).toMatch(/^magt_v1_/);
    expect((await ask(server, '/v1/rooms', as(first))).status).toBe(401);
    expect((await askJson(server, '/v1/identity', as(second))).json).toEqual({
      mode: 'bearer',
      credential: 'agent',
      scopes: ['write', 'attach'],
      agents: ['eve'],
      can_send_human: false,
    });
    expect((await claim()).json['code']).toBe('agent_taken');
    expect((await ask(server, '/v1/agents/eve', { method: 'DELETE', ...as(ANNA) })).status).toBe(200);
    const { status, json } = await askJson(server, '/v1/rooms', as(second));
    expect([status, json['code']]).toEqual([403, 'agent_removed']);
  });

  it('SESS-8 everybody is told who it is', async () => {
    const server = await bearer();
    const who = async (headers: Record<string, string>) =>
      (await askJson(server, '/v1/identity', { headers })).json;
    expect(await who({})).toEqual({
      mode: 'bearer',
      credential: 'anonymous',
      scopes: [],
      can_send_human: false,
    });
    expect(await who(as(WATCH).headers)).toEqual({
      mode: 'bearer',
      credential: 'token',
      scopes: ['observe'],
      can_send_human: false,
    });
    expect(await who(as('listed-secret').headers)).toMatchObject({ agents: ['bob', 'zoe'] });
    const anna = {
      mode: 'bearer',
      scopes: ['observe', 'write', 'admin'],
      human: { id: 'anna', name: 'Anna' },
      can_send_human: true,
    };
    expect(await who(as(ANNA).headers)).toEqual({ ...anna, credential: 'token' });
    const cookie = cookieOf(await logIn(server, ANNA));
    expect(await who({ cookie })).toEqual({ ...anna, credential: 'session' });
    const none = await startTestServer();
    expect((await askJson(none, '/v1/identity')).json).toMatchObject({
      mode: 'none',
      scopes: ['observe', 'write', 'admin', 'attach', 'pair'],
    });
    const silent = await bearer({}, { server: { human_ingress: false } });
    expect((await askJson(silent, '/v1/identity', as(ANNA))).json['can_send_human']).toBe(false);
  });
});

describe('login', () => {
  it('SESS-4 a token is exchanged for a cookie that says nothing of it', async () => {
    const server = await bearer();
    const answer = await logIn(server, ` ${ANNA} `);
    expect([answer.status, answer.json]).toMatchObject([
      200,
      { credential: 'session', human: { id: 'anna' } },
    ]);
    expect(String(answer.headers['set-cookie'])).toMatch(
      /^moltnet_auth=mses_v1_[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=2592000$/,
    );
    expect(answer.headers['cache-control']).toBe('no-store');
    const cookie = cookieOf(answer);
    const sent = await ask(server, '/v1/messages', {
      method: 'POST',
      headers: { cookie, origin: server.url },
      body: hello({ from: { type: 'human', id: 'anna' } }),
    });
    expect(sent.status).toBe(202);
    // The cookie's value is no token, and the token no cookie.
    expect((await ask(server, '/v1/rooms', as(cookie.slice('moltnet_auth='.length)))).status).toBe(401);
    expect((await ask(server, '/v1/rooms', { headers: { cookie: `moltnet_auth=${ANNA}` } })).status).toBe(
      401,
    );
  });

  it('SESS-4 Secure where the browser came by TLS, or is to', async () => {
    const server = await bearer({}, { server: { public_url: 'https://chat.example' } });
    expect(String((await logIn(server, WATCH)).headers['set-cookie'])).toMatch(/; Secure$/);
    const proxied = await bearer({}, { server: { trusted_proxies: ['127.0.0.1'] } });
    const headers = { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' };
    expect(String((await logIn(proxied, WATCH, { headers })).headers['set-cookie'])).toMatch(/; Secure$/);
    const direct = await bearer();
    expect(String((await logIn(direct, WATCH, { headers })).headers['set-cookie'])).not.toMatch(/Secure/);
  });

  it("SESS-4 what is not known, an agent's own token, and what is no token", async () => {
    const server = await bearer({ agent_registration: 'open' });
    const { json } = await askJson(server, '/v1/agents/register', {
      method: 'POST',
      body: { requested_agent_id: 'eve' },
    });
    for (const [body, status, code] of [
      [{ token: 'wrong' }, 401, 'unauthorized'],
      [{ token: '' }, 401, 'unauthorized'],
      [{ token: json['agent_token'] }, 403, 'forbidden'],
      [{ token: 7 }, 400, 'bad_request'],
      [{}, 400, 'bad_request'],
    ] as const) {
      const answer = await askJson(server, '/console/session', { method: 'POST', body });
      expect([answer.status, answer.json['code'], answer.headers['set-cookie']]).toEqual([
        status,
        code,
        undefined,
      ]);
      expect(answer.json['error']).not.toContain('magt_v1_');
    }
  });

  it('SESS-4 wrong tokens are counted, by login, by header and in an address', async () => {
    const rates = { claims: { per_second: 0.001, burst: 3 } } as const;
    const server = await bearer({}, { rates, server: { trusted_proxies: ['127.0.0.1'] } });
    const headers = { 'x-forwarded-for': '192.0.2.1' };
    expect((await logIn(server, 'wrong', { headers })).status).toBe(401);
    expect(
      (await ask(server, '/v1/rooms', { headers: { ...headers, authorization: 'Bearer no' } })).status,
    ).toBe(401);
    expect((await ask(server, '/console/?access_token=wrong', { headers })).status).toBe(307);
    const over = await askJson(server, '/console/session', {
      method: 'POST',
      headers,
      body: { token: 'wrong' },
    });
    expect([over.status, over.json['code']]).toEqual([429, 'rate_limited']);
    expect(Number(over.headers['retry-after'])).toBeGreaterThan(1);
    expect((await ask(server, '/console/?access_token=wrong', { headers })).status).toBe(429);
    // Who knows the token is not held up by who does not.
    expect((await logIn(server, WATCH, { headers })).status).toBe(200);
    expect((await ask(server, '/v1/rooms', as(WATCH))).status).toBe(200);
  });
});

describe('a token in the address', () => {
  const visit = (server: RunningServer, path: string, headers: Record<string, string> = {}, method = 'GET') =>
    ask(server, path, { headers, method });

  it.each([
    ['/', '/'],
    ['/console', '/console'],
    ['/console/', '/console/'],
    ['/console/rooms/general', '/console/rooms/general'],
  ])('SESS-5 %s: exchanged, and taken out of the address', async (path, location) => {
    const server = await bearer();
    const answer = await visit(server, `${path}?a=1&access_token=${ANNA}&b=%26`);
    expect([answer.status, answer.headers.location]).toEqual([307, `${location}?a=1&b=%26`]);
    const cookie = cookieOf(answer);
    expect((await askJson(server, '/v1/identity', { headers: { cookie } })).json['credential']).toBe(
      'session',
    );
    expect(answer.headers['referrer-policy']).toBe('no-referrer');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    expect(JSON.stringify([answer.headers, answer.text])).not.toContain(ANNA);
    expect((await visit(server, `${path}?access_token=${ANNA}`)).headers.location).toBe(location);
  });

  it('SESS-5 what is not known sets nothing and leads to the login', async () => {
    const server = await bearer({ agent_registration: 'open' });
    const { json } = await askJson(server, '/v1/agents/register', {
      method: 'POST',
      body: { requested_agent_id: 'eve' },
    });
    for (const token of ['wrong', '', String(json['agent_token'])]) {
      const answer = await visit(server, `/console/rooms/x?access_token=${token}`);
      expect([answer.status, answer.headers.location, answer.headers['set-cookie']]).toEqual([
        307,
        '/console/rooms/x',
        undefined,
      ]);
    }
    // Looking at the headers is no login.
    const head = await visit(server, `/console/?access_token=${ANNA}`, {}, 'HEAD');
    expect([head.status, head.headers['set-cookie']]).toEqual([307, undefined]);
    const none = await startTestServer();
    const plain = await visit(none, '/console/?access_token=x');
    expect([plain.status, plain.headers.location, plain.headers['set-cookie']]).toEqual([
      307,
      '/console/',
      undefined,
    ]);
  });

  it('SESS-5 a link on a page of another site does not replace who is logged in', async () => {
    const server = await bearer();
    const mine = cookieOf(await logIn(server, ANNA));
    const foreign = { 'sec-fetch-site': 'cross-site' };
    const kept = await visit(server, `/console/?access_token=${WATCH}`, { ...foreign, cookie: mine });
    expect([kept.status, kept.headers['set-cookie']]).toEqual([307, undefined]);
    expect(
      (await visit(server, `/console/?access_token=${WATCH}`, foreign)).headers['set-cookie'],
    ).toBeDefined();
    const own = await visit(server, `/console/?access_token=${WATCH}`, { cookie: mine });
    expect(cookieOf(own)).not.toBe(mine);
    const { json } = await askJson(server, '/v1/identity', { headers: { cookie: mine } });
    expect(json['credential']).toBe('anonymous');
  });

  it('SESS-5 nothing of the path becomes another address', async () => {
    const server = await bearer();
    for (const path of ['/console//evil.example', '/console/..//evil.example', '/console/%0d%0ax:1']) {
      const { headers } = await visit(server, `${path}?access_token=${ANNA}`);
      expect(headers.location).toBe(path);
    }
    expect((await visit(server, `//evil.example/?access_token=${ANNA}`)).headers.location).toBeUndefined();
  });

  it('SESS-4 SESS-1 console, login and redirects are public in every mode, and their data is not', async () => {
    for (const mode of ['bearer', 'open'] as const) {
      const server = await bearer({ mode, public_read: mode === 'open' });
      for (const [path, status] of [
        ['/', 307],
        ['/console', 307],
        ['/console/', 200],
        ['/console/rooms/general', 200],
      ] as const) {
        const answer = await ask(server, path);
        expect([path, answer.status]).toEqual([path, status]);
        expect(answer.headers['content-security-policy']).toMatch(
          /^default-src 'none'.*frame-ancestors 'none'$/,
        );
        expect(answer.headers['x-content-type-options']).toBe('nosniff');
      }
      expect((await ask(server, '/v1/messages', { method: 'POST', body: hello() })).status).toBe(401);
      expect((await ask(server, '/v1/dms')).status).toBe(401);
      expect((await ask(server, '/metrics')).status).toBe(401);
      expect(await askUpgrade(server)).toBe(401);
    }
  });
});
