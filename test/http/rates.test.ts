/** What one caller may do in a time, over real sockets. Addresses come from a trusted proxy: this machine is never counted. */
import { expect, it } from 'vitest';
import type { ServerConfig } from '../../src/config/types.ts';
import { limits } from '../../src/protocol/limits.ts';
import { AttachClient } from '../support/attach-client.ts';
import { exchange, SECRETS, startAuthServer, type Mode, type Reply } from '../support/auth-lab.ts';
import { hello } from '../support/server-http.ts';
import { SseClient } from '../support/sse-client.ts';

const FEW = { per_second: 0.01, burst: 3 };

async function limited(mode: Mode, rates: Partial<ServerConfig['rates']>) {
  const { server } = await startAuthServer(mode, {
    server: { trusted_proxies: ['127.0.0.1'] },
    rooms: [{ id: 'general', members: ['ada'], visibility: 'public', write_policy: 'members' }],
    rates,
  });
  const call = (
    route: string,
    from: string | undefined,
    token?: string,
    body?: unknown,
    more: Record<string, string> = {},
  ): Promise<Reply> =>
    exchange(
      server.port,
      route,
      {
        ...(from !== undefined && { 'x-forwarded-for': from }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...more,
      },
      body,
    );
  return { server, call };
}
async function statuses(count: number, ask: (i: number) => Promise<Reply>): Promise<number[]> {
  const got: number[] = [];
  for (let i = 0; i < count; i++) got.push((await ask(i)).status);
  return got;
}

it.each(['bearer', 'open'] as const)(
  'RATE-1 in mode %s requests without a credential are counted by address, whatever they ask for',
  async (mode) => {
    const { call } = await limited(mode, { anonymous: FEW });
    const routes = ['GET /v1/rooms', 'GET /healthz', 'GET /nowhere', 'POST /v1/messages', 'GET /console/'];
    const far = '203.0.113.7';
    const got = await statuses(5, (i) => call(routes[i]!, far));
    expect(got.slice(0, 3)).not.toContain(429);
    expect(got.slice(3)).toEqual([429, 429]);
    const refused = await call('GET /v1/rooms', far);
    expect(refused).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(99);
    expect(refused.headers).toMatchObject({ 'x-content-type-options': 'nosniff' });
    // Others are not hindered: another address, this machine, and whoever has a credential.
    expect((await call('GET /v1/network', '203.0.113.8')).status).not.toBe(429);
    expect(await statuses(9, () => call('GET /healthz', '127.0.0.1'))).not.toContain(429);
    expect(await statuses(9, () => call('GET /healthz', undefined))).not.toContain(429);
    expect(await statuses(9, () => call('GET /v1/network', far, SECRETS.observe))).toEqual(
      Array(9).fill(200),
    );
  },
);

it('RATE-1 an upgrade is a request too', async () => {
  const { server, call } = await limited('open', { anonymous: FEW });
  const far = '2001:db8:1:2::7';
  await statuses(3, () => call('GET /v1/rooms', far));
  const attach = async (from: string): Promise<[number | undefined, string | undefined]> => {
    const url = `ws://127.0.0.1:${server.port}/v1/attach`;
    const client = new AttachClient({ url, headers: { 'x-forwarded-for': from } });
    const answer: [number | undefined, string | undefined] = [undefined, undefined];
    client.socket.on('unexpected-response', (_, response) => {
      answer[0] = response.statusCode;
      answer[1] = response.headers['retry-after'];
      client.socket.terminate();
    });
    await client.until(() => client.has('HELLO') || client.closed);
    return answer;
  };
  expect(await attach(far)).toEqual([429, expect.stringMatching(/^\d+$/)]);
  // The same network, but for its last 64 bits.
  expect(await attach('2001:db8:1:2:ffff::1')).toEqual([429, expect.any(String)]);
  expect(await attach('2001:db8:1:3::7')).toEqual([undefined, undefined]);
});

it('RATE-2 messages are counted by identity, after what its credential may; pair tokens by their own rate', async () => {
  const { call } = await limited('bearer', { sends: FEW, pair: { per_second: 0.01, burst: 5 } });
  const far = '203.0.113.7';
  const post = (token: string) => call('POST /v1/messages', far, token, hello());
  expect(await statuses(5, () => post(SECRETS.operator))).toEqual([202, 202, 202, 429, 429]);
  // A wake that failed counts like a message.
  const report = await call('POST /v1/agents/wake-failed', far, SECRETS.operator, {});
  expect(report.status).toBe(429);
  expect(await statuses(5, () => post(SECRETS.write))).toEqual([202, 202, 202, 429, 429]);
  expect(await statuses(5, () => post(SECRETS.observe))).toEqual([403, 403, 403, 403, 403]);
  expect((await statuses(7, () => post(SECRETS.pair))).map((status) => status === 429)).toEqual([
    ...Array<boolean>(5).fill(false),
    true,
    true,
  ]);
});

it('RATE-1 RATE-2 in mode none nobody is counted', async () => {
  const { call } = await limited('none', { sends: FEW, anonymous: FEW });
  expect(await statuses(9, () => call('POST /v1/messages', '203.0.113.7', undefined, hello()))).toEqual(
    Array(9).fill(202),
  );
});

it('RATE-3 claims and credentials that nobody has are counted together, and hinder no valid one', async () => {
  const { call } = await limited('open', { claims: FEW });
  const far = '203.0.113.7';
  const claim = (id: string, from = far) =>
    call('POST /v1/agents/register', from, undefined, { requested_agent_id: id });
  expect((await claim('a1')).status).toBe(201);
  expect((await call('GET /v1/rooms', far, 'guess-1')).status).toBe(401);
  expect((await claim('a2')).status).toBe(201);
  expect((await claim('a3')).status).toBe(429);
  expect((await call('GET /v1/rooms', far, 'guess-2')).status).toBe(429);
  expect((await call('GET /v1/rooms', far, SECRETS.observe)).status).toBe(200);
  expect((await call('GET /v1/rooms', far)).status).toBe(200);
  const attach = { requested_agent_id: 'a4' };
  expect((await call('POST /v1/agents/register', far, SECRETS.attach, attach)).status).toBe(201);
  expect((await claim('a3', '203.0.113.8')).status).toBe(201);
  expect(await statuses(9, (i) => claim(`here${i}`, '127.0.0.1'))).toEqual(Array(9).fill(201));
});

it('RATE-4 off is no limit', async () => {
  const { call } = await limited('bearer', { anonymous: 'off', sends: 'off', claims: 'off', pair: 'off' });
  const far = '203.0.113.7';
  expect(await statuses(30, () => call('GET /healthz', far))).toEqual(Array(30).fill(200));
  expect(await statuses(30, () => call('GET /v1/rooms', far, 'guess'))).toEqual(Array(30).fill(401));
});

it('SSE-32 without a credential streams are counted by the address that a trusted proxy says, with one by it', async () => {
  const { server } = await limited('public', {});
  const max = limits.sse_streams_per_identity.value;
  const open = async (headers: Record<string, string>): Promise<number | undefined> => {
    const client = await SseClient.open(server.port, { headers });
    return client.status;
  };
  for (let i = 0; i < max; i++) expect(await open({ 'x-forwarded-for': `2001:db8:1:2::${i + 1}` })).toBe(200);
  expect(await open({ 'x-forwarded-for': '2001:db8:1:2::ff' })).toBe(503);
  expect(await open({ 'x-forwarded-for': '203.0.113.8' })).toBe(200);
  const token = { authorization: `Bearer ${SECRETS.observe}` };
  for (let i = 0; i < max; i++)
    expect(await open({ ...token, 'x-forwarded-for': `203.0.113.${i + 1}` })).toBe(200);
  expect(await open({ ...token, 'x-forwarded-for': '203.0.113.99' })).toBe(503);
  expect(await open({ authorization: `Bearer ${SECRETS.login}` })).toBe(200);
});

it('SSE-6 callers whom the configuration does not name do not take the last quarter of all streams', async () => {
  const { server } = await limited('public', {});
  const { sse_streams, sse_streams_per_identity } = limits;
  const open = (headers: Record<string, string>): Promise<SseClient> =>
    SseClient.open(server.port, { headers });
  const clients: SseClient[] = [];
  const full = (sse_streams.value * 3) / 4;
  for (let i = 0; i < full; i++)
    clients.push(
      await open({ 'x-forwarded-for': `203.0.113.${Math.floor(i / sse_streams_per_identity.value)}` }),
    );
  expect(clients.map(({ status }) => status)).toEqual(Array(full).fill(200));
  const stranger = { 'x-forwarded-for': '198.51.100.1' };
  expect((await open(stranger)).status).toBe(503);
  const token = { authorization: `Bearer ${SECRETS.observe}` };
  expect((await open({ ...token, ...stranger })).status).toBe(200);
  // One that ends makes room for another.
  clients[0]!.close();
  let next: SseClient;
  do next = await open(stranger);
  while (next.status !== 200);
});
