/** (c) Memory at rest, and per idle attachment. */
import { attachMany } from '../lib/attach-load.ts';
import { rssKb, scratch, startMoltnet } from '../lib/process.ts';
import { median, round, type Row } from '../lib/stats.ts';

const ATTACHMENTS = 2_000;

export async function memory({ pairs }: { pairs: number }): Promise<Row[]> {
  const rest: number[] = [];
  const each: number[] = [];
  for (let i = 0; i < Math.min(pairs, 3); i++) {
    const folder = scratch();
    const server = await startMoltnet(folder.path);
    const before = await restingKb(server.pid);
    const readers = await attachMany(server.url, 'bench', ATTACHMENTS);
    // Idle is after two heartbeats, when what the handshake left behind can have been collected.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    rest.push(before);
    each.push((rssKb(server.pid) - before) / ATTACHMENTS);
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
      case: `(c) memory per idle attachment, ${ATTACHMENTS} of them`,
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
