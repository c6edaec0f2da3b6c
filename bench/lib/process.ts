/** Child processes that are measured: start, CPU time and resident memory (Linux /proc), stop. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'node:http';
import { freePort } from '../../test/support/process.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const moltnetMain = path.join(root, 'dist/moltnet.js');

export interface Measured {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** A folder that disappears with the bench. */
export function scratch(): { path: string; remove(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'moltnet-bench-'));
  return { path: folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Our server on a SQLite file of its own, or on the Postgres of an address, as `moltnet start` runs it. Resolves when /readyz says so. */
export async function startMoltnet(folder: string, dsn?: string): Promise<Measured> {
  const port = await freePort();
  const config = path.join(folder, `Moltnet-${port}`);
  const storage =
    dsn === undefined
      ? `  kind: sqlite\n  sqlite:\n    path: ${path.join(folder, 'moltnet.db')}\n`
      : `  kind: postgres\n  postgres:\n    dsn: ${JSON.stringify(dsn)}\n`;
  writeFileSync(
    config,
    `version: moltnet.v1\nnetwork:\n  id: bench\n  name: Bench\nserver:\n  listen_addr: 127.0.0.1:${port}\nstorage:\n${storage}`,
    { mode: 0o600 },
  );
  const child = spawn(process.execPath, [moltnetMain, 'start'], {
    cwd: folder,
    env: { ...process.env, MOLTNET_CONFIG: config },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const url = `http://127.0.0.1:${port}`;
  await ready(child, `${url}/readyz`);
  return { url, pid: child.pid!, stop: () => stop(child) };
}

/** A baseline: a script that prints its port. */
export async function startBaseline(script: string): Promise<Measured> {
  const child = spawn(process.execPath, [path.join(root, 'bench/baseline', script)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (data: Buffer) => resolve(Number(String(data).trim())));
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  return { url: `http://127.0.0.1:${port}`, pid: child.pid!, stop: () => stop(child) };
}

export function getStatus(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const req = request(url, { agent: false }, (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode ?? 0));
    });
    req.on('error', reject);
    req.end();
  });
}

async function ready(child: ChildProcess, url: string): Promise<void> {
  let stderr = '';
  child.stderr?.on('data', (data: Buffer) => (stderr = (stderr + data).slice(-2_000)));
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${stderr}`);
    try {
      if ((await getStatus(url)) === 200) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

const TICK_MS = 10; // USER_HZ is 100 on every Linux that Node runs on.

/** CPU time of a process and its threads so far, in ms. NaN where there is no /proc. */
export function cpuMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return Number.NaN;
  }
}

/** Resident memory in KB. NaN where there is no /proc. */
export function rssKb(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}

/** The most resident memory that it ever had, in KB. NaN where there is no /proc. */
export function peakRssKb(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}
