/** The configuration read again while the server runs. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configError } from '../../src/config/issues.ts';
import type { ServerConfig } from '../../src/config/types.ts';
import { startServer } from '../../src/server/server.ts';
import { AttachClient } from '../support/attach-client.ts';
import { ask, askJson, hello, type Ask } from '../support/server-http.ts';
import { SseClient } from '../support/sse-client.ts';
import { testConfig, type ConfigChanges } from '../support/server.ts';

const TOKENS: ServerConfig['auth']['tokens'] = [
  { id: 'root', value: 'root-secret', scopes: ['observe', 'write', 'admin'] },
  { id: 'watch', value: 'watch-secret', scopes: ['observe'] },
];
const BASE: ConfigChanges = {
  auth: { mode: 'bearer', tokens: TOKENS },
  rooms: [{ id: 'general', members: ['eve'] }],
};
const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

/** A server whose file is `file.now`. */
async function lab(changes: ConfigChanges = BASE) {
  const file = { now: testConfig(changes), reads: 0, broken: undefined as Error | undefined };
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  const server = await startServer(structuredClone(file.now), {
    log: pino({ level: 'info' }, sink),
    reload() {
      file.reads++;
      if (file.broken) throw file.broken;
      return structuredClone(file.now);
    },
  });
  onTestFinished(() => server.stop());
  const reload = (ask: Ask = as('root-secret')) => askJson(server, '/v1/reload', { method: 'POST', ...ask });
  const write = (more: ConfigChanges) => (file.now = testConfig({ ...BASE, ...more }));
  return { server, file, lines, reload, write };
}

const CHANGED = { reloaded: true, restart_needed: [] };

describe('what a reload takes over', () => {
  it('SESS-12 tokens: new ones are known, gone ones are not, when it is answered', async () => {
    const { server, reload, write } = await lab();
    write({ auth: { mode: 'bearer', tokens: [TOKENS[0]!, { value: 'new-secret', scopes: ['observe'] }] } });
    expect((await reload()).json).toEqual({ ...CHANGED, changed: ['auth.tokens'] });
    expect((await ask(server, '/v1/rooms', as('new-secret'))).status).toBe(200);
    expect((await ask(server, '/v1/rooms', as('watch-secret'))).status).toBe(401);
    // The very token that asked for it may be the one that goes.
    write({ auth: { mode: 'bearer', tokens: [TOKENS[1]!] } });
    expect((await reload()).status).toBe(200);
    expect((await ask(server, '/v1/rooms', as('root-secret'))).status).toBe(401);
  });

  it('SESS-6 SESS-13 sessions, streams and attachments of what is gone end; the others go on', async () => {
    const { server, reload, write } = await lab({
      ...BASE,
      auth: { mode: 'bearer', tokens: [...TOKENS, { id: 'n', value: 'node-secret', scopes: ['attach'] }] },
    });
    const { headers } = await ask(server, '/console/session', {
      method: 'POST',
      body: { token: 'watch-secret' },
    });
    const cookie = /^[^;]+/.exec(String(headers['set-cookie']))![0];
    const session = await SseClient.open(server.port, { headers: { cookie, origin: server.url } });
    const gone = await SseClient.open(server.port, as('watch-secret'));
    const kept = await SseClient.open(server.port, as('root-secret'));
    const url = `${server.url.replace('http', 'ws')}/v1/attach`;
    const attached = await AttachClient.attach({ url, agent: 'eve', ...as('node-secret') });
    expect(attached.has('READY')).toBe(true);
    write({ auth: { mode: 'bearer', tokens: [TOKENS[0]!] } });
    await reload();
    await gone.until(() => gone.ended);
    await session.until(() => session.ended);
    await attached.gone();
    expect([attached.closeCode, kept.ended]).toEqual([1006, false]);
    expect((await askJson(server, '/v1/identity', { headers: { cookie } })).json['credential']).toBe(
      'anonymous',
    );
    await ask(server, '/v1/messages', { method: 'POST', ...as('root-secret'), body: hello({ id: 'm1' }) });
    await kept.until(() => kept.messages.includes('m1'));
    // The token comes back: its session does not.
    write({});
    await reload();
    expect((await askJson(server, '/v1/identity', { headers: { cookie } })).json['credential']).toBe(
      'anonymous',
    );
  });

  it('SESS-12 rooms, settings, rates, origins, proxies and public_url', async () => {
    const { server, file, reload, write } = await lab();
    const network = async () => (await askJson(server, '/v1/network', as('root-secret'))).json;
    const post = (origin: string) =>
      ask(server, '/v1/messages', {
        method: 'POST',
        headers: { ...as('root-secret').headers, origin },
        body: hello(),
      });
    expect((await post('https://app.example')).status).toBe(403);
    expect((await askJson(server, '/openapi.json', as('root-secret'))).json['servers']).toBeUndefined();
    write({
      network: { name: 'Renamed' },
      server: {
        public_url: 'https://chat.example',
        allowed_origins: ['https://app.example'],
        trusted_proxies: ['127.0.0.1'],
        direct_messages: false,
      },
      auth: { mode: 'bearer', tokens: TOKENS, public_read: true },
      rates: { sends: { per_second: 0.001, burst: 1 } },
      rooms: [
        { id: 'general', members: ['eve'], name: 'Lobby', visibility: 'public' },
        { id: 'second', members: [] },
      ],
    });
    expect((await reload()).json).toEqual({
      ...CHANGED,
      changed: expect.arrayContaining([
        'network.name',
        'server.public_url',
        'server.allowed_origins',
        'server.trusted_proxies',
        'server.direct_messages',
        'auth.public_read',
        'rates',
        'rooms',
      ]),
    });
    expect(await network()).toMatchObject({
      name: 'Renamed',
      capabilities: { public_read: true, direct_messages: false },
    });
    expect((await ask(server, '/install.md')).text).toContain('https://chat.example/skill.md');
    expect((await askJson(server, '/openapi.json', as('root-secret'))).json['servers']).toEqual([
      { url: 'https://chat.example' },
    ]);
    expect((await askJson(server, '/v1/rooms/general')).json['name']).toBe('Lobby');
    expect((await ask(server, '/v1/rooms/second', as('root-secret'))).status).toBe(200);
    expect((await post('https://app.example')).status).toBe(202);
    expect((await post('https://app.example')).status).toBe(429);
    expect((await post('https://evil.example')).status).toBe(403);
    expect(server.config).toEqual(file.now);
    // And back.
    write({});
    await reload();
    expect((await ask(server, '/v1/rooms/general')).status).toBe(401);
    expect((await ask(server, '/install.md', as('root-secret'))).text).not.toContain('chat.example');
    expect(server.config).toEqual(file.now);
  });

  it('SESS-10 SESS-12 a proxy is believed from the reload on that names it', async () => {
    const { server, reload, write } = await lab();
    const forwarded = { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-host': 'chat.example' };
    const headers = { ...as('root-secret').headers, ...forwarded };
    expect((await ask(server, '/install.md', { headers })).text).not.toContain('chat.example');
    write({ server: { trusted_proxies: ['127.0.0.1'] } });
    await reload();
    expect((await ask(server, '/install.md', { headers })).text).toContain('http://chat.example');
  });

  it('SESS-12 the mode itself: whoever came in without a credential goes', async () => {
    const { server, reload, write } = await lab({ rooms: BASE.rooms! });
    const stream = await SseClient.open(server.port);
    const url = `${server.url.replace('http', 'ws')}/v1/attach`;
    const attached = await AttachClient.attach({ url, agent: 'eve' });
    write({});
    expect((await reload({})).status).toBe(200);
    await stream.until(() => stream.ended);
    await attached.gone();
    expect((await ask(server, '/v1/rooms')).status).toBe(401);
    expect((await ask(server, '/v1/rooms', as('watch-secret'))).status).toBe(200);
  });

  it('SESS-12 what a server is built on is told, and waits for a restart', async () => {
    const { server, reload, write } = await lab();
    write({
      network: { id: 'other', name: 'Other' },
      server: { listen_addr: '127.0.0.1:1' },
      storage: { kind: 'sqlite', sqlite: { path: '/nowhere/moltnet.db' } },
    });
    for (const changed of [['network.name'], []])
      expect((await reload()).json).toEqual({
        reloaded: true,
        changed,
        restart_needed: ['network.id', 'server.listen_addr', 'storage'],
      });
    expect((await askJson(server, '/v1/network', as('root-secret'))).json).toMatchObject({
      id: 'local',
      name: 'Other',
    });
    expect((await ask(server, '/v1/rooms/general', as('root-secret'))).status).toBe(200);
  });
});

describe('what a reload refuses', () => {
  it('SESS-12 a bad file changes nothing, and every mistake is told', async () => {
    const { server, file, reload, write } = await lab();
    write({ auth: { mode: 'bearer', tokens: [] } });
    file.broken = configError('Moltnet', 'is empty in auth mode bearer', 'write one', 'auth.tokens');
    const { status, json } = await reload();
    expect([status, json['code']]).toEqual([422, 'invalid_config']);
    expect(json['error']).toBe('Moltnet: auth.tokens: is empty in auth mode bearer; write one');
    expect((await ask(server, '/v1/rooms', as('watch-secret'))).status).toBe(200);
    file.broken = undefined;
    write({});
    expect((await reload()).json).toEqual({ ...CHANGED, changed: [] });
  });

  it('SESS-12 nor does a declaration that the rules refuse', async () => {
    const { server, reload, write } = await lab();
    write({
      auth: { mode: 'bearer', tokens: [TOKENS[0]!], public_read: true },
      rooms: [
        { id: 'second', members: [] },
        { id: 'a b', members: [] },
      ],
    });
    const { status, json } = await reload();
    expect([status, json['code']]).toEqual([422, 'invalid_config']);
    expect(json['error']).toContain('a b');
    expect((await ask(server, '/v1/rooms/second', as('root-secret'))).status).toBe(404);
    expect((await ask(server, '/v1/rooms', as('watch-secret'))).status).toBe(200);
    expect((await ask(server, '/v1/rooms')).status).toBe(401);
    expect(server.config.auth.public_read).toBe(false);
  });

  it('SESS-12 a file that was emptied asks nobody for a token: it changes nothing', async () => {
    const { server, file, reload } = await lab();
    file.now = testConfig({});
    expect(file.now.auth.mode).toBe('none');
    const { status, json } = await reload();
    expect([status, json['code']]).toEqual([422, 'invalid_config']);
    expect(json['error']).toContain('auth.mode');
    expect((await ask(server, '/v1/rooms')).status).toBe(401);
    expect((await ask(server, '/v1/rooms', as('root-secret'))).status).toBe(200);
  });

  it('SESS-12 a file that is gone changes nothing', async () => {
    const at = testConfig({ network: { name: 'Named' } });
    const server = await startServer(
      { ...at, path: '/srv/Moltnet' },
      { log: pino({ level: 'silent' }), reload: () => testConfig() },
    );
    onTestFinished(() => server.stop());
    await expect(server.reload()).rejects.toMatchObject({
      code: 'invalid_config',
      message: '/srv/Moltnet: is not there any more',
    });
    expect(server.config.network.name).toBe('Named');
  });

  it('SESS-12 only an administrator may, and nothing is read before', async () => {
    const { file, reload } = await lab();
    expect((await reload({})).status).toBe(401);
    expect((await reload(as('watch-secret'))).status).toBe(403);
    expect((await reload(as('wrong'))).status).toBe(401);
    expect(file.reads).toBe(0);
  });

  it('SESS-12 a server that was given its configuration by a program has none to read again', async () => {
    const server = await startServer(testConfig(), { log: pino({ level: 'silent' }) });
    onTestFinished(() => server.stop());
    const { status, json } = await askJson(server, '/v1/reload', { method: 'POST' });
    expect([status, json['code']]).toEqual([422, 'invalid_config']);
    await expect(server.reload()).rejects.toMatchObject({ code: 'invalid_config' });
  });
});

it('SESS-12 reloads run one after the other: each finds what the one before it left', async () => {
  const { server, file, write, lines } = await lab();
  write({ network: { name: 'Renamed' } });
  const all = await Promise.all(Array.from({ length: 8 }, () => server.reload()));
  expect(all.map(({ changed }) => changed)).toEqual([
    ['network.name'],
    ...Array.from({ length: 7 }, () => []),
  ]);
  expect(file.reads).toBe(8);
  // One that fails stops none after it.
  file.broken = configError('Moltnet', 'is wrong');
  await expect(server.reload()).rejects.toMatchObject({ code: 'invalid_config' });
  file.broken = undefined;
  write({ network: { name: 'Again' } });
  expect((await server.reload()).changed).toEqual(['network.name']);
  expect(lines.filter(({ level }) => level === 40)).toMatchObject([{ reason: 'invalid_config' }]);
});

it('SESS-12 the log says what changed, what the file won and what the API kept', async () => {
  const { server, lines, reload, write } = await lab();
  await ask(server, '/v1/rooms/general', {
    method: 'PATCH',
    ...as('root-secret'),
    body: { name: 'By the API', write_policy: 'operators' },
  });
  lines.length = 0;
  write({
    rooms: [{ id: 'general', members: ['eve'], name: 'By the file' }],
    auth: { mode: 'bearer', tokens: [TOKENS[0]!, { value: 'fresh-secret', scopes: ['observe'] }] },
  });
  await reload();
  expect(lines[0]).toMatchObject({ changed: ['auth.tokens', 'rooms'], restart_needed: [], level: 30 });
  expect(lines.slice(1)).toMatchObject([{ room: 'general', field: 'name', level: 30 }]);
  expect(JSON.stringify(lines)).not.toContain('secret');
});
