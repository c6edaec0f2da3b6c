/** A server behind a reverse proxy: whose word counts. */
import { describe, expect, it } from 'vitest';
import { ask, askJson } from '../support/server-http.ts';
import { startTestServer, type ConfigChanges } from '../support/server.ts';

const FORWARDED = {
  'x-forwarded-for': '192.0.2.1',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'chat.example',
};
const DOCUMENTS = ['/install.md', '/skill.md', '/llms.txt'];
const open = (server: ConfigChanges['server'] = {}, more: ConfigChanges = {}) =>
  startTestServer({
    auth: { mode: 'open', public_read: true, agent_registration: 'open' },
    rooms: [{ id: 'board', members: ['eve'], visibility: 'private' }],
    ...more,
    server,
  });

describe('the address in the documents', () => {
  it('SAFE-7 SESS-10 X-Forwarded-* of anybody is not believed', async () => {
    const server = await open();
    for (const path of DOCUMENTS) {
      const { text } = await ask(server, path, { headers: FORWARDED });
      expect(text).toContain(server.url);
      expect(text).not.toContain('chat.example');
    }
  });

  it('SAFE-7 SESS-10 of a trusted proxy it is, and public_url goes over it', async () => {
    const server = await open({ trusted_proxies: ['127.0.0.0/8'] });
    for (const path of DOCUMENTS)
      expect((await ask(server, path, { headers: FORWARDED })).text).toContain('https://chat.example');
    const own = await open({ trusted_proxies: ['127.0.0.0/8'], public_url: 'https://own.example' });
    for (const path of DOCUMENTS) {
      const { text } = await ask(own, path, { headers: FORWARDED });
      expect(text).toContain('https://own.example');
      expect(text).not.toContain('chat.example');
    }
    // A host that is no host names nothing in a command that agents run.
    const { text } = await ask(server, '/install.md', {
      headers: { ...FORWARDED, 'x-forwarded-host': 'a;reboot/' },
    });
    expect(text).not.toContain('reboot');
  });
});

describe('who is on this machine', () => {
  const claim = async (server: Awaited<ReturnType<typeof open>>, headers: Record<string, string> = {}) => {
    const { status, json } = await askJson(server, '/v1/agents/register', {
      method: 'POST',
      headers,
      body: { requested_agent_id: 'eve' },
    });
    return status === 201 ? 'claimed' : json['code'];
  };

  it('SESS-11 an id that a private room names is not claimed through a proxy', async () => {
    const server = await open();
    for (const headers of [
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
      { via: '1.1 proxy' },
      { 'x-real-ip': '127.0.0.1' },
    ] as Record<string, string>[])
      expect([headers, await claim(server, headers)]).toEqual([headers, 'claim_reserved']);
    expect(await claim(server)).toBe('claimed');
  });

  it('SESS-11 a trusted proxy says for whom it asks', async () => {
    const server = await open({ trusted_proxies: ['127.0.0.1'] });
    expect(await claim(server, { 'x-forwarded-for': '127.0.0.1, 192.0.2.1' })).toBe('claim_reserved');
    expect(await claim(server, { 'x-forwarded-for': '127.0.0.1' })).toBe('claimed');
  });

  it('SESS-11 a server with an address elsewhere takes nobody for local by the socket alone', async () => {
    expect(await claim(await open({ public_url: 'https://chat.example' }))).toBe('claim_reserved');
  });

  it('SESS-10 callers behind a trusted proxy are counted one by one', async () => {
    const rates = { anonymous: { per_second: 0.001, burst: 2 } } as const;
    const server = await open({ trusted_proxies: ['127.0.0.1'] }, { rates });
    const get = async (client: string) =>
      (await ask(server, '/v1/network', { headers: { 'x-forwarded-for': client } })).status;
    expect([await get('192.0.2.1'), await get('192.0.2.1'), await get('192.0.2.1')]).toEqual([200, 200, 429]);
    expect(await get('192.0.2.2')).toBe(200);
    // What a client writes itself does not make it another.
    expect(await get('8.8.8.8, 192.0.2.1')).toBe(429);
  });
});
