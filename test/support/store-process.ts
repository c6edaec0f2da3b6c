/** Starts store-child.ts and reads its lines, so that tests can wait on facts. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const script = fileURLToPath(new URL('./store-child.ts', import.meta.url));

export interface StoreProcess {
  child: ChildProcess;
  /** All lines so far. */
  lines: string[];
  /** Resolves when a line that comes from now on, or one at `from` or later, matches; rejects when the process ends first. */
  line(matches: (line: string) => boolean, from?: number): Promise<string>;
  /** Tells it to remove its ballast. */
  release(): void;
  /** Kills it with -9 and resolves when it is gone. */
  kill(): Promise<void>;
  /** Ends its stdin and resolves when it has ended. */
  stop(): Promise<number | null>;
  exited: Promise<number | null>;
}

export interface StoreProcessOptions {
  file: string;
  commits?: number;
  messages?: number;
  /** Removed when `release` is called. */
  ballast?: string;
  /** A program and arguments to run it under: strace, unshare … */
  under?: string[];
  uid?: number;
}

export function startStoreProcess({
  file,
  commits = 0,
  messages = 1,
  under = [],
  uid,
  ballast,
}: StoreProcessOptions): StoreProcess {
  const given = [file, String(commits), String(messages), ...(ballast === undefined ? [] : [ballast])];
  const [command, ...args] = [...under, process.execPath, script, ...given];
  const child = spawn(command!, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const lines: string[] = [];
  let stderr = '';
  const waiting = new Set<() => void>();
  const told = (): void => {
    for (const check of waiting) check();
  };
  child.stderr.on('data', (data: Buffer) => (stderr += String(data)));
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    told();
  });
  let ended = false;
  const exited = new Promise<number | null>((resolve) =>
    child.once('close', (code) => {
      ended = true;
      resolve(code);
      told();
    }),
  );
  child.stdin.on('error', () => {});
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  return {
    child,
    lines,
    line: (matches, from = lines.length) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = lines.slice(from).find(matches);
          if (found !== undefined) resolve(found);
          else if (ended)
            reject(
              new Error(`the process ended without that line: ${stderr}\n${lines.slice(-5).join('\n')}`),
            );
          else return;
          waiting.delete(check);
        };
        waiting.add(check);
        check();
      }),
    release: () => void child.stdin.write('go\n'),
    kill,
    stop: () => {
      child.stdin.end();
      return exited;
    },
    exited,
  };
}

/** seq of the last commit that it reported. */
export const lastCommitted = (lines: readonly string[]): number =>
  Math.max(
    0,
    ...lines
      .filter((line) => line.startsWith('committed '))
      .map((line) => Number(line.slice('committed '.length))),
  );
