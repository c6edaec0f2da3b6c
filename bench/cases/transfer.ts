/** (t) Export and import of 1 million messages between SQLite and Postgres, both ways: contents compared, memory of each process. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { startPostgres } from '../../test/support/postgres-server.ts';
import { seedMessages } from '../../test/support/store-seed.ts';
import { moltnetMain, scratch } from '../lib/process.ts';
import { round, type Row } from '../lib/stats.ts';

const MESSAGES = Number(process.env['MOLTNET_BENCH_TRANSFER'] ?? 1_000_000);
const SMALL = 20_000;

export async function transfer(): Promise<Row[]> {
  const folder = scratch();
  const postgres = await startPostgres();
  try {
    const few = await roundTrip(path.join(folder.path, 'few'), SMALL, undefined);
    const many = await roundTrip(path.join(folder.path, 'many'), MESSAGES, postgres.dsn);
    const rows: Row[] = many.steps.map(({ step, seconds, peak }) => ({
      case: `(t) ${step}, ${MESSAGES.toLocaleString('en')} messages`,
      ours: `${Math.round(MESSAGES / seconds).toLocaleString('en')}/s, peak ${peak} MB`,
      baseline: `${few.steps[0]!.peak} MB to export ${SMALL.toLocaleString('en')}`,
      ratio: round(peak / few.steps[0]!.peak),
      aim: 'flat: <= 3',
      met: peak / few.steps[0]!.peak <= 3,
    }));
    rows.push({
      case: '(t) contents: the three exports',
      ours: many.same ? 'equal' : 'NOT EQUAL',
      baseline: '',
      ratio: many.same ? 1 : 0,
      aim: 'equal',
      met: many.same,
    });
    return rows;
  } finally {
    await postgres.stop();
    folder.remove();
  }
}

interface Step {
  step: string;
  seconds: number;
  peak: number;
}

/** SQLite → file → Postgres → file → SQLite → file; without an address only the first step. */
async function roundTrip(
  folder: string,
  messages: number,
  dsn: string | undefined,
): Promise<{ steps: Step[]; same: boolean }> {
  const first = path.join(folder, 'first.db');
  await seedMessages(first, { networkId: 'bench', rooms: ['general', 'other'], messages });
  const config = path.join(folder, 'Moltnet');
  writeFileSync(config, 'version: moltnet.v1\nnetwork: {id: bench}\n', { mode: 0o600 });
  const steps: Step[] = [];
  const run = async (step: string, words: string[], env: Record<string, string>): Promise<void> => {
    const began = performance.now();
    const peak = await moltnet(words, folder, { MOLTNET_CONFIG: config, ...env });
    steps.push({ step, seconds: (performance.now() - began) / 1_000, peak });
  };
  await run('export from SQLite', ['export', '1.jsonl'], { MOLTNET_SQLITE_PATH: first });
  if (dsn === undefined) return { steps, same: true };
  await run('import into Postgres', ['import', '1.jsonl'], { MOLTNET_POSTGRES_DSN: dsn });
  await run('export from Postgres', ['export', '2.jsonl'], { MOLTNET_POSTGRES_DSN: dsn });
  const second = { MOLTNET_SQLITE_PATH: path.join(folder, 'second.db') };
  await run('import into SQLite', ['import', '2.jsonl'], second);
  await run('export again', ['export', '3.jsonl'], second);
  const contents = await Promise.all([1, 2, 3].map((n) => digest(path.join(folder, `${n}.jsonl`))));
  return { steps, same: new Set(contents).size === 1 };
}

/** Runs the command to its end; resolves with its peak of resident memory in MB. */
function moltnet(words: string[], cwd: string, env: Record<string, string>): Promise<number> {
  const child = spawn(process.execPath, [moltnetMain, ...words], {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  let peak = 0;
  child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk).slice(-2_000)));
  const timer = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {
      // It has ended.
    }
  }, 50);
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => {
      clearInterval(timer);
      if (code === 0) resolve(Math.round(peak / 1_024));
      else reject(new Error(`moltnet ${words.join(' ')} ended with ${code}: ${stderr}`));
    });
  });
}

/** Of every line but the head, which says when the export was made. */
async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(file) }))
    if (number++ > 0) hash.update(line);
  return hash.digest('hex');
}
