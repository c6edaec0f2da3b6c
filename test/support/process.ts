/** Moltnet as a real child process, run from source: what is killed, traced and restarted in scenario tests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

export interface ServerProcess {
  url: string;
  child: ChildProcess;
  /** SIGKILL, resolved when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** Writes a `Moltnet` file for network `local` into the folder and returns its address. */
export async function writeServerConfig(folder: string, more = ''): Promise<{ url: string; config: string }> {
  const port = await freePort();
  const config = path.join(folder, 'Moltnet');
  writeFileSync(
    config,
    `version: moltnet.v1\nserver:\n  listen_addr: 127.0.0.1:${port}\nstorage:\n  kind: sqlite\n  sqlite:\n    path: ${path.join(folder, '.moltnet', 'moltnet.db')}\n${more}`,
    { mode: 0o600 },
  );
  return { url: `http://127.0.0.1:${port}`, config };
}

/**
 * Starts `moltnet start` on a config file and resolves when /readyz answers 200; `log`: the file that what it logs is added
 * to. `wrap` puts a program before it (strace).
 */
export async function startServerProcess(
  at: { url: string; config: string; log?: string },
  wrap: string[] = [],
): Promise<ServerProcess> {
  const [command, ...args] = [
    ...wrap,
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    main,
    'start',
  ];
  const child = spawn(command!, args, {
    env: { ...process.env, MOLTNET_CONFIG: at.config },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr!.on('data', (data: Buffer) => {
    stderr = (stderr + data.toString()).slice(-4_000);
    if (at.log !== undefined) appendFileSync(at.log, data);
  });
  const gone = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  for (;;) {
    if (child.exitCode !== null) throw new Error(`moltnet start ended with ${child.exitCode}: ${stderr}`);
    const ready = await fetch(`${at.url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return {
    url: at.url,
    child,
    kill: async () => {
      child.kill('SIGKILL');
      await gone;
    },
    stop: async () => {
      child.kill('SIGTERM');
      return gone;
    },
  };
}
