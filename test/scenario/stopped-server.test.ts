/** A server that stands still for longer than its leases last, as under SIGSTOP, on a machine that sleeps or swaps. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { Bindings } from '../../src/protocol/wake.ts';
import { AttachClient } from '../support/attach-client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { freePort, startServerProcess, type ServerProcess } from '../support/process.ts';
import { temporaryFolder } from '../support/server.ts';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

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
storage: { kind: postgres, postgres: { dsn: ${JSON.stringify(postgres.dsn)} } }
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
  const { default: pg } = await import('pg');
  const database = new pg.Client(postgres.dsn);
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
