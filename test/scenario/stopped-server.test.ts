/** A server that stands still for longer than its leases last, as under SIGSTOP, on a machine that sleeps or swaps. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import type { Bindings } from '../../src/protocol/wake.ts';
import { AttachClient } from '../support/attach-client.ts';
import { cli } from '../support/cli-io.ts';
import { ok, startLabNode } from '../support/node-lab.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { freePort, startServerProcess, type ServerProcess } from '../support/process.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());
/** Each test has a schema of its own. */
let dsn: string;
let schemas = 0;
beforeEach(async () => {
  const client = new pg.Client(postgres.dsn);
  await client.connect();
  await client.query(`CREATE SCHEMA s${++schemas}`);
  await client.end();
  const url = new URL(postgres.dsn);
  url.searchParams.set('options', `-c search_path=s${schemas}`);
  dsn = url.href;
});

const bindings: Bindings = {
  rooms: [{ id: 'general', wake: 'all' }],
  dms: { enabled: true, wake: 'all' },
  catch_up: 'all',
};

async function startServer(folder: string, name: string): Promise<ServerProcess> {
  const home = path.join(folder, name);
  mkdirSync(home);
  const port = await freePort();
  const config = path.join(home, 'Moltnet');
  writeFileSync(
    config,
    `version: moltnet.v1
server: { listen_addr: "127.0.0.1:${port}" }
guard: { turns: off, hour_turns: off, pair_turns: off }
storage: { kind: postgres, postgres: { dsn: ${JSON.stringify(dsn)} } }
rooms: [{ id: general, visibility: public, write_policy: registered_agents }]
`,
    { mode: 0o600 },
  );
  const server = await startServerProcess({ url: `http://127.0.0.1:${port}`, config });
  onTestFinished(async () => {
    server.child.kill('SIGCONT');
    await server.kill();
  });
  return server;
}
const attach = ({ url }: ServerProcess): Promise<AttachClient> =>
  AttachClient.attach({ url: `${url.replace('http', 'ws')}/v1/attach`, agent: 'alpha', bindings });
const post = async ({ url }: ServerProcess, id: string): Promise<number> => {
  const body = {
    id,
    target: { kind: 'room', room_id: 'general' },
    from: { type: 'human', id: 'ann' },
    parts: [{ kind: 'text', text: id }],
  };
  const headers = { 'content-type': 'application/json' };
  return (await fetch(`${url}/v1/messages`, { method: 'POST', headers, body: JSON.stringify(body) })).status;
};
const history = async ({ url }: ServerProcess): Promise<string[]> => {
  const page = await (await fetch(`${url}/v1/rooms/general/messages?limit=100`)).json();
  return (page as { messages: { id: string }[] }).messages.map(({ id }) => id);
};

it('STO-57 DLV-8 a server that was stopped for longer than its lease delivers nothing and takes no ACK when it goes on; nothing is lost, doubled or out of order', async () => {
  const folder = await temporaryFolder();
  const [a, b] = [await startServer(folder, 'a'), await startServer(folder, 'b')];
  const first = await attach(a);
  // It waits at the other server until the first one's is dead.
  const second = await attach(b);
  for (const id of ['m1', 'm2', 'm3']) expect(await post(b, id)).toBe(202);
  await first.until(() => first.messages.length === 3);
  const cursor = (id: string): string => first.events.find(({ event }) => event!.message?.id === id)!.cursor!;
  first.ack(cursor('m1'));
  await first.settle();
  expect(second.messages).toEqual([]);
  // Written down: at most 200 ms after the ACK.
  const acked = `SELECT 1 FROM delivery_positions WHERE agent_id = 'alpha' AND acked_seq > 0`;
  const database = new pg.Client(dsn);
  await database.connect();
  onTestFinished(() => database.end());
  while ((await database.query(acked)).rowCount === 0);

  a.child.kill('SIGSTOP');
  // What reaches it now it reads when it goes on: an ACK by its lease of before, and a message.
  first.ack(cursor('m3'));
  const meanwhile = post(a, 'late');
  await second.until(() => second.messages.length === 2);
  expect(await post(b, 'm4')).toBe(202);
  await second.until(() => second.messages.length === 3);
  expect(second.messages).toEqual(['m2', 'm3', 'm4']);

  a.child.kill('SIGCONT');
  expect(await meanwhile).toBe(202);
  await first.gone();
  expect(first.messages).toEqual(['m1', 'm2', 'm3']);
  expect(first.of('ERROR').map(({ code }) => code)).toEqual(['service_unavailable']);
  expect(await post(a, 'm5')).toBe(202);
  await second.until(() => second.messages.length === 5);
  expect(second.messages).toEqual(['m2', 'm3', 'm4', 'late', 'm5']);

  // Nobody who delivers has taken an ACK since m1: whoever comes next begins there.
  await second.drop();
  const third = await attach(a);
  await third.until(() => third.messages.length === 5);
  expect(third.messages).toEqual(['m2', 'm3', 'm4', 'late', 'm5']);
  for (const server of [a, b]) expect(await history(server)).toEqual(['m1', 'm2', 'm3', 'm4', 'late', 'm5']);
}, 60_000);

it('NODE-34 NODE-35 a node whose server is killed goes over to the other one and nothing is lost; a server of another network is not gone over to', async () => {
  const folder = await temporaryFolder();
  const [a, b] = [await startServer(folder, 'a'), await startServer(folder, 'b')];
  const elsewhere = await startTestServer({ network: { id: 'elsewhere', name: 'Elsewhere' } });
  const workspace = path.join(folder, 'workspace');
  mkdirSync(workspace);
  const other_urls = [elsewhere.url, b.url];
  const runtime = { kind: 'fake-runtime', workspace_path: workspace };
  const lab = await startLabNode(a.url, [{ agent: { id: 'alpha' }, other_urls, runtime }]);
  await lab.logged('attached');
  const alpha = lab.runtime('alpha');
  expect(await post(b, 'm1')).toBe(202);
  await lab.until(() => alpha.turns.length === 1);

  // In the middle of a turn, with a message on its way.
  alpha.script = () => 'hold';
  expect(await post(b, 'm2')).toBe(202);
  await lab.until(() => alpha.turns.length === 2);
  expect(await post(a, 'm3')).toBe(202);
  await a.kill();
  expect((await lab.logged('not gone over to')).message).toContain('"elsewhere"');
  expect((await lab.logged('goes over to another server')).fields['server']).toBe(b.url);
  alpha.script = () => ok;
  for (const turn of alpha.turns) turn.end();
  expect(await post(b, 'm4')).toBe(202);
  await lab.until(() => alpha.texts.some((text) => text.includes('m4')));
  const seen = alpha.turns.flatMap(({ wake }) => wake.text.match(/\bm[0-9]\b/g) ?? []);
  expect([...new Set(seen)]).toEqual(['m1', 'm2', 'm3', 'm4']);
  // m2's wake was open at the server that died: it ended well and is not run again.
  expect(alpha.turns.filter(({ wake }) => /\bm2\b/.test(wake.text))).toHaveLength(1);

  // The agent's own commands go where its node is, and find the way by themselves too.
  const file = path.join(workspace, '.moltnet', 'config.json');
  const written = JSON.parse(readFileSync(file, 'utf8')) as {
    attachments: [{ base_url: string; other_urls: string[] }];
  };
  expect(written.attachments[0]).toMatchObject({ base_url: b.url, other_urls: [a.url, elsewhere.url] });
  Object.assign(written.attachments[0], { base_url: a.url, other_urls });
  writeFileSync(file, JSON.stringify(written), { mode: 0o600 });
  const sent = await cli(['send', 'room:general', 'from the turn'], { cwd: workspace });
  expect([sent.code, sent.stderr]).toEqual([0, '']);
  expect((await history(b)).slice(0, 4)).toEqual(['m1', 'm2', 'm3', 'm4']);
  expect(await history(b)).toHaveLength(5);
}, 60_000);
