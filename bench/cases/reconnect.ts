/**
 * (i) 1,000 agents that come back at once after a restart of the server, each with 100 missed messages in 3 rooms, while
 * others send: how long until all have them, what it costs in memory, whether anybody starves, and what senders notice.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client } from '../../src/client/http.ts';
import type { Reconnect, Reconnected } from '../lib/reconnecting.ts';
import { peakRssKb, rssKb, scratch, startMoltnet } from '../lib/process.ts';
import { median, quantile, round, type Row } from '../lib/stats.ts';

const AGENTS = 1_000;
const MISSED = 100;
const ROOMS = ['planning', 'reviews', 'reports'];
const SENDERS = 4;
const EVERY_MS = 5;

const say = (client: Client, room_id: string, text: string): Promise<unknown> =>
  client.send({
    target: { kind: 'room', room_id },
    from: { type: 'human', id: 'bench' },
    parts: [{ kind: 'text', text }],
  });

/** Latencies in ms of people who write in a room of their own, one after the other, until told to stop. */
function senders(url: string): { stop(): Promise<number[]> } {
  const latencies: number[] = [];
  const stop = new AbortController();
  const all = Array.from({ length: SENDERS }, async () => {
    const client = createClient({ baseUrl: url, keepAlive: true, timeoutMs: 60_000 });
    await say(client, 'general', 'hello');
    while (!stop.signal.aborted) {
      const began = performance.now();
      await say(client, 'general', 'hello');
      latencies.push(performance.now() - began);
      await sleep(EVERY_MS);
    }
    client.close();
  });
  return {
    stop: async () => {
      stop.abort();
      await Promise.all(all);
      return latencies;
    },
  };
}

interface Round {
  had: number[];
  ended: number[];
  quiet: number[];
  during: number[];
  restKb: number;
  peakKb: number;
}

async function onceMore(): Promise<Round> {
  const folder = scratch();
  const nodes = fork(fileURLToPath(new URL('../lib/reconnecting.ts', import.meta.url)), { execArgv: [] });
  let server = await startMoltnet(folder.path);
  const reconnect = async (missed: number): Promise<Reconnected> => {
    nodes.send({
      url: server.url,
      network: 'bench',
      agents: AGENTS,
      rooms: ROOMS,
      missed,
    } satisfies Reconnect);
    return ((await once(nodes, 'message')) as [Reconnected])[0];
  };
  try {
    let client = createClient({ baseUrl: server.url, keepAlive: true });
    for (const id of ROOMS) await client.createRoom({ id, visibility: 'public' });
    await reconnect(0);
    // The senders' quiet is that of a server with as many agents.
    await sleep(1_000);
    let writing = senders(server.url);
    await sleep(3_000);
    const quiet = await writing.stop();
    client.close();
    // They are away: nobody is attached while the messages come in.
    nodes.send({ url: server.url, network: 'bench', agents: 0, rooms: [], missed: 0 } satisfies Reconnect);
    await once(nodes, 'message');
    client = createClient({ baseUrl: server.url, keepAlive: true });
    for (let i = 0; i < MISSED; i++)
      await say(client, ROOMS[i % ROOMS.length]!, `missed ${i} ${'x'.repeat(200)}`);
    client.close();
    await server.stop();
    server = await startMoltnet(folder.path);
    writing = senders(server.url);
    await sleep(1_000);
    const restKb = rssKb(server.pid);
    const back = await reconnect(MISSED);
    const during = await writing.stop();
    return { ...back, quiet, during, restKb, peakKb: peakRssKb(server.pid) };
  } finally {
    nodes.kill();
    await server.stop();
    folder.remove();
  }
}

export async function reconnect({ pairs }: { pairs: number }): Promise<Row[]> {
  const rounds: Round[] = [];
  for (let i = 0; i < Math.min(pairs, 3); i++) rounds.push(await onceMore());
  const of = (what: (round: Round) => number): number => median(rounds.map(what));
  const starved = of(({ had }) => Math.max(...had) / median(had));
  const p99 = of(({ during, quiet }) => quantile(during, 0.99) / quantile(quiet, 0.99));
  const ms = (value: number): string => `${round(value, value < 10 ? 1 : 0)} ms`;
  const mb = (kb: number): string => `${Math.round(kb / 1_024)} MB`;
  return [
    {
      case: `(i) ${AGENTS} agents back at once, ${MISSED} missed each: all have them`,
      ours: ms(of(({ had }) => Math.max(...had))),
      baseline: `${ms(of(({ had }) => median(had)))} the median one`,
      ratio: round(starved),
      aim: '<= 3',
      met: starved <= 3,
    },
    {
      case: '    all their turns are over',
      ours: ms(of(({ ended }) => Math.max(...ended))),
      baseline: '',
      ratio: round(of(({ ended }) => Math.max(...ended)) / 1_000),
      aim: 'shown',
      met: true,
    },
    {
      case: "    senders' p99 meanwhile",
      ours: ms(of(({ during }) => quantile(during, 0.99))),
      baseline: `${ms(of(({ quiet }) => quantile(quiet, 0.99)))} quiet`,
      ratio: round(p99),
      aim: '<= 2',
      met: p99 <= 2,
    },
    {
      case: '    memory of the server, at most',
      ours: mb(of(({ peakKb }) => peakKb)),
      baseline: `${mb(of(({ restKb }) => restKb))} before`,
      ratio: round(of(({ peakKb, restKb }) => (peakKb - restKb) / AGENTS)),
      aim: '<= 200 KB per agent',
      met: of(({ peakKb, restKb }) => (peakKb - restKb) / AGENTS) <= 200,
    },
  ];
}
