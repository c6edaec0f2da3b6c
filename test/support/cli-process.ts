/** `moltnet` commands as real child processes, run from source. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { main } from './process.ts';

export interface CliResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  cwd: string;
  /** Over a clean environment: PATH and HOME only, no sign of an agent. */
  env?: Record<string, string>;
  stdin?: string | Uint8Array;
}

/** What a command gets: nothing of the agent, or the test run, that started us. */
export const cleanEnv = (cwd: string, more: Record<string, string> = {}): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: cwd,
  ...more,
});

const command = (args: readonly string[]): [string, string[]] => [
  process.execPath,
  ['--disable-warning=ExperimentalWarning', main, ...args],
];

/** Runs a command to its end. */
export async function runCli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const [file, words] = command(args);
  const child = spawn(file, words, {
    cwd: options.cwd,
    env: cleanEnv(options.cwd, options.env),
    stdio: 'pipe',
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.stdin ?? '');
  return collect(child);
}

/** The same on a terminal of its own (util-linux `script`): stdin, stdout and stderr are one pseudo-terminal. */
export async function runCliOnTerminal(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const [file, words] = command(args);
  const quoted = [file, ...words].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const child = spawn('script', ['-qec', quoted, '/dev/null'], {
    cwd: options.cwd,
    env: { ...cleanEnv(options.cwd, options.env), TERM: 'xterm' },
    stdio: 'pipe',
  });
  child.stdin.end();
  const result = await collect(child);
  return { ...result, stdout: result.stdout.replaceAll('\r\n', '\n') };
}

async function collect(child: ChildProcess): Promise<CliResult> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

export interface RunningCli {
  child: ChildProcess;
  /** All of stdout and stderr so far. */
  output(): string;
  /** Resolves with the match as soon as the output holds it; rejects when the command ends without it. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves at its end. */
  readonly ended: Promise<CliResult>;
}

/** Starts a command that stays; it is killed when the test ends. */
export function startCli(args: readonly string[], options: CliOptions): RunningCli {
  const [file, words] = command(args);
  const child = spawn(file, words, {
    cwd: options.cwd,
    env: cleanEnv(options.cwd, options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const waiting = new Set<() => void>();
  const add = (chunk: Buffer): void => {
    output += chunk.toString();
    for (const look of waiting) look();
  };
  child.stdout!.on('data', add);
  child.stderr!.on('data', add);
  const ended = collect(child);
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return {
    child,
    ended,
    output: () => output,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (!match) return;
          waiting.delete(look);
          resolve(match);
        };
        waiting.add(look);
        child.once('close', (code) => {
          if (waiting.delete(look))
            reject(new Error(`it ended with ${code} without saying ${String(pattern)}:\n${output}`));
        });
        look();
      }),
  };
}
