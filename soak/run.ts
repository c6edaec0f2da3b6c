/**
 * `npm run soak [-- --minutes 60 --seed abc --steps 120 --servers 2 --folder /somewhere --out file]`
 *
 * The chaos run of test/scenario/chaos.test.ts for as long as wanted, on one database that grows: rounds of a storm and
 * its settling, everything that was ever said looked through after each. A line for each round, a table at the end; the
 * exit code is 0 when nothing was broken. The folder is kept when something was. With `--servers` they share a Postgres,
 * which is killed and stopped for seconds as well, and whose data are kept with the folder, as `postgres`.
 *
 * A settling is mostly the turns of one agent, one after the other: the line says of the one that was in turns the longest
 * for how long, and how long it waited between tries. `kept waiting` is the longest that any agent had something open, was
 * in no turn and waited for no try: that is the servers' and the nodes' time, about the life of a lease at most.
 */
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { check } from '../test/support/chaos/check.ts';
import { startChaos } from '../test/support/chaos/run.ts';
import { postgresWorld } from '../test/support/chaos/postgres-world.ts';
import { sqliteWorld } from '../test/support/chaos/world.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: randomUUID().slice(0, 8) },
    steps: { type: 'string', default: '120' },
    servers: { type: 'string' },
    folder: { type: 'string' },
    out: { type: 'string' },
  },
});
const { seed } = values;
const folder = values.folder ?? mkdtempSync(path.join(tmpdir(), 'moltnet-soak-'));
if (values.out !== undefined) writeFileSync(values.out, '');
const say = (line: string): void => {
  console.log(line);
  if (values.out !== undefined) appendFileSync(values.out, `${line}\n`);
};

const began = Date.now();
const minutes = (): string => ((Date.now() - began) / 60_000).toFixed(1).padStart(5);
const postgres =
  values.servers === undefined ? undefined : await postgresWorld(folder, Number(values.servers), seed);
const world = postgres?.world ?? (await sqliteWorld(folder));
say(
  `soak of ${values.minutes} minutes on ${world.kind}, seed ${seed}, Node ${process.version}, ${new Date().toISOString()}`,
);
const chaos = await startChaos({ world, folder, seed });
// Told to end it ends with its round; told twice, at once.
const told = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (told.signal.aborted) void chaos.close().finally(() => process.exit(130));
    told.abort();
  });

const MB = 1_048_576;
/** Resident memory of the servers together; NaN where there is no /proc. */
const rss = (): number =>
  world.servers.reduce((sum, { pid }) => {
    try {
      return sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;
    } catch {
      return Number.NaN;
    }
  }, 0);
const database = (): number =>
  readdirSync(folder)
    .filter((name) => name.startsWith('moltnet.db'))
    .reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);

let wrong: string[] = [];
let rounds = 0;
let messages = 0;
let slowest = 0;
let idlest = 0;
let peak = 0;
try {
  do {
    await Promise.all([chaos.storm(Number(values.steps)), postgres?.trouble(Number(values.steps) / 15)]);
    const settling = performance.now();
    const record = await chaos.settle(300_000);
    const settled = (performance.now() - settling) / 1_000;
    wrong = check(record);
    rounds++;
    slowest = Math.max(slowest, settled);
    peak = Math.max(peak, rss());
    messages = [...record.conversations.values()].reduce((sum, each) => sum + each.messages.length, 0);
    const { accepted, turns, retries, kills, frozen, pauses } = chaos.counts();
    const { busiest, idle } = chaos.spent();
    idlest = Math.max(idlest, idle.longest);
    say(
      `${minutes()} min  round ${rounds}: ${messages} messages in ${record.conversations.size} conversations (${accepted} of people), ${turns} turns, ${retries} retries; killed ${kills.server} servers, ${kills.node} nodes, ${kills.runtime} runtimes, ${frozen} frozen, ${pauses} pauses; settled in ${settled.toFixed(1)} s (${busiest.agent} in turns ${busiest.turns.toFixed(1)} s, between tries ${busiest.backoff.toFixed(1)} s; kept waiting ${idle.longest.toFixed(1)} s at most); server ${(rss() / MB).toFixed(0)} MB, database ${(database() / MB).toFixed(1)} MB; ${wrong.length} violations`,
    );
  } while (
    wrong.length === 0 &&
    !told.signal.aborted &&
    Date.now() - began < Number(values.minutes) * 60_000
  );
} catch (error) {
  wrong.push(error instanceof Error ? error.message : String(error));
}
for (const line of wrong.slice(0, 100)) say(`VIOLATION ${line}`);
const { accepted, unknown, said, turns, retries, kills, frozen, pauses } = chaos.counts();
const table: [string, string | number][] = [
  ['minutes', minutes().trim()],
  ['rounds', rounds],
  ['messages in history', messages],
  ['accepted of people', accepted],
  ['not known to their sender', unknown],
  ['said by agents', said],
  ['turns', turns],
  ['turns run again', retries],
  ['servers killed', kills.server],
  ['nodes killed', kills.node],
  ['runtimes killed', kills.runtime],
  ['processes frozen', frozen],
  ['pauses', pauses],
  ['slowest settling', `${slowest.toFixed(1)} s`],
  ['kept waiting at most', `${idlest.toFixed(1)} s`],
  ['server memory at most', `${(peak / MB).toFixed(0)} MB`],
  ...(postgres ? [['Postgres killed or stopped', postgres.troubles()] as [string, number]] : []),
  ['violations', wrong.length],
];
say('');
for (const [name, value] of table) say(`| ${name.padEnd(26)} | ${String(value).padStart(10)} |`);
await chaos.close();
await postgres?.stop(wrong.length > 0 ? path.join(folder, 'postgres') : undefined);
if (wrong.length > 0) say(`kept: ${folder}`);
else if (values.folder === undefined) rmSync(folder, { recursive: true, force: true });
process.exit(wrong.length === 0 ? 0 : 1);
