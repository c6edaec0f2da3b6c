/**
 * How smooth the timeline is: a room of many messages is scrolled from its end to its start and back in a real
 * browser, while more arrive, under a trace of the main thread. It prints what was found and exits with 1 when a
 * task took over 100 ms of the thread's own time, the page grew over 3,000 elements, or the reader was thrown.
 *
 *   node console/tools/scroll-trace.ts [messages=100000] [per second=50] [follow seconds=60]
 *
 * After `npm run build`. A machine with other work shows tasks that waited for a processor: `wall` counts that
 * waiting, `cpu` does not. What is judged is `cpu`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLog } from '../../src/server/log.ts';
import { startServer } from '../../src/server/server.ts';
import { launchBrowser } from '../../test/support/browser.ts';
import { seedMessages } from '../../test/support/store-seed.ts';
import { testConfig } from '../../test/support/server.ts';

const [messages = 100_000, perSecond = 50, followSeconds = 60] = process.argv.slice(2).map(Number);
const LIMIT_MS = 100;

const room = { id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' };
const off = { turns: 'off', hour_turns: 'off', pair_turns: 'off' };
const folder = mkdtempSync(path.join(tmpdir(), 'moltnet-scroll-'));
const file = path.join(folder, 'moltnet.db');
console.log(`writing ${messages.toLocaleString()} messages…`);
const FIRST = Date.UTC(2026, 0, 1);
await seedMessages(file, {
  networkId: 'local',
  rooms: ['general'],
  messages,
  text: textOf,
  sender: (n) => `agent-${Math.floor(n / 3) % 8}`,
  from: FIRST,
});
const server = await startServer(
  testConfig({
    rooms: [room],
    guard: off,
    storage: { kind: 'sqlite', sqlite: { path: file } },
  } as Parameters<typeof testConfig>[0]),
  { log: createLog('silent'), version: 'bench' },
);
const post = async (n: number) => {
  const response = await fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      id: `n${n}`,
      target: { kind: 'room', room_id: 'general' },
      from: { type: 'agent', id: `agent-${Math.floor(n / 3) % 8}` },
      parts: [{ kind: 'text', text: textOf(n) }],
    }),
  });
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  await response.arrayBuffer();
};
function textOf(n: number): string {
  const WORDS =
    'the writer takes all that wait in order and decides each by a pure rule so two claims of one name cannot both win'.split(
      ' ',
    );
  const words = Array.from({ length: 3 + ((n * 7) % 60) }, (_, word) => WORDS[(n + word) % WORDS.length]);
  return `**${n}** ${words.join(' ')}.${n % 17 === 0 ? '\n\n```ts\nawait commit(batch);\nfor (const command of batch) command.resolve();\n```' : ''}${n % 23 === 0 ? '\n\n- one\n- two `three`' : ''}`;
}

let sent = messages;
const browser = await launchBrowser();
const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
const cdp = await page.context().newCDPSession(page);
await page.goto(`${server.url}/console/rooms/general`);
await page.locator('[role=article]').first().waitFor();
await cdp.send('Performance.enable');

const arriving = setInterval(() => void post(sent++).catch(() => {}), 1_000 / perSecond);

interface Task {
  ms: number;
  cpu: number;
  what: string;
}
interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  tdur?: number;
  args?: { name?: string };
}
/** Runs `work` under a trace; resolves with the tasks of the page's main thread, the longest first. */
async function traced(work: () => Promise<void>): Promise<Task[]> {
  const events: TraceEvent[] = [];
  const collect = ({ value }: { value: unknown[] }) => void events.push(...(value as TraceEvent[]));
  cdp.on('Tracing.dataCollected', collect);
  await cdp.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: {
      recordMode: 'recordAsMuchAsPossible',
      includedCategories: ['toplevel', 'disabled-by-default-devtools.timeline', 'devtools.timeline'],
      excludedCategories: ['*'],
    },
  });
  await work();
  const done = new Promise<void>((resolve) => cdp.once('Tracing.tracingComplete', () => resolve()));
  await cdp.send('Tracing.end');
  await done;
  cdp.off('Tracing.dataCollected', collect);
  const mains = new Set(
    events
      .filter((event) => event.name === 'thread_name' && event.args?.name === 'CrRendererMain')
      .map((event) => `${event.pid} ${event.tid}`),
  );
  const main = events.filter((event) => event.ph === 'X' && mains.has(`${event.pid} ${event.tid}`));
  const within = (task: TraceEvent) =>
    main
      .filter(
        (event) =>
          event !== task &&
          !event.name.includes('RunTask') &&
          event.ts >= task.ts &&
          event.ts + (event.dur ?? 0) <= task.ts + task.dur!,
      )
      .sort((a, b) => (b.dur ?? 0) - (a.dur ?? 0))
      .slice(0, 4)
      .map((event) => `${event.name} ${Math.round((event.dur ?? 0) / 1_000)}`)
      .join(', ');
  return main
    .filter((event) => event.name.endsWith('RunTask') && (event.dur ?? 0) > 30_000)
    .sort((a, b) => b.dur! - a.dur!)
    .map((event) => ({
      ms: event.dur! / 1_000,
      cpu: (event.tdur ?? event.dur!) / 1_000,
      what: event.dur! > 80_000 ? within(event) : '',
    }));
}

let mostElements = 0;
let thrown = 0;
let steps = 0;
/** One screenful after the other until `until` says so; notes where the reader is. */
async function scroll(pixels: number, until: string): Promise<void> {
  let last: number | undefined;
  for (;;) {
    const [place, elements, done] = await page.evaluate<[number, number, boolean]>(`new Promise((resolve) => {
      const feed = document.querySelector('[role=feed]');
      feed.scrollBy(0, ${pixels});
      requestAnimationFrame(() => requestAnimationFrame(() => {
        const top = feed.getBoundingClientRect().top;
        const row = [...feed.querySelectorAll('[id^="m-"]')].find((each) => each.getBoundingClientRect().top >= top);
        const at = row ? Date.parse(row.querySelector('time').dateTime) - ${FIRST} : -1;
        // A message was written each millisecond; those that arrive meanwhile are of today.
        resolve([at < ${messages} + 10 ? at : -1, document.getElementsByTagName('*').length, ${until}]);
      }));
    })`);
    mostElements = Math.max(mostElements, elements);
    steps++;
    if (place >= 0 && last !== undefined && Math.abs(place - last) > 200) thrown++;
    if (place >= 0) last = place;
    if (done) return;
  }
}
const heap = async () => {
  await cdp.send('HeapProfiler.collectGarbage');
  const { metrics } = await cdp.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'JSHeapUsedSize')!.value / 1e6;
};

const before = await heap();
const followed = await traced(() => page.waitForTimeout(5_000));
const up = await traced(() => scroll(-4_000, `document.body.innerText.includes('This is the beginning of')`));
const atStart = await heap();
const down = await traced(() =>
  // The end runs away from the reader; once there the window follows.
  scroll(4_000, `!document.querySelector('[title="Go to the newest message"]')`),
);
const back = await heap();
const following = await traced(() => page.waitForTimeout(Math.min(followSeconds, 30) * 1_000));
await page.waitForTimeout(Math.max(0, followSeconds - 30) * 1_000);
const later = await heap();
clearInterval(arriving);

const tell = (name: string, tasks: Task[]) => {
  const over = (of: (task: Task) => number) => tasks.filter((task) => of(task) > LIMIT_MS).length;
  const most = (of: (task: Task) => number) => Math.round(Math.max(0, ...tasks.map(of)));
  console.log(
    `${name.padEnd(24)} longest task ${most((t) => t.ms)} ms wall, ${most((t) => t.cpu)} ms cpu; over ${LIMIT_MS} ms: ${over((t) => t.ms)} wall, ${over((t) => t.cpu)} cpu`,
  );
  for (const task of tasks.slice(0, 3))
    if (task.what) console.log(`  ${Math.round(task.ms)} (${Math.round(task.cpu)} cpu): ${task.what}`);
  return over((t) => t.cpu);
};
console.log(
  `${messages.toLocaleString()} messages, ${perSecond} a second arriving, ${steps} steps of 4,000 px`,
);
const bad =
  tell('following', followed) +
  tell('to the start', up) +
  tell('back to the end', down) +
  tell('following', following);
console.log(`most elements in the page  ${mostElements} (3,000 at most)`);
console.log(`thrown over 200 messages   ${thrown} times`);
console.log(
  `heap after collection      ${before.toFixed(1)} MB at first, ${atStart.toFixed(1)} at the start, ${back.toFixed(1)} back, ${later.toFixed(1)} after ${followSeconds} s of following`,
);
await browser.close();
await server.stop();
rmSync(folder, { recursive: true, force: true });
process.exit(bad > 0 || mostElements >= 3_000 || thrown > 0 ? 1 : 0);
