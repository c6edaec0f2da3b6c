/**
 * (i) 1,000 agents that come back at once after a restart of the server, each with 100 missed messages in 3 rooms, while
 * others send: how long until all have them, what it costs in memory, whether anybody starves, and what senders notice.
 *
 * It is the server that is measured. The agents are a process of the lowest priority, because in life they run on
 * other machines and take no core from it; the senders are a process that does nothing else, and what that one was late
 * by itself stands beside what it saw. Of the senders only what was sent while agents came back counts.
 */
import { fork, spawnSync, type ChildProcess, type ForkOptions } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client } from '../../src/client/http.ts';
import type { Reconnect, Reconnected } from '../lib/reconnecting.ts';
import { peakRssKb, rssKb, scratch, startMoltnet } from '../lib/process.ts';
import type { Write, Written } from '../lib/writing.ts';
import { median, quantile, round, type Row } from '../lib/stats.ts';

const AGENTS = 1_000;
const MISSED = 100;
const ROOMS = ['planning', 'reviews', 'reports'];
const SENDERS = 4;
const EVERY_MS = 5;
const WARM_MS = 1_000;
const QUIET_MS = 3_000;

const say = (client: Client, room_id: string, text: string): Promise<unknown> =>
  client.send({
    target: { kind: 'room', room_id },
    from: { type: 'human', id: 'bench' },
    parts: [{ kind: 'text', text }],
  });

const forked = (script: string, options: ForkOptions): ChildProcess =>
  fork(fileURLToPath(new URL(`../lib/${script}`, import.meta.url)), options);

/** Runs when nothing else wants to: every thread of it, from the start. Where there is no such program, like the others. */
const IDLE = spawnSync('chrt', ['--idle', '0', 'true']).status === 0;
const idle = (): ForkOptions =>
  IDLE ? { execPath: 'chrt', execArgv: ['--idle', '0', process.execPath] } : { execArgv: [] };

/** The process's next message; rejects when it ends instead. */
async function answerOf<T>(child: ChildProcess): Promise<T> {
  const ended = new AbortController();
  const { signal } = ended;
  const end = once(child, 'exit', { signal }).then(() =>
    Promise.reject(new Error('a process of the bench ended')),
  );
  try {
    const [answer] = (await Promise.race([once(child, 'message', { signal }), end])) as [T];
    return answer;
  } finally {
    end.catch(() => {});
    ended.abort();
  }
}

interface Round extends Reconnected {
  /** Milliseconds that a message took, and those by which the senders' own process was late. */
  quiet: number[];
  during: number[];
  late: number[];
  restKb: number;
  peakKb: number;
}

async function onceMore(): Promise<Round> {
  const folder = scratch();
  const nodes = forked('reconnecting.ts', idle());
  const people = forked('writing.ts', { execArgv: [] });
  let server = await startMoltnet(folder.path);
  const attached = (agents: number, missed: number): Promise<Reconnected> => {
    nodes.send({ url: server.url, network: 'bench', agents, rooms: ROOMS, missed } satisfies Reconnect);
    return answerOf(nodes);
  };
  const begin = (): void =>
    void people.send({
      url: server.url,
      room_id: 'general',
      writers: SENDERS,
      every: EVERY_MS,
    } satisfies Write);
  const stop = (): Promise<Written> => {
    people.send('stop');
    return answerOf(people);
  };
  try {
    let client = createClient({ baseUrl: server.url, keepAlive: true });
    for (const id of ROOMS) await client.createRoom({ id, visibility: 'public' });
    await attached(AGENTS, 0);
    // The senders' quiet is that of a server with as many agents, and of a second as warm.
    begin();
    const settled = Number(process.hrtime.bigint()) / 1e6 + WARM_MS;
    await sleep(WARM_MS + QUIET_MS);
    const quiet = await stop();
    client.close();
    // They are away: nobody is attached while the messages come in.
    await attached(0, 0);
    client = createClient({ baseUrl: server.url, keepAlive: true });
    for (let i = 0; i < MISSED; i++)
      await say(client, ROOMS[i % ROOMS.length]!, `missed ${i} ${'x'.repeat(200)}`);
    client.close();
    await server.stop();
    server = await startMoltnet(folder.path);
    begin();
    await sleep(WARM_MS);
    const restKb = rssKb(server.pid);
    const back = await attached(AGENTS, MISSED);
    const peakKb = peakRssKb(server.pid);
    const writing = await stop();
    const until = back.began + Math.max(...back.ended);
    const meanwhile = (of: Written['sent']): number[] =>
      of.filter(({ at, took }) => at + took >= back.began && at <= until).map(({ took }) => took);
    return {
      ...back,
      quiet: quiet.sent.filter(({ at }) => at >= settled).map(({ took }) => took),
      during: meanwhile(writing.sent),
      late: meanwhile(writing.late),
      restKb,
      peakKb,
    };
  } finally {
    nodes.kill();
    people.kill();
    await server.stop();
    folder.remove();
  }
}

export async function reconnect({ pairs }: { pairs: number }): Promise<Row[]> {
  const rounds: Round[] = [];
  for (let i = 0; i < pairs; i++) rounds.push(await onceMore());
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
      case: "    of it the senders' own lateness, p99",
      ours: ms(of(({ late }) => quantile(late, 0.99))),
      baseline: `p50 ${ms(of(({ during }) => quantile(during, 0.5)))} sent, ${ms(of(({ quiet }) => quantile(quiet, 0.5)))} quiet`,
      ratio: round(of(({ late, during }) => quantile(late, 0.99) / quantile(during, 0.99))),
      aim: 'shown',
      met: true,
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
