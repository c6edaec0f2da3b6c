/**
 * (c) Memory at rest, and per idle attachment: what 2,000 more cost a server that has 1,000. What it loads once for the
 * first ones (code, its caches, the heaps of its threads) is no attachment's, and is shown beside it.
 */
import { attachMany, type Attached } from '../lib/attach-load.ts';
import { rssKb, scratch, startMoltnet } from '../lib/process.ts';
import { median, round, type Row } from '../lib/stats.ts';

const FIRST = 1_000;
const MORE = 2_000;
/** Milliseconds. Idle is after two heartbeats, when what the handshake left behind can have been collected. */
const IDLE = 6_000;

export async function memory({ pairs }: { pairs: number }): Promise<Row[]> {
  const rest: number[] = [];
  const first: number[] = [];
  const each: number[] = [];
  for (let i = 0; i < Math.min(pairs, 3); i++) {
    const folder = scratch();
    const server = await startMoltnet(folder.path);
    const readers: Attached[] = [];
    const idle = async (more: number, prefix: string): Promise<number> => {
      readers.push(...(await attachMany(server.url, 'bench', more, prefix)));
      await new Promise((resolve) => setTimeout(resolve, IDLE));
      return rssKb(server.pid);
    };
    const before = await restingKb(server.pid);
    const some = await idle(FIRST, 'first');
    const all = await idle(MORE, 'more');
    rest.push(before);
    first.push(some - before);
    each.push((all - some) / MORE);
    for (const reader of readers) reader.close();
    await server.stop();
    folder.remove();
  }
  return [
    {
      case: '(c) memory at rest',
      ours: `${Math.round(median(rest) / 1_024)} MB`,
      baseline: '',
      ratio: round(median(rest) / 1_024, 0),
      aim: 'shown',
      met: true,
    },
    {
      case: `    the first ${FIRST} attachments, with what is loaded once`,
      ours: `${Math.round(median(first) / 1_024)} MB`,
      baseline: '',
      ratio: round(median(first) / 1_024, 0),
      aim: 'shown',
      met: true,
    },
    {
      case: `(c) memory per idle attachment, ${MORE} more of them`,
      ours: `${round(median(each), 1)} KB`,
      baseline: '',
      ratio: round(median(each), 1),
      aim: '<= 20',
      met: median(each) <= 20,
    },
  ];
}

/** Memory when all that a server starts by itself is there: the search thread comes a moment after the first event. */
async function restingKb(pid: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  return rssKb(pid);
}
