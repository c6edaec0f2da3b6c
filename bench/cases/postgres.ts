/**
 * (p) Postgres: durable POST against our own SQLite and with two servers, what a batch costs, and how long a message of
 * one server takes to a reader of another, against a bare LISTEN/NOTIFY on the same database.
 */
import pg from 'pg';
import { WebSocket } from 'ws';
import { ATTACH_PROTOCOL } from '../../src/protocol/network.ts';
import { startPostgres } from '../../test/support/postgres-server.ts';
import { httpLoad, prepared, type LoadResult } from '../lib/http-load.ts';
import { scratch, startMoltnet } from '../lib/process.ts';
import { alternate, median, quantile, round, type Row } from '../lib/stats.ts';

const CONNECTIONS = 64;
/** Messages a second, and how many, of the way from server to server. */
const PACE = 500;
const MESSAGES = 3_000;

const bodyOf = (text: string): string =>
  JSON.stringify({
    target: { kind: 'room', room_id: 'general' },
    from: { type: 'human', id: 'bench' },
    parts: [{ kind: 'text', text }],
  });
const body = bodyOf(
  'The build of the parser is green again; the flaky test was the clock. Next I look at the memory of the index.',
);

export async function postgres({ pairs, seconds }: { pairs: number; seconds: number }): Promise<Row[]> {
  const folder = scratch();
  const database = await startPostgres({ durable: true, settings: ['track_functions=pl'] });
  const sqlite = await startMoltnet(folder.path);
  const one = await startMoltnet(folder.path, database.dsn);
  const client = new pg.Client(database.dsn);
  await client.connect();
  const load = async (urls: readonly string[]): Promise<LoadResult[]> => {
    const results = await Promise.all(
      urls.map((url) =>
        httpLoad(url, prepared(url, 'POST', '/v1/messages', body), CONNECTIONS / urls.length, seconds, 202),
      ),
    );
    for (const { failures, requests } of results)
      if (failures > 0) throw new Error(`${failures} of ${requests} requests were not answered 202`);
    return results;
  };
  const rate = (results: readonly LoadResult[]): number =>
    results.reduce((sum, { perSecond }) => sum + perSecond, 0);
  const counted = async (): Promise<{ messages: number; commits: number; calls: number }> => {
    const { rows } = await client.query<Record<string, string>>(
      `SELECT (SELECT count(*) FROM messages) AS messages, (SELECT stamp FROM log_head) AS commits,
        (SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname LIKE 'moltnet_commit%') AS calls`,
    );
    const { messages, commits, calls } = rows[0]!;
    return { messages: Number(messages), commits: Number(commits), calls: Number(calls) };
  };
  try {
    await load([sqlite.url]);
    await load([one.url]);
    const before = await counted();
    const against = await alternate(
      pairs,
      () => load([sqlite.url]),
      () => load([one.url]),
    );
    // Functions are counted a moment after.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const after = await counted();
    const commits = after.commits - before.commits;
    const perCommit = (after.messages - before.messages) / commits;
    const trips = (after.calls - before.calls) / commits;
    const ratio = median(against.b.map((result, i) => rate(result) / rate(against.a[i]!)));

    const two = await startMoltnet(folder.path, database.dsn);
    await load([one.url, two.url]);
    const both = await alternate(
      pairs,
      () => load([one.url]),
      () => load([one.url, two.url]),
    );
    const bothRatio = median(both.b.map((result, i) => rate(result) / rate(both.a[i]!)));

    const pings = await notifyPings(database.dsn);
    const ways = await fromServerToServer(one.url, two.url);
    const p99 = quantile(ways, 0.99) / quantile(pings, 0.99);
    await two.stop();
    return [
      {
        case: `(p) Postgres: durable POST, ${CONNECTIONS} connections`,
        ours: `${Math.round(median(against.b.map(rate)))}/s`,
        baseline: `${Math.round(median(against.a.map(rate)))}/s our SQLite`,
        ratio: round(ratio),
        aim: '>= 0.7',
        met: ratio >= 0.7,
      },
      {
        case: '    messages per commit',
        ours: `${round(perCommit, 1)}, ${round(trips)} round trips each`,
        baseline: '',
        ratio: round(perCommit, 1),
        aim: '>= 8, <= 2 trips',
        met: perCommit >= 8 && trips <= 2,
      },
      {
        case: '    two servers against one, one room',
        ours: `${Math.round(median(both.b.map(rate)))}/s`,
        baseline: `${Math.round(median(both.a.map(rate)))}/s one server`,
        ratio: round(bothRatio),
        aim: '>= 0.9',
        met: bothRatio >= 0.9,
      },
      {
        case: `    POST here to EVENT there, ${PACE}/s`,
        ours: `p50 ${round(quantile(ways, 0.5))} ms, p99 ${round(quantile(ways, 0.99))} ms`,
        baseline: `p50 ${round(quantile(pings, 0.5))} ms, p99 ${round(quantile(pings, 0.99))} ms NOTIFY`,
        ratio: round(p99),
        aim: '<= 5',
        met: p99 <= 5,
      },
    ];
  } finally {
    await client.end();
    await one.stop();
    await sqlite.stop();
    await database.stop();
    folder.remove();
  }
}

/** Milliseconds from a NOTIFY to its coming at another connection, at the same pace. */
async function notifyPings(dsn: string): Promise<number[]> {
  const [from, to] = [new pg.Client(dsn), new pg.Client(dsn)];
  await Promise.all([from.connect(), to.connect()]);
  const times: number[] = [];
  const sent = new Map<string, number>();
  to.on('notification', ({ payload }) => times.push(performance.now() - sent.get(payload!)!));
  await to.query('LISTEN bench_ping');
  const asked: Promise<unknown>[] = [];
  await paced((i) => {
    sent.set(String(i), performance.now());
    asked.push(from.query('SELECT pg_notify($1, $2)', ['bench_ping', String(i)]));
  });
  // The notification of one may come before its answer.
  await Promise.all(asked);
  while (times.length < MESSAGES) await new Promise((resolve) => setTimeout(resolve, 5));
  await Promise.all([from.end(), to.end()]);
  return times;
}

/** Milliseconds from the answer of one server (it is committed) to the EVENT at another; 0 when that came first. */
async function fromServerToServer(from: string, to: string): Promise<number[]> {
  const arrived = new Map<number, number>();
  const answered = new Map<number, number>();
  const socket = new WebSocket(`${to.replace('http', 'ws')}/v1/attach`, { perMessageDeflate: false });
  const frame = (op: string, more: object): void =>
    socket.send(JSON.stringify({ op, version: ATTACH_PROTOCOL, capabilities: {}, ...more }));
  await new Promise<void>((resolve) =>
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      if (text.startsWith('{"op":"EVENT"')) {
        const number = /"text":"way (\d+)"/.exec(text)?.[1];
        if (number !== undefined) arrived.set(Number(number), performance.now());
        const at = text.indexOf('"cursor":"') + 10;
        frame('ACK', { cursor: text.slice(at, text.indexOf('"', at)) });
      } else if (text.startsWith('{"op":"PING"')) frame('PONG', {});
      else if (text.startsWith('{"op":"HELLO"'))
        frame('IDENTIFY', { network_id: 'bench', agent: { type: 'agent', id: 'reader' } });
      else if (text.startsWith('{"op":"READY"')) resolve();
    }),
  );
  const say = async (i: number): Promise<void> => {
    const response = await fetch(`${from}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: bodyOf(`way ${i}`),
    });
    answered.set(i, performance.now());
    await response.arrayBuffer();
  };
  await paced((i) => {
    void say(i);
  });
  while (arrived.size < MESSAGES || answered.size < MESSAGES)
    await new Promise((resolve) => setTimeout(resolve, 5));
  socket.terminate();
  return [...arrived].map(([i, at]) => Math.max(0, at - answered.get(i)!));
}

/** Calls it MESSAGES times, PACE times a second. */
async function paced(send: (i: number) => void): Promise<void> {
  const began = performance.now();
  for (let i = 0; i < MESSAGES;) {
    const due = Math.min(MESSAGES, Math.floor(((performance.now() - began) * PACE) / 1_000));
    for (; i < due; i++) send(i);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
