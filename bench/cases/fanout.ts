/** (b) One room to 100 and 1,000 attachments against a bare `ws` loop. */
import { attachMany, type Attached } from '../lib/attach-load.ts';
import { httpLoad, prepared } from '../lib/http-load.ts';
import { cpuMs, scratch, startBaseline, startMoltnet, type Measured } from '../lib/process.ts';
import { alternate, median, round, type Row } from '../lib/stats.ts';

const body = JSON.stringify({
  target: { kind: 'room', room_id: 'general' },
  from: { type: 'human', id: 'bench' },
  parts: [{ kind: 'text', text: 'The build of the parser is green again; the flaky test was the clock.' }],
});

/** Deliveries per second while messages are posted over 4 connections until each reader has `messages` of them. */
async function deliveries(
  target: Measured,
  readers: Attached[],
  seconds: number,
): Promise<{ perSecond: number; cpuUs: number }> {
  for (const reader of readers) reader.reset();
  const cpu = cpuMs(target.pid);
  const began = performance.now();
  const load = await httpLoad(
    target.url,
    prepared(target.url, 'POST', '/v1/messages', body),
    4,
    seconds,
    202,
  );
  await Promise.all(readers.map((reader) => reader.until(load.requests)));
  const took = (performance.now() - began) / 1_000;
  const total = load.requests * readers.length;
  return { perSecond: total / took, cpuUs: ((cpuMs(target.pid) - cpu) * 1_000) / total };
}

export async function fanout({
  pairs,
  seconds,
  url,
}: {
  pairs: number;
  seconds: number;
  url?: string;
}): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of [100, 1_000]) {
    const folder = scratch();
    const bare = await startBaseline('fanout.mjs');
    const ours = url ? { url, pid: 0, stop: async () => {} } : await startMoltnet(folder.path);
    const bareReaders = await attachMany(bare.url, 'bench', count);
    const ourReaders = await attachMany(ours.url, 'bench', count);
    try {
      await deliveries(bare, bareReaders, seconds);
      await deliveries(ours, ourReaders, seconds);
      const { a, b } = await alternate(
        pairs,
        () => deliveries(bare, bareReaders, seconds),
        () => deliveries(ours, ourReaders, seconds),
      );
      const ratio = median(b.map((result, i) => result.perSecond / a[i]!.perSecond));
      rows.push({
        case: `(b) fan-out to ${count} attachments`,
        ours: `${Math.round(median(b.map((r) => r.perSecond)))} deliveries/s`,
        baseline: `${Math.round(median(a.map((r) => r.perSecond)))} deliveries/s bare ws`,
        ratio: round(ratio),
        aim: '>= 0.8',
        met: ratio >= 0.8,
        cpu: `${round(median(b.map((r) => r.cpuUs)))} µs/delivery (bare ${round(median(a.map((r) => r.cpuUs)))})`,
      });
    } finally {
      for (const reader of [...bareReaders, ...ourReaders]) reader.close();
      await ours.stop();
      await bare.stop();
      folder.remove();
    }
  }
  return rows;
}
