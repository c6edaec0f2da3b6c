/**
 * `npm run bench [-- --only a,b --pairs 7 --seconds 2 --url http://host:port --json file]`
 *
 * Ours and a baseline in turn, in one run on one machine; medians of the pairs' ratios, as a table and as JSON. With --url
 * the same load of (a) and (b) goes to another server that speaks the wire.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { catchUp } from './cases/catch-up.ts';
import { fanout } from './cases/fanout.ts';
import { history } from './cases/history.ts';
import { memory } from './cases/memory.ts';
import { post } from './cases/post.ts';
import { postgres } from './cases/postgres.ts';
import { reconnect } from './cases/reconnect.ts';
import { relay } from './cases/relay.ts';
import { search } from './cases/search.ts';
import { send } from './cases/send.ts';
import { wake } from './cases/wake.ts';
import { transfer } from './cases/transfer.ts';
import type { Row } from './lib/stats.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    pairs: { type: 'string' },
    seconds: { type: 'string' },
    url: { type: 'string' },
    json: { type: 'string' },
  },
});
const options = { pairs: Number(values.pairs ?? 7), seconds: Number(values.seconds ?? 2), url: values.url };
const cases: Record<string, (options: { pairs: number; seconds: number; url?: string }) => Promise<Row[]>> = {
  a: post,
  b: fanout,
  c: memory,
  d: history,
  f: catchUp,
  g: send,
  h: wake,
  i: reconnect,
  p: postgres,
  r: relay,
  s: search,
};
/** Those that take many minutes: only when they are named. */
const long: typeof cases = { t: transfer };
const only = values.only?.split(',') ?? (values.url ? ['a', 'b'] : Object.keys(cases));

const rows: Row[] = [];
for (const name of only) {
  const run = cases[name === 'e' ? 'd' : name] ?? long[name];
  if (!run) throw new Error(`no case ${name}; there are ${Object.keys({ ...cases, ...long }).join(', ')}`);
  console.error(`running (${name}) …`);
  rows.push(...(await run(options)));
}

const cells = rows.map((row) => [
  row.case,
  row.ours,
  row.baseline,
  String(row.ratio),
  row.aim,
  row.met ? 'yes' : 'NO',
  row.cpu ?? '',
]);
const head = ['case', 'ours', 'baseline', 'ratio', 'aim', 'met', 'server CPU'];
const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)));
const line = (row: string[]): string => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
console.log([line(head), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n'));
const result = { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model, ...options, rows };
if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
else console.log(JSON.stringify(result));
process.exit(rows.every((row) => row.met) ? 0 : 1);
