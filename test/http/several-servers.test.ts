/** Two servers on one Postgres, over HTTP and attachments: a client may ask either of them. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Bindings } from '../../src/protocol/wake.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { AttachClient } from '../support/attach-client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { ask, askJson } from '../support/server-http.ts';
import { startTestServer, type ConfigChanges } from '../support/server.ts';
import { SseClient } from '../support/sse-client.ts';
import { upTo } from '../support/store-writes.ts';
import { startProxy } from '../support/tcp-proxy.ts';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

let schemas = 0;
async function fresh(): Promise<string> {
  const { default: pg } = await import('pg');
  const client = new pg.Client(postgres.dsn);
  await client.connect();
  await client.query(`CREATE SCHEMA s${++schemas}`);
  await client.end();
  return dsnOf(schemas);
}
function dsnOf(schema: number): string {
  const url = new URL(postgres.dsn);
  url.searchParams.set('options', `-c search_path=s${schema}`);
  return url.href;
}

const guard = { turns: 'off', hour_turns: 'off', pair_turns: 'off' } as const;

async function pair(
  changes: ConfigChanges = {},
  headers: Record<string, string> = {},
): Promise<[RunningServer, RunningServer]> {
  const dsn = await fresh();
  const storage = { kind: 'postgres' as const, postgres: { dsn } };
  const start = () =>
    startTestServer({ rooms: [{ id: 'general', members: [] }], guard, ...changes, storage });
  const servers = [await start(), await start()] as const;
  // Each knows that there is another.
  for (const server of servers)
    await vi.waitFor(async () =>
      expect((await ask(server, '/metrics', { headers })).text).toContain('moltnet_other_servers 1'),
    );
  return [...servers];
}
const message = (from: string, id: string, text = id) => ({
  id,
  target: { kind: 'room', room_id: 'general' },
  from: { type: 'agent', id: from },
  parts: [{ kind: 'text', text }],
});
const post = async (server: RunningServer, body: object) =>
  (await ask(server, '/v1/messages', { method: 'POST', body })).status;
const bindings: Bindings = {
  rooms: [{ id: 'general', wake: 'all' }],
  dms: { enabled: true, wake: 'all' },
  catch_up: 'all',
};
const attach = (server: RunningServer, agent: string, more: object = {}) =>
  AttachClient.attach({ url: `${server.url.replace('http', 'ws')}/v1/attach`, agent, ...more });

describe('two servers on one Postgres', () => {
  it('STO-5 the same message sent to both at once is accepted by both, and stored once', async () => {
    const servers = await pair();
    for (const i of upTo(20)) {
      const body = message('alpha', `m${i}`);
      expect(await Promise.all(servers.map((server) => post(server, body)))).toEqual([202, 202]);
    }
    const texts = ['one', 'other'].map((text, i) => post(servers[i]!, message('alpha', 'mine', text)));
    expect((await Promise.all(texts)).toSorted()).toEqual([202, 409]);
    const { json } = await askJson<{ messages: unknown[] }>(servers[0], '/v1/rooms/general/messages');
    expect(json.messages).toHaveLength(21);
  });

  it('STO-56 what one has answered the other knows: rooms, history, tokens', async () => {
    const headers = { authorization: 'Bearer operator-token-of-the-test' };
    const scopes = ['admin', 'observe', 'attach', 'write'];
    const tokens = [{ id: 'op', value: 'operator-token-of-the-test', scopes }];
    const [a, b] = await pair({ auth: { mode: 'open', agent_registration: 'open', tokens } }, headers);
    for (const i of upTo(15)) {
      const made = await ask(a, '/v1/rooms', { method: 'POST', headers, body: { id: `r${i}` } });
      expect(made.status).toBe(201);
      expect((await ask(b, `/v1/rooms/r${i}`, { headers })).status).toBe(200);
      const { json } = await askJson<{ agent_token: string }>(b, '/v1/agents/register', {
        method: 'POST',
        body: { requested_agent_id: `agent${i}` },
      });
      const own = { authorization: `Bearer ${json.agent_token}` };
      expect((await ask(a, '/v1/agents', { headers: own })).status).toBe(200);
    }
  });

  it('SESS-15 READ-4 a ticket of one logs in at the other, once; what is read there is told here', async () => {
    const headers = { authorization: 'Bearer operator-token-of-the-test' };
    const tokens = [
      {
        id: 'op',
        value: 'operator-token-of-the-test',
        scopes: ['observe', 'write', 'admin'],
        human: { id: 'anna', name: 'Anna' },
      },
    ];
    const [a, b] = await pair({ auth: { mode: 'bearer', tokens } }, headers);
    const body = { token: 'operator-token-of-the-test' };
    const issued = await askJson<{ ticket: string }>(a, '/console/tickets', { method: 'POST', body });
    const { ticket } = issued.json;
    const tries = await Promise.all([b, a, b, a].map((server) => ask(server, `/console/?ticket=${ticket}`)));
    expect(tries.map(({ status, headers: { location } }) => [status, location])).toEqual(
      tries.map(() => [307, '/console/']),
    );
    const cookies = tries.flatMap((answer) => answer.headers['set-cookie'] ?? []);
    expect(cookies.length).toBe(1);
    const own = { cookie: cookies[0]!.split(';')[0]!, 'sec-fetch-site': 'same-origin' };

    const stream = await SseClient.open(Number(new URL(a.url).port), { headers: own });
    expect(stream.status).toBe(200);
    const said = { ...message('anna', 'm1'), from: { type: 'human', id: 'anna' } };
    expect((await ask(a, '/v1/messages', { method: 'POST', headers, body: said })).status).toBe(202);
    const marked = { method: 'PUT', headers: own, body: { message_id: 'm1' } };
    expect((await ask(b, '/v1/reads/room:general', marked)).status).toBe(200);
    await stream.until(() => stream.types.includes('read.moved'));
    const { json } = await askJson<{ reads: object[] }>(a, '/v1/reads', { headers: own });
    expect(json.reads).toMatchObject([{ conversation: 'room:general', message_id: 'm1', unread: 0 }]);
  });

  it('STO-54 attached readers of both get every message once, in one order, whoever took it', async () => {
    const [a, b] = await pair();
    const readers = [await attach(a, 'r1'), await attach(b, 'r2')];
    const codes = await Promise.all(
      upTo(60).map((i) => post(i % 2 === 0 ? a : b, message(`s${i % 3}`, `m${i}`))),
    );
    expect(new Set(codes)).toEqual(new Set([202]));
    for (const reader of readers) await reader.until(() => reader.messages.length >= 60);
    expect(readers[0]!.messages).toEqual(readers[1]!.messages);
    expect(new Set(readers[0]!.messages).size).toBe(60);
  });

  it('STO-57 one server delivers to an agent; when it is gone the other goes on where it was, and presence says where', async () => {
    const [a, b] = await pair();
    const first = await attach(a, 'alpha', { bindings });
    const second = await attach(b, 'alpha', { bindings });
    expect(second.has('READY')).toBe(true);
    await post(b, message('beta', 'm1'));
    await first.until(() => first.messages.length === 1);
    const presence = async (server: RunningServer) =>
      (
        await askJson<{ agents: { id: string; connected: boolean }[] }>(server, '/v1/agents')
      ).json.agents.find(({ id }) => id === 'alpha');
    await vi.waitFor(async () => expect(await presence(b)).toMatchObject({ connected: true }));
    first.ack(first.events.at(-1)!.cursor!);
    await post(a, message('beta', 'm2'));
    await first.until(() => first.messages.length === 2);
    expect(second.messages).toEqual([]);
    await first.settle();
    await a.stop();
    await second.until(() => second.messages.length === 1);
    expect(second.messages).toEqual(['m2']);
    await second.drop();
    await vi.waitFor(async () => expect(await presence(b)).toMatchObject({ connected: false }), 10_000);
  });

  it('STO-57 what an attachment acknowledges is not stored once another server has its lease, though this one has not heard of that', async () => {
    const [a] = await pair();
    const client = await attach(a, 'alpha', { bindings });
    for (const id of ['m1', 'm2']) await post(a, message('beta', id));
    await client.until(() => client.messages.length === 2);
    client.ack(client.events[0]!.cursor!);
    const { default: pg } = await import('pg');
    const database = new pg.Client(dsnOf(schemas));
    await database.connect();
    onTestFinished(() => database.end());
    const acked = async () =>
      (await database.query(`SELECT acked_seq FROM delivery_positions WHERE agent_id = 'alpha'`)).rows.map(
        (row) => Number((row as { acked_seq: string }).acked_seq),
      );
    await vi.waitFor(async () => expect(await acked()).toHaveLength(1), 10_000);
    const before = await acked();
    await database.query(`UPDATE leases SET server = 1 WHERE name = 'alpha'`);
    client.ack(client.events[1]!.cursor!);
    await client.gone();
    expect(client.of('ERROR').map(({ code }) => code)).toEqual(['service_unavailable']);
    expect(await acked()).toEqual(before);
  });

  it('RCPT-10 STO-57 a failed wake that is retried at one server is run by the node that is attached to the other', async () => {
    const [a, b] = await pair();
    const client = await attach(b, 'alpha', { bindings });
    await post(a, message('beta', 'm1'));
    await client.until(() => client.messages.length === 1);
    const cursor = client.events.at(-1)!.cursor!;
    const conversation = 'room:general';
    client.send({ op: 'WAKE', capabilities: {}, wake_id: 'w1', conversation, cursor, attempt: 1 });
    await client.until(() => client.has('WAKE'));
    client.ack(cursor, { wake_id: 'w1', outcome: 'failed', error: 'poison' });
    const failed = async () =>
      (await askJson<{ deliveries: unknown[] }>(a, '/v1/deliveries?state=failed')).json.deliveries.length;
    await vi.waitFor(async () => expect(await failed()).toBe(1));
    const retried = await ask(a, '/v1/deliveries/w1/retry?agent=alpha', { method: 'POST', body: {} });
    expect(retried.status).toBe(200);
    await client.until(() => client.of('WAKE').length === 2);
    expect(client.of('WAKE')[1]).toMatchObject({ wake_id: 'w1', attempt: 2, cursor });
    // Who is attached there can be asked there alone, and that is said.
    await vi.waitFor(async () => {
      const path = '/v1/agents/alpha/wake-test';
      const { json } = await askJson<{ reason: string }>(a, path, { method: 'POST', body: {} });
      expect(json.reason).toContain('attached to another server');
    }, 10_000);
  });

  it('RCPT-22 that a node has a message is told by the servers that it is not attached to, too', async () => {
    const [a, b] = await pair({ rooms: [{ id: 'general', members: [], visibility: 'public' }] });
    const state = async (server: RunningServer, agent: string) => {
      const path = '/v1/messages/m1/receipts';
      const { json } = await askJson<{ receipts: { agent_id: string; state: string }[] }>(server, path);
      return json.receipts.find(({ agent_id }) => agent_id === agent)?.state;
    };
    // Bound, and away when it is said.
    const before = await attach(b, 'late', { bindings });
    await before.drop();
    const alpha = await attach(a, 'alpha', { bindings });
    const gamma = await attach(b, 'gamma', { bindings });
    await post(a, message('beta', 'm1'));
    for (const client of [alpha, gamma]) await client.until(() => client.messages.length === 1);
    // Who is attached elsewhere is known a second later.
    for (const server of [a, b])
      for (const agent of ['alpha', 'gamma'])
        await vi.waitFor(async () => expect(await state(server, agent)).toBe('handed'), 10_000);
    for (const server of [a, b, a, b])
      expect(await Promise.all(['alpha', 'gamma', 'late'].map((agent) => state(server, agent)))).toEqual([
        'handed',
        'handed',
        'stored',
      ]);
    await gamma.drop();
    await vi.waitFor(async () => expect(await state(a, 'gamma')).toBe('stored'), 10_000);
    expect(await state(b, 'alpha')).toBe('handed');
  });

  it('STO-53 a database that goes away in the middle of a start is waited for, and the start begins again', async () => {
    const proxy = await startProxy(await fresh());
    let cuts = 0;
    proxy.onData = (data) => {
      if (cuts >= 2 || !data.includes('REPEATABLE READ')) return;
      cuts++;
      proxy.cut();
    };
    const storage = { kind: 'postgres' as const, postgres: { dsn: proxy.url } };
    const server = await startTestServer({ rooms: [{ id: 'general', members: [] }], storage });
    expect(cuts).toBe(2);
    expect((await ask(server, '/v1/rooms')).status).toBe(200);
    expect(await post(server, message('beta', 'm1'))).toBe(202);
  });

  it('STO-51 STO-56 a database that stands still: readiness, reads and writes say so, and all comes back', async () => {
    const [a] = await pair();
    postgres.signal('SIGSTOP');
    try {
      await vi.waitFor(async () => expect((await ask(a, '/v1/rooms')).status).toBe(503), 15_000);
      expect((await ask(a, '/readyz')).status).toBe(503);
    } finally {
      postgres.signal('SIGCONT');
    }
    await vi.waitFor(async () => expect((await ask(a, '/v1/rooms')).status).toBe(200), 15_000);
    expect(await post(a, message('beta', 'after'))).toBe(202);
    await postgres.kill();
    const refused = await ask(a, '/v1/messages', { method: 'POST', body: message('beta', 'away') });
    expect([refused.status, JSON.parse(refused.text).code]).toEqual([503, 'storage_unavailable']);
    expect(refused.headers['retry-after']).toBe('1');
    await postgres.start();
    await vi.waitFor(async () => expect(await post(a, message('beta', 'away'))).toBe(202), 15_000);
  });
});
