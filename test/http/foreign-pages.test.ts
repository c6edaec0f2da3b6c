/** The two attacks of a foreign web page, as a browser would carry them out, against a running server. */
import { describe, expect, it } from 'vitest';
import { ask, askHead, askJson, askUpgrade, hello, raw } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';

describe('a page of another site sends requests to this machine', () => {
  it('SAFE-1 it cannot write, whatever the content type', async () => {
    const server = await startTestServer({ rooms: [{ id: 'general', members: [] }] });
    for (const origin of ['https://evil.example', 'null', 'http://localhost:1'])
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json']) {
        const { status, json, headers } = await askJson(server, '/v1/messages', {
          method: 'POST',
          headers: { origin, 'content-type': type },
          body: hello(),
        });
        expect([status, json['code']]).toEqual([403, 'foreign_origin']);
        expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
      }
    const page = await askJson<{ messages: unknown[] }>(server, '/v1/rooms/general/messages');
    expect(page.json.messages).toEqual([]);
  });

  it('SAFE-1 SAFE-2 no method and no route lets it through', async () => {
    const server = await startTestServer({ rooms: [{ id: 'general', members: [] }] });
    const foreign: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
    ];
    for (const headers of foreign)
      for (const [method, path] of [
        ['POST', '/v1/rooms'],
        ['PATCH', '/v1/rooms/general'],
        ['DELETE', '/v1/rooms/general'],
        ['PATCH', '/v1/rooms/general/members'],
        ['POST', '/v1/apply'],
        ['POST', '/v1/guard/resume'],
        ['POST', '/v1/pauses'],
        ['DELETE', '/v1/pauses/*'],
        ['POST', '/v1/agents/register'],
        ['DELETE', '/v1/agents/a'],
        ['DELETE', '/v1/messages/m'],
        ['POST', '/v1/agents/wake-failed'],
        ['OPTIONS', '/v1/messages'],
        ['POST', '/nowhere'],
      ] as const) {
        const { status, json } = await askJson(server, path, {
          method,
          headers,
          ...(method === 'DELETE' || method === 'OPTIONS' ? {} : { body: {} }),
        });
        expect([method, path, status, json['code']]).toEqual([method, path, 403, 'foreign_origin']);
      }
    expect((await ask(server, '/v1/rooms/general')).status).toBe(200);
  });

  it('SAFE-1 SAFE-2 it cannot attach', async () => {
    const server = await startTestServer();
    expect(await askUpgrade(server, { origin: 'https://evil.example' })).toBe(403);
    expect(await askUpgrade(server, { origin: 'null' })).toBe(403);
    expect(await askUpgrade(server, { 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await askUpgrade(server, { origin: server.url })).toBe(101);
    expect(await askUpgrade(server)).toBe(101);
  });

  it('SAFE-1 SAFE-2 it cannot open the event stream', async () => {
    const server = await startTestServer();
    expect((await askHead(server, '/v1/events/stream', { origin: 'https://evil.example' })).status).toBe(403);
    expect((await askHead(server, '/v1/events/stream', { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await askHead(server, '/v1/events/stream', { origin: server.url })).status).toBe(200);
    expect((await askHead(server, '/v1/events/stream')).status).toBe(200);
  });

  it('SAFE-3 the console of this server, and allowed pages, may', async () => {
    const server = await startTestServer({
      rooms: [{ id: 'general', members: [] }],
      server: { allowed_origins: ['https://app.example'] },
    });
    for (const origin of [server.url, `http://localhost:${server.port}`, 'https://app.example'])
      expect(
        (
          await ask(server, '/v1/messages', {
            method: 'POST',
            headers: { origin, 'sec-fetch-site': 'cross-site' },
            body: hello(),
          })
        ).status,
      ).toBe(202);
  });
});

describe('a page whose name was bound to this machine after it was loaded', () => {
  const rebound = (port: number) => ({ host: `evil.example:${port}` });

  it('SAFE-4 it reads nothing', async () => {
    const server = await startTestServer({ rooms: [{ id: 'general', members: [] }] });
    for (const path of [
      '/',
      '/console/',
      '/healthz',
      '/metrics',
      '/openapi.json',
      '/install.md',
      '/skill.md',
      '/llms.txt',
      '/v1/network',
      '/v1/rooms',
      '/v1/rooms/general/messages',
      '/v1/agents',
      '/v1/dms',
      '/nowhere',
    ]) {
      const { status, json } = await askJson(server, path, { headers: rebound(server.port) });
      expect([path, status, json['code']]).toEqual([path, 403, 'foreign_host']);
    }
    expect((await askHead(server, '/v1/events/stream', rebound(server.port))).status).toBe(403);
  });

  it('SAFE-3 SAFE-4 nor does it write or attach, though its Origin equals its Host', async () => {
    const server = await startTestServer({ rooms: [{ id: 'general', members: [] }] });
    const headers = {
      ...rebound(server.port),
      origin: `http://evil.example:${server.port}`,
      'sec-fetch-site': 'same-origin',
    };
    expect((await ask(server, '/v1/messages', { method: 'POST', headers, body: hello() })).status).toBe(403);
    expect(await askUpgrade(server, headers)).toBe(403);
    expect(await askUpgrade(server, rebound(server.port))).toBe(403);
    const single = { host: `printer:${server.port}`, origin: `http://printer:${server.port}` };
    expect(
      (await askJson(server, '/v1/messages', { method: 'POST', headers: single, body: hello() })).json[
        'code'
      ],
    ).toBe('foreign_origin');
  });

  it('SAFE-4 a configured name is answered', async () => {
    const server = await startTestServer({
      server: { allowed_hosts: ['moltnet.lan'], public_url: 'https://chat.example' },
    });
    expect((await ask(server, '/v1/network', { headers: { host: 'moltnet.lan:8787' } })).status).toBe(200);
    expect((await ask(server, '/v1/network', { headers: { host: 'chat.example' } })).status).toBe(200);
  });
});

it('HTTP-1 what is read under /v1/ is kept by no cache, whatever became of it', async () => {
  const server = await startTestServer({ rooms: [{ id: 'general', members: [] }] });
  const kept = async (path: string, method: string) =>
    (await ask(server, path, { method })).headers['cache-control'];
  for (const path of [
    '/v1/network',
    '/v1/rooms/general/messages',
    '/v1/rooms/none',
    '/v1/dms',
    '/v1/nowhere',
  ])
    for (const method of ['GET', 'HEAD'])
      expect([path, method, await kept(path, method)]).toEqual([path, method, 'no-store']);
});

it('SAFE-5 no answer allows another origin anything', async () => {
  const server = await startTestServer({ rooms: [{ id: 'general', members: [] }] });
  for (const path of ['/v1/network', '/v1/rooms/general/messages', '/nowhere', '/console/', '/metrics']) {
    const { headers } = await ask(server, path, { headers: { origin: 'https://evil.example' } });
    expect(headers['cross-origin-resource-policy']).toBe('same-origin');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  }
  // Refusals that are no route's.
  const upgrade =
    'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n';
  for (const request of [
    'GET /v1/rooms/%zz HTTP/1.1\r\nhost: x\r\n\r\n',
    `GET /v1/rooms/${'a'.repeat(2_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    'this is not HTTP\r\n\r\n',
    `GET /v1/attach HTTP/1.1\r\nhost: x\r\norigin: https://evil.example\r\n${upgrade}\r\n`,
  ]) {
    const head = (await raw(server, request, /^[\s\S]*\r\n\r\n/)).toLowerCase();
    expect(head).toContain('cross-origin-resource-policy: same-origin\r\n');
    expect(head).toContain('x-content-type-options: nosniff\r\n');
  }
});

describe('with credentials any name is answered', () => {
  const rebound = (port: number) => ({ host: `evil.example:${port}` });
  const start = (mode: 'bearer' | 'open') =>
    startTestServer({
      auth: {
        mode,
        public_read: true,
        agent_registration: 'open',
        tokens: [{ id: 'root', value: 'root-secret', scopes: ['observe', 'write', 'admin', 'attach'] }],
      },
      rooms: [
        { id: 'general', members: [], visibility: 'public' },
        { id: 'board', members: ['eve'], visibility: 'private' },
      ],
    });

  it('SESS-9 a rebound page reads what everybody may, and nothing else', async () => {
    for (const mode of ['bearer', 'open'] as const) {
      const server = await start(mode);
      // What a browser of that page sends: its own name, no Origin on a read, none of our cookies.
      const read = (path: string) => ask(server, path, { headers: rebound(server.port) });
      expect((await read('/v1/network')).status).toBe(200);
      expect((await read('/v1/rooms')).text).not.toContain('board');
      expect((await read('/v1/agents')).text).not.toContain('eve');
      for (const path of ['/v1/rooms/board', '/v1/rooms/board/messages', '/v1/dms', '/v1/guard', '/metrics'])
        expect([path, (await read(path)).status]).toEqual([
          path,
          expect.toSatisfy((s) => s === 401 || s === 403),
        ]);
      for (const path of ['/install.md', '/skill.md', '/llms.txt'])
        expect((await read(path)).text).not.toContain('evil.example');
    }
  });

  it('SESS-9 SAFE-1 SAFE-3 it neither writes, logs in, claims an agent, nor attaches', async () => {
    for (const mode of ['bearer', 'open'] as const) {
      const server = await start(mode);
      const headers = { ...rebound(server.port), origin: `http://evil.example:${server.port}` };
      const document = await askJson<{ paths: Record<string, Record<string, unknown>> }>(
        server,
        '/openapi.json',
      );
      let writes = 0;
      for (const [at, methods] of Object.entries(document.json.paths))
        for (const method of Object.keys(methods).filter((name) => name !== 'get')) {
          const { status, json } = await askJson(server, at.replace(/\{\w+\}/g, 'x'), {
            method: method.toUpperCase(),
            headers,
            ...(method !== 'delete' && { body: { token: 'root-secret' } }),
          });
          expect([method, at, status, json['code']]).toEqual([method, at, 403, 'foreign_origin']);
          writes++;
        }
      expect(writes).toBeGreaterThan(12);
      expect(await askUpgrade(server, headers)).toBe(403);
      expect((await askHead(server, '/v1/events/stream', headers)).status).toBe(403);
    }
  });
});

it('SESS-9 what is a page or a text is never read as something else', async () => {
  const server = await startTestServer();
  for (const path of ['/console/', '/install.md', '/skill.md', '/llms.txt', '/openapi.json', '/']) {
    const { headers } = await ask(server, path);
    expect([path, headers['x-content-type-options']]).toEqual([path, 'nosniff']);
  }
});
