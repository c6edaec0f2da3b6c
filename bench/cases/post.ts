/** (a) Durable POST /v1/messages against a bare node:http JSON echo of the same body. */
import { httpLoad, prepared, type LoadResult } from '../lib/http-load.ts';
import { cpuMs, scratch, startBaseline, startMoltnet } from '../lib/process.ts';
import { alternate, median, quantile, round, type Row } from '../lib/stats.ts';

const body = JSON.stringify({
  target: { kind: 'room', room_id: 'general' },
  from: { type: 'human', id: 'bench' },
  parts: [
    {
      kind: 'text',
      text: 'The build of the parser is green again; the flaky test was the clock. Next I look at the memory of the index.',
    },
  ],
});

export async function post({
  pairs,
  seconds,
  url,
}: {
  pairs: number;
  seconds: number;
  url?: string;
}): Promise<Row[]> {
  const folder = scratch();
  const echo = await startBaseline('echo.mjs');
  const ours = url ? { url, pid: 0, stop: async () => {} } : await startMoltnet(folder.path);
  const rows: Row[] = [];
  try {
    const run = async (
      target: { url: string; pid: number },
      connections: number,
    ): Promise<LoadResult & { cpuUs: number }> => {
      const before = cpuMs(target.pid);
      const result = await httpLoad(
        target.url,
        prepared(target.url, 'POST', '/v1/messages', body),
        connections,
        seconds,
        202,
      );
      if (result.failures > 0)
        throw new Error(`${result.failures} of ${result.requests} requests were not answered 202`);
      return { ...result, cpuUs: ((cpuMs(target.pid) - before) * 1_000) / result.requests };
    };
    for (const connections of [64, 1]) {
      await run(echo, connections);
      await run(ours, connections);
      const { a, b } = await alternate(
        pairs,
        () => run(echo, connections),
        () => run(ours, connections),
      );
      const ratio = median(b.map((result, i) => result.perSecond / a[i]!.perSecond));
      const p50 = median(b.map((result) => quantile(result.latencies, 0.5)));
      const p99 = median(b.map((result) => quantile(result.latencies, 0.99)));
      rows.push({
        case: `(a) durable POST, ${connections} connection${connections > 1 ? 's' : ''}`,
        ours: `${Math.round(median(b.map((r) => r.perSecond)))}/s`,
        baseline: `${Math.round(median(a.map((r) => r.perSecond)))}/s echo`,
        ratio: round(ratio),
        aim: connections === 64 ? '>= 0.4' : 'shown',
        met: connections === 64 ? ratio >= 0.4 : true,
        cpu: `${Math.round(median(b.map((r) => r.cpuUs)))} µs/request (echo ${Math.round(median(a.map((r) => r.cpuUs)))})`,
      });
      rows.push({
        case: `    p99 over p50, ${connections} connection${connections > 1 ? 's' : ''}`,
        ours: `p50 ${round(p50)} ms, p99 ${round(p99)} ms`,
        baseline: `p50 ${round(median(a.map((r) => quantile(r.latencies, 0.5))))} ms`,
        ratio: round(p99 / p50),
        aim: '<= 5',
        met: p99 / p50 <= 5,
      });
    }
    return rows;
  } finally {
    await ours.stop();
    await echo.stop();
    folder.remove();
  }
}
