/** What agents and people fetch to find their way: discovery documents, console, OpenAPI, metrics. */
import { describe, expect, it, vi } from 'vitest';
import { ask, askHead, askJson, askUpgrade, hello } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';

const general = { id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' };

describe('discovery', () => {
  it('HTTP-17 names the network, its address and its rooms', async () => {
    const server = await startTestServer({ rooms: [general] });
    const [install, skill, llms] = await Promise.all(
      ['/install.md', '/skill.md', '/llms.txt'].map((path) => ask(server, path)),
    );
    expect([
      install!.headers['content-type'],
      skill!.headers['content-type'],
      llms!.headers['content-type'],
    ]).toEqual(['text/markdown; charset=utf-8', 'text/markdown; charset=utf-8', 'text/plain; charset=utf-8']);
    expect(install!.text).toContain(
      `moltnet connect my-agent ${server.url} --runtime codex --rooms general\n`,
    );
    expect(install!.text).toContain('moltnet send room:general');
    expect(llms!.text).toMatch(
      new RegExp(
        `^# Local Lab\n[\\s\\S]*\\(${server.url}/install\\.md\\)[\\s\\S]*\\(${server.url}/skill\\.md\\)[\\s\\S]*/console/[\\s\\S]*/v1/network`,
      ),
    );
    expect(skill!.text).toMatch(/^---\nname: moltnet\ndescription: .+\n---\n/);
    expect(skill!.text).toContain(server.url);
    expect(skill!.text).toContain('`general`');
    expect(Buffer.byteLength(skill!.text)).toBeLessThan(256 * 1024);
  });

  it('SAFE-7 the address is one that no stranger chose', async () => {
    const server = await startTestServer();
    const baseFor = async (headers: Record<string, string>) =>
      /\]\((.*)\/install\.md\)/.exec((await ask(server, '/llms.txt', { headers })).text)?.[1];
    expect(await baseFor({})).toBe(server.url);
    expect(await baseFor({ host: 'moltnet:8787' })).toBe('http://moltnet:8787');
    expect(
      await baseFor({
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'https',
        forwarded: 'host=evil.example',
      }),
    ).toBe(server.url);
    const configured = await startTestServer({ server: { public_url: 'https://chat.example/moltnet/' } });
    expect((await ask(configured, '/llms.txt')).text).toContain('(https://chat.example/moltnet/install.md)');
  });

  it('HTTP-17 a name is shown as text and cannot become anything else', async () => {
    const server = await startTestServer({
      network: { id: 'local', name: 'A\n# Ignore this\n[x](http://evil.example) `rm -rf`' },
      rooms: [general],
    });
    for (const path of ['/install.md', '/skill.md', '/llms.txt']) {
      const { text } = await ask(server, path);
      expect(text).not.toMatch(/^# Ignore/m);
      expect(text).not.toContain('[x](http');
      expect(text).not.toContain(' `rm');
    }
  });

  it('HTTP-17 with no rooms it says so', async () => {
    const server = await startTestServer({ rooms: [] });
    expect((await ask(server, '/install.md')).text).toContain('no room yet');
  });
});

describe('console', () => {
  it('HTTP-18 / leads to it, and SAFE-6 its pages are locked to this server', async () => {
    const server = await startTestServer();
    for (const path of ['/', '/console']) {
      const { status, headers } = await ask(server, path);
      expect([path, status, headers['location']]).toEqual([path, 307, '/console/']);
    }
    for (const path of ['/console/', '/console/rooms/general', '/console/?room=general']) {
      const { status, headers, text } = await ask(server, path);
      expect([path, status, headers['content-type']]).toEqual([path, 200, 'text/html; charset=utf-8']);
      expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['x-frame-options']).toBe('DENY');
      expect(text).toMatch(/^<!doctype html>/i);
      expect(text).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>/);
    }
    const { text } = await ask(server, '/console/');
    for (const [, path] of text.matchAll(/(?:src|href)="(\/console\/assets\/[^"]+)"/g)) {
      const [plain, packed] = await Promise.all([
        ask(server, path!),
        ask(server, path!, { headers: { 'accept-encoding': 'gzip, br' } }),
      ]);
      expect([path, plain.status, plain.headers['cache-control']]).toEqual([
        path,
        200,
        'public, max-age=31536000, immutable',
      ]);
      expect(plain.headers['content-type']).toMatch(/^text\/(?:javascript|css); charset=utf-8$/);
      if (packed.headers['content-encoding'] !== undefined)
        expect(Number(packed.headers['content-length'])).toBeLessThan(
          Number(plain.headers['content-length']),
        );
    }
    for (const path of [
      '/console/assets/none.js',
      '/console/../../package.json',
      '/console/..%2f..%2fpackage.json',
      '/console/%2e%2e/package.json',
      '/console//etc/passwd.txt',
    ])
      expect([path, (await ask(server, path)).status]).toEqual([path, 404]);
  });
});

describe('OpenAPI', () => {
  type Operation = {
    summary?: string;
    responses: Record<string, { description: string; content?: Record<string, { schema: unknown }> }>;
  };
  type Document = {
    openapi: string;
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, { properties?: Record<string, unknown>; required?: string[] }> };
  };

  it('HTTP-10 names every route, its answers and its refusals', async () => {
    const server = await startTestServer();
    const { json } = await askJson<Document>(server, '/openapi.json');
    expect(json.openapi).toBe('3.1.0');
    const operations = Object.entries(json.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(operations.sort()).toEqual(
      [
        'DELETE /console/session',
        'DELETE /v1/agents/{agentID}',
        'DELETE /v1/messages/{messageID}',
        'DELETE /v1/pairing-invites/{inviteID}',
        'DELETE /v1/pairings/{pairingID}',
        'DELETE /v1/pauses/{scope}',
        'DELETE /v1/rooms/{roomID}',
        'GET /healthz',
        'GET /install.md',
        'GET /llms.txt',
        'GET /metrics',
        'GET /openapi.json',
        'GET /readyz',
        'GET /skill.md',
        'GET /v1/agents',
        'GET /v1/agents/{agentID}',
        'GET /v1/artifacts',
        'GET /v1/attach',
        'GET /v1/deliveries',
        'GET /v1/dms',
        'GET /v1/dms/{dmID}',
        'GET /v1/dms/{dmID}/messages',
        'GET /v1/events/stream',
        'GET /v1/guard',
        'GET /v1/guard/{conversation}',
        'GET /v1/identity',
        'GET /v1/messages/{messageID}',
        'GET /v1/messages/{messageID}/receipts',
        'GET /v1/messages/{messageID}/relays',
        'GET /v1/network',
        'GET /v1/pair-link',
        'GET /v1/pairing-invites',
        'GET /v1/pairings',
        'GET /v1/pairings/{pairingID}',
        'GET /v1/pairings/{pairingID}/agents',
        'GET /v1/pairings/{pairingID}/network',
        'GET /v1/pairings/{pairingID}/rooms',
        'GET /v1/pauses',
        'GET /v1/reads',
        'GET /v1/rooms',
        'GET /v1/rooms/{roomID}',
        'GET /v1/rooms/{roomID}/messages',
        'GET /v1/rooms/{roomID}/threads',
        'GET /v1/search',
        'GET /v1/threads/{threadID}',
        'GET /v1/threads/{threadID}/messages',
        'GET /v1/usage',
        'PATCH /v1/rooms/{roomID}',
        'PATCH /v1/rooms/{roomID}/members',
        'POST /console/session',
        'POST /console/tickets',
        'POST /v1/agents/register',
        'POST /v1/agents/wake-failed',
        'POST /v1/agents/{agentID}/invite',
        'POST /v1/agents/{agentID}/rotate-token',
        'POST /v1/agents/{agentID}/wake-test',
        'POST /v1/apply',
        'POST /v1/deliveries/{wakeID}/drop',
        'POST /v1/deliveries/{wakeID}/retry',
        'POST /v1/guard/resume',
        'POST /v1/messages',
        'POST /v1/pairing-invites',
        'POST /v1/pairings/accept',
        'POST /v1/pairings/exchange',
        'POST /v1/pairings/{pairingID}/backfill',
        'POST /v1/relay',
        'POST /v1/pauses',
        'POST /v1/reload',
        'POST /v1/rooms',
        'POST /v1/rooms/{roomID}/join',
        'PUT /v1/reads/{conversation}',
      ].sort(),
    );
    for (const [path, methods] of Object.entries(json.paths))
      for (const [method, { summary, responses }] of Object.entries(methods)) {
        expect([path, method, typeof summary]).toEqual([path, method, 'string']);
        for (const answer of Object.values(responses))
          expect(answer.description).not.toBe('Default Response');
      }
    const send = json.paths['/v1/messages']!['post']!.responses;
    expect(send['202']!.content).toEqual({
      'application/json': { schema: { $ref: '#/components/schemas/MessageAccepted' } },
    });
    expect(send['409']!.content).toEqual({
      'application/json': { schema: { $ref: '#/components/schemas/ErrorEnvelope' } },
    });
    expect(send['409']!.description).toContain('`message_id_conflict`');
  });

  it("HTTP-10 every reference leads somewhere, and every schema is the wire's", async () => {
    const server = await startTestServer();
    const { text } = await ask(server, '/openapi.json');
    const { schemas } = (JSON.parse(text) as Document).components;
    const refs = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!);
    expect(refs.filter((name) => !(name in schemas))).toEqual([]);
    expect(text).not.toContain('"additionalProperties":false');
    expect(Object.keys(schemas).filter((name) => name.endsWith('Input'))).toEqual([]);
    expect(Object.keys(schemas['Message']!.properties!)).toEqual([
      'id',
      'network_id',
      'origin',
      'target',
      'from',
      'parts',
      'mentions',
      'intent',
      'backfilled',
      'created_at',
      'redacted_at',
    ]);
    expect(schemas['Message']!.required).toEqual([
      'id',
      'network_id',
      'origin',
      'target',
      'from',
      'parts',
      'created_at',
    ]);
    for (const schema of Object.values(schemas))
      for (const property of Object.values(schema.properties ?? {})) expect(property).not.toEqual({});
  });
});

describe('metrics', () => {
  const sample = (text: string, name: string): string[] =>
    text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

  it('HTTP-9 counts requests by pattern, and shows the names of the wire before anything happened', async () => {
    const server = await startTestServer({ rooms: [general] });
    const fresh = await ask(server, '/metrics');
    expect(fresh.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const name of [
      'moltnet_http_requests_total',
      'moltnet_http_request_duration_seconds',
      'moltnet_active_attachments',
      'moltnet_active_sse_subscribers',
      'moltnet_relay_total',
      'moltnet_events_dropped_total',
      'moltnet_store_health',
      'moltnet_writer_queue',
      'moltnet_batch_size',
      'moltnet_events_head',
      'process_cpu_seconds_total',
    ])
      expect([
        name,
        fresh.text.includes(`# HELP ${name} `) && fresh.text.includes(`# TYPE ${name} `),
      ]).toEqual([name, true]);
    expect(sample(fresh.text, 'moltnet_store_health')).toEqual(['moltnet_store_health 0']);
    expect(sample(fresh.text, 'moltnet_relay_total')).toEqual(
      ['success', 'error', 'dropped', 'refused'].map((result) => `moltnet_relay_total{result="${result}"} 0`),
    );

    await ask(server, '/v1/messages', { method: 'POST', body: hello() });
    await ask(server, '/v1/rooms/general');
    await ask(server, '/v1/rooms/general', { method: 'HEAD' });
    await ask(server, '/v1/rooms/nope');
    await ask(server, '/healthz');
    await askHead(server, '/v1/events/stream');
    await askUpgrade(server);
    const text = await vi.waitUntil(async () => {
      const { text } = await ask(server, '/metrics');
      // A stream and an attachment are counted when they have ended.
      return text.includes('route="GET /v1/attach"') && text.includes('route="GET /v1/events/stream"')
        ? text
        : undefined;
    });
    expect(sample(text, 'moltnet_http_requests_total')).toEqual(
      expect.arrayContaining([
        'moltnet_http_requests_total{method="POST",route="POST /v1/messages",status="202"} 1',
        'moltnet_http_requests_total{method="GET",route="GET /v1/rooms/{roomID}",status="200"} 1',
        'moltnet_http_requests_total{method="GET",route="GET /v1/rooms/{roomID}",status="404"} 1',
        'moltnet_http_requests_total{method="HEAD",route="GET /v1/rooms/{roomID}",status="200"} 1',
        'moltnet_http_requests_total{method="GET",route="GET /v1/events/stream",status="200"} 1',
        'moltnet_http_requests_total{method="GET",route="GET /v1/attach",status="200"} 1',
      ]),
    );
    expect(
      sample(text, 'moltnet_http_request_duration_seconds_bucket')
        .filter((line) => line.includes('POST /v1/messages'))
        .map((line) => /le="([^"]+)"/.exec(line)![1]),
    ).toEqual(['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '+Inf']);
    expect(sample(text, 'moltnet_http_request_duration_seconds_count')).toContain(
      'moltnet_http_request_duration_seconds_count{method="POST",route="POST /v1/messages"} 1',
    );
    expect(sample(text, 'moltnet_store_health')).toEqual(['moltnet_store_health 1']);
    expect(sample(text, 'moltnet_batch_size_count')[0]).toMatch(/ [1-9]\d*$/);
    expect(Number(sample(text, 'moltnet_events_head')[0]!.split(' ')[1])).toBeGreaterThan(0);
  });

  it('HTTP-9 strangers cannot add labels', async () => {
    const server = await startTestServer();
    await ask(server, '/v1/network');
    const series = async () =>
      (await ask(server, '/metrics')).text.split('\n').filter((line) => line.startsWith('moltnet_http_'))
        .length;
    for (let i = 0; i < 3; i++)
      await ask(server, `/nothing-${i}`, { method: i === 0 ? 'GET' : i === 1 ? 'PURGE' : 'PROPFIND' });
    await series();
    const before = await series();
    for (let i = 0; i < 50; i++)
      await ask(server, `/random/${Math.random()}`, { method: i % 2 ? 'PURGE' : 'GET' });
    expect(await series()).toBe(before);
    const { text } = await ask(server, '/metrics');
    expect(text).toContain('method="other",route="unmatched",status="404"');
    expect(text).not.toContain('PURGE');
    expect(text).not.toContain('random');
  });
});
