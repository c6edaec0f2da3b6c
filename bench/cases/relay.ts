/**
 * (r) messages of one conversation from the first POST here to the last one's arrival at a paired network: many at a time
 * against one at a time (as to a server of the original, which the peer is made to look like by a proxy between them).
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { freePort } from '../../test/support/process.ts';
import { getStatus, moltnetMain, scratch } from '../lib/process.ts';
import { alternate, median, round, type Row } from '../lib/stats.ts';

const MESSAGES = 300;
const TOKEN = 'bench-token-0123456789';
const OPERATOR = 'bench-operator-0123456789';

/** Leads to a port, and says of its server that it knows no version of relay but this. */
async function proxyTo(port: number, version: number): Promise<{ url: string; close(): void }> {
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
    near.pipe(far);
    far.on('data', (piece: Buffer) =>
      near.write(piece.toString('latin1').replace(/"relay":\d/, `"relay":${version}`), 'latin1'),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${own}`, close: () => server.close() };
}

async function start(folder: string, id: string, port: number, more: string): Promise<() => Promise<void>> {
  const config = path.join(folder, `Moltnet-${id}`);
  writeFileSync(
    config,
    `version: moltnet.v1
network: {id: ${id}}
server: {listen_addr: "127.0.0.1:${port}"}
storage: {kind: sqlite, sqlite: {path: ${path.join(folder, `${id}.db`)}}}
guard: {turns: off, hour_turns: off, pair_turns: off}
rates: {sends: off, pair: off, anonymous: off}
rooms: [{id: general, visibility: public, write_policy: registered_agents, federation: all}]
${more}`,
    { mode: 0o600 },
  );
  const child = spawn(process.execPath, [moltnetMain, 'start'], {
    cwd: folder,
    env: { ...process.env, MOLTNET_CONFIG: config },
    stdio: 'ignore',
  });
  while ((await getStatus(`http://127.0.0.1:${port}/readyz`).catch(() => 0)) !== 200)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return () =>
    new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
    });
}

const headers = { authorization: `Bearer ${OPERATOR}`, 'content-type': 'application/json' };

/** Messages a second. */
async function relayed(version: number): Promise<number> {
  const folder = scratch();
  const [portA, portB] = [await freePort(), await freePort()];
  const operator = `{id: operator, value: ${OPERATOR}, scopes: [observe, write, admin]}`;
  const proxy = await proxyTo(portB, version);
  const stops = [
    await start(
      folder.path,
      'net_b',
      portB,
      `auth: {mode: bearer, tokens: [${operator}, {id: net_a, value: ${TOKEN}, scopes: [pair]}]}
pairings: [{id: net_a, remote_network_id: net_a, remote_base_url: "http://127.0.0.1:9"}]`,
    ),
    await start(
      folder.path,
      'net_a',
      portA,
      `auth: {mode: bearer, tokens: [${operator}]}
pairings: [{id: net_b, remote_network_id: net_b, remote_base_url: "${proxy.url}", token: ${TOKEN}}]`,
    ),
  ];
  try {
    const say = async (n: number): Promise<void> => {
      const body = {
        from: { type: 'agent', id: 'alpha' },
        target: { kind: 'room', room_id: 'general' },
        parts: [{ kind: 'text', text: `message ${n}` }],
      };
      const answer = await fetch(`http://127.0.0.1:${portA}/v1/messages`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      if (answer.status !== 202) throw new Error(`${answer.status} ${await answer.text()}`);
      await answer.text();
    };
    const arrived = async (): Promise<number> => {
      const answer = await fetch(`http://127.0.0.1:${portB}/v1/rooms/general/messages?limit=500`, {
        headers,
      });
      return ((await answer.json()) as { messages: unknown[] }).messages.length;
    };
    const until = async (count: number): Promise<void> => {
      while ((await arrived()) < count) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await say(-1);
    await until(1);
    const began = performance.now();
    let next = 0;
    const speak = async (): Promise<void> => {
      while (next < MESSAGES) await say(next++);
    };
    await Promise.all(Array.from({ length: 16 }, speak));
    await until(MESSAGES + 1);
    return MESSAGES / ((performance.now() - began) / 1_000);
  } finally {
    for (const stop of stops) await stop();
    proxy.close();
    folder.remove();
  }
}

export async function relay({ pairs }: { pairs: number }): Promise<Row[]> {
  const { a, b } = await alternate(
    Math.min(pairs, 5),
    () => relayed(1),
    () => relayed(2),
  );
  const ratio = median(b.map((rate, i) => rate / a[i]!));
  return [
    {
      case: `(r) relay of ${MESSAGES} messages of one conversation, many at a time against one at a time`,
      ours: `${Math.round(median(b))} messages/s`,
      baseline: `${Math.round(median(a))} messages/s`,
      ratio: round(ratio),
      aim: '>= 3',
      met: ratio >= 3,
    },
  ];
}
