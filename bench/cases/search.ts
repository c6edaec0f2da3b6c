/** (s) Search over 1 million messages while 500 per second are written, against a page of history under the same writes. */
import path from 'node:path';
import { seedMessages } from '../../test/support/store-seed.ts';
import { httpLoad, prepared } from '../lib/http-load.ts';
import { scratch, startMoltnet } from '../lib/process.ts';
import { alternate, median, quantile, round, type Row } from '../lib/stats.ts';

const MILLION = 1_000_000;
const PER_SECOND = 500;
/** A word of every message, a phrase, the beginning of a word, a word of one in a hundred of the new ones, filters. */
const QUERIES = [
  'q=parser',
  'q=%22flaky+test%22+memory',
  'q=pars*',
  'q=rare7',
  'q=build&conversation=room:general&from=seed',
  'q=index&since=2026-01-01&until=2026-01-02',
];

export async function search({ pairs, seconds }: { pairs: number; seconds: number }): Promise<Row[]> {
  const folder = scratch();
  try {
    await seedMessages(path.join(folder.path, 'moltnet.db'), {
      networkId: 'bench',
      rooms: ['general', 'other'],
      messages: MILLION,
    });
    const server = await startMoltnet(folder.path);
    const began = performance.now();
    while (
      ((await (await fetch(`${server.url}/v1/search?q=nothing`)).json()) as { unindexed?: number }).unindexed
    );
    const built = (performance.now() - began) / 1_000;

    const writer = writeAt(server.url);
    const ask = async (paths: readonly string[]): Promise<number> => {
      const latencies: number[] = [];
      for (const one of paths) {
        const load = await httpLoad(
          server.url,
          prepared(server.url, 'GET', one),
          1,
          seconds / paths.length,
          200,
        );
        if (load.failures > 0) throw new Error(`${load.failures} answers to ${one} were not 200`);
        latencies.push(...load.latencies);
      }
      return quantile(latencies, 0.95);
    };
    const page = () => ask(['/v1/rooms/general/messages?limit=100']);
    const found = () => ask(QUERIES.map((query) => `/v1/search?${query}`));
    const p95 = await alternate(pairs, page, found);
    const written = await writer.stop();
    await server.stop();
    const ratio = median(p95.b.map((took, i) => took / p95.a[i]!));
    return [
      {
        case: `(s) search in 1 million, ${Math.round(written)} written per second, p95`,
        ours: `${round(median(p95.b))} ms`,
        baseline: `${round(median(p95.a))} ms a page of 100`,
        ratio: round(ratio),
        aim: '<= 3',
        met: ratio <= 3 && written >= PER_SECOND * 0.9,
        cpu: `index built in ${round(built, 0)} s`,
      },
    ];
  } finally {
    folder.remove();
  }
}

/** Sends messages at a steady rate, whatever the answers take; the messages answered 202 per second at the end. */
function writeAt(url: string): { stop(): Promise<number> } {
  const began = performance.now();
  let sent = 0;
  let accepted = 0;
  const under: Set<Promise<void>> = new Set();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1_000) * PER_SECOND);
    while (sent < due) {
      const text = `the parser builds again, rare${++sent % 100}`;
      const one = post(url, text).then((status) => void (status === 202 && accepted++));
      under.add(one);
      void one.finally(() => under.delete(one));
    }
  }, 10);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(under);
      return accepted / ((performance.now() - began) / 1_000);
    },
  };
}

async function post(url: string, text: string): Promise<number> {
  const answer = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      target: { kind: 'room', room_id: 'general' },
      from: { type: 'human', id: 'writer' },
      parts: [{ kind: 'text', text }],
    }),
  });
  await answer.arrayBuffer();
  return answer.status;
}
