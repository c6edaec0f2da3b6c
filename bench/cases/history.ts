/** (d) A page of 100 in a room of 10 thousand and of 1 million messages; (e) start-up on 1 million events. */
import path from 'node:path';
import { seedMessages } from '../../test/support/store-seed.ts';
import { httpLoad, prepared } from '../lib/http-load.ts';
import { scratch, startMoltnet } from '../lib/process.ts';
import { alternate, median, quantile, round, type Row } from '../lib/stats.ts';

const MILLION = 1_000_000;

export async function history({ pairs, seconds }: { pairs: number; seconds: number }): Promise<Row[]> {
  const small = scratch();
  const large = scratch();
  const empty = scratch();
  try {
    await seedMessages(path.join(small.path, 'moltnet.db'), {
      networkId: 'bench',
      rooms: ['general'],
      messages: 10_000,
    });
    await seedMessages(path.join(large.path, 'moltnet.db'), {
      networkId: 'bench',
      rooms: ['general'],
      messages: MILLION,
    });
    await (await startMoltnet(empty.path)).stop();

    const start = async (folder: string): Promise<number> => {
      const began = performance.now();
      const server = await startMoltnet(folder);
      const took = performance.now() - began;
      await server.stop();
      return took;
    };
    const starts = await alternate(
      pairs,
      () => start(empty.path),
      () => start(large.path),
    );
    const more = median(starts.b.map((took, i) => took - starts.a[i]!));

    const few = await startMoltnet(small.path);
    const many = await startMoltnet(large.path);
    const page = async (url: string): Promise<number> => {
      const load = await httpLoad(
        url,
        prepared(url, 'GET', '/v1/rooms/general/messages?limit=100'),
        1,
        seconds / 2,
        200,
      );
      if (load.failures > 0) throw new Error(`${load.failures} pages were not answered 200`);
      return quantile(load.latencies, 0.5);
    };
    await page(few.url);
    await page(many.url);
    const pages = await alternate(
      pairs,
      () => page(few.url),
      () => page(many.url),
    );
    await few.stop();
    await many.stop();
    const ratio = median(pages.b.map((took, i) => took / pages.a[i]!));
    return [
      {
        case: '(d) page of 100: 1 million against 10 thousand',
        ours: `${round(median(pages.b))} ms`,
        baseline: `${round(median(pages.a))} ms`,
        ratio: round(ratio),
        aim: '<= 1.5',
        met: ratio <= 1.5,
      },
      {
        case: '(e) start-up: 1 million events against none',
        ours: `${Math.round(median(starts.b))} ms`,
        baseline: `${Math.round(median(starts.a))} ms`,
        ratio: round(more / 1_000),
        aim: '<= 1 s more',
        met: more <= 1_000,
      },
    ];
  } finally {
    for (const folder of [small, large, empty]) folder.remove();
  }
}
