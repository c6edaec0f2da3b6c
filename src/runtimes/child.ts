/**
 * One run of an agent's CLI: a child process in a group of its own, its lines, and its end with all that it started.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, newTag, PROCESS_TAG, signal, taggedProcesses } from './processes.ts';
import { splitLines } from './line-splitter.ts';

/** Bytes of one line of output; a longer one is skipped. A tool's output may well be megabytes. */
const MAX_LINE = 8 * 1024 * 1024;
/** Characters of stderr that are kept for reasons, at its beginning and at its end. */
const STDERR_KEPT = 4096;
/** Milliseconds that a process whose stdin was closed may take to end. */
const END_MS = 5000;
/** Milliseconds between SIGINT, SIGTERM and SIGKILL. */
const STEP_MS = 3000;
/** Milliseconds that output may still come in when all of ours has ended: a stranger may hold the pipe open. */
const DRAIN_MS = 5000;
/** Milliseconds between two looks at what is left. */
const SWEEP_MS = 25;
/** The program file is being written, by its own updater perhaps: tried again, for two seconds in all. */
const BUSY_TRIES = 40;
const BUSY_WAIT_MS = 50;

export interface ChildOptions {
  file: string;
  args: readonly string[];
  /** Absolute. */
  cwd: string;
  env: NodeJS.ProcessEnv;
  onLine: (line: string) => void;
  /** A line was over the limit and is lost: the first one. */
  onTooLong: () => void;
  /** It wrote to stderr. */
  onStderr?: (text: string) => void;
  /** It is gone, as `exited` says; before anybody who waits for that. */
  onExit?: (exit: Exit) => void;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export const howEnded = ({ code, signal: name }: Exit): string =>
  name ? `by ${name}` : `with exit code ${code}`;

export interface Child {
  readonly pid: number;
  /** False once it has ended or is being ended. */
  readonly alive: boolean;
  write(text: string): void;
  /** Closes stdin: a CLI that reads it finishes its work and ends. */
  endInput(): void;
  /** Resolves once the process has ended, its output was read and nothing that it started is left. */
  readonly exited: Promise<Exit>;
  /** The beginning and the end of what it wrote to stderr. */
  stderr(): string;
  /** Closes stdin, which lets it finish; stops it after 5 s. Resolves as `exited`. */
  end(): Promise<Exit>;
  /** SIGINT, after 3 s SIGTERM to the group, after another 3 s SIGKILL to all; resolves as `exited`. Idempotent. */
  stop(): Promise<Exit>;
}

type Running = ChildProcessByStdio<Writable, Readable, Readable>;

/** Tags by group that still run, for the moment in which this process ends without having closed its runtimes. */
const running = new Map<number, string>();
let exitHook = false;

/** Starts the CLI. Rejects with the spawn error (ENOENT, EACCES, …) when there is no process. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const tag = newTag();
  const child = await spawnPatiently(options, { ...options.env, [PROCESS_TAG]: tag });
  const pid = child.pid!;
  if (!exitHook) {
    exitHook = true;
    process.on('exit', killAll);
  }
  running.set(pid, tag);

  let tooLong = 0;
  const lines = splitLines(MAX_LINE, options.onLine, () => {
    if (tooLong++ === 0) options.onTooLong();
  });
  child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onStderr?.(text);
    if (stderr.length > 2 * STDERR_KEPT) stderr = stderr.slice(0, STDERR_KEPT) + stderr.slice(-STDERR_KEPT);
  });
  // The CLI may end before it has read its input; its exit says why.
  child.stdin.on('error', () => {});

  let alive = true;
  const exited = ended(child).then(async (exit) => {
    running.delete(pid);
    await sweep(tag, pid);
    await drained(child);
    lines.end();
    alive = false;
    options.onExit?.(exit);
    return exit;
  });
  let stopping: Promise<Exit> | undefined;
  const stop = (): Promise<Exit> => {
    alive = false;
    return (stopping ??= stopAll(pid, tag, exited));
  };
  return {
    pid,
    get alive() {
      return alive;
    },
    write: (text) => void child.stdin.write(text),
    endInput: () => void child.stdin.end(),
    exited,
    stderr: () => stderr,
    end: async () => {
      alive = false;
      child.stdin.end();
      if (!(await within(exited, END_MS))) return stop();
      return exited;
    },
    stop,
  };
}

function killAll(): void {
  for (const [group, tag] of running) {
    const left = taggedProcesses(tag, group);
    signal(-group, 'SIGKILL');
    left.forEach((pid) => signal(pid, 'SIGKILL'));
  }
}

async function spawnPatiently(options: ChildOptions, env: NodeJS.ProcessEnv): Promise<Running> {
  for (let tries = 1; ; tries++) {
    try {
      return await spawned(options, env);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ETXTBSY' || tries === BUSY_TRIES) throw error;
      await sleep(BUSY_WAIT_MS);
    }
  }
}

function spawned(options: ChildOptions, env: NodeJS.ProcessEnv): Promise<Running> {
  return new Promise((resolve, reject) => {
    const child = spawn(options.file, options.args, {
      cwd: options.cwd,
      env,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    child.once('spawn', () => resolve(child));
    child.once('error', reject);
  });
}

function ended(child: Running): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, name) => resolve({ code, signal: name }));
  });
}

/** What a pipe still holds is read; a pipe that a stranger keeps open is left. */
async function drained(child: Running): Promise<void> {
  const ends = [child.stdout, child.stderr].map(
    (stream) =>
      new Promise<void>((done) =>
        stream.readableEnded || stream.destroyed ? done() : stream.once('close', done),
      ),
  );
  await within(Promise.all(ends), DRAIN_MS);
  child.stdout.destroy();
  child.stderr.destroy();
  child.stdin.destroy();
}

async function stopAll(pid: number, tag: string, exited: Promise<Exit>): Promise<Exit> {
  // Looked up while the CLI lives: where only descent tells what is its own, that is the last chance.
  const known = taggedProcesses(tag, pid);
  signal(pid, 'SIGINT');
  if (!(await within(exited, STEP_MS))) {
    signal(-pid, 'SIGTERM');
    if (!(await within(exited, STEP_MS))) {
      known.push(...taggedProcesses(tag, pid));
      signal(-pid, 'SIGKILL');
    }
  }
  const exit = await exited;
  for (const other of known) if (isAlive(other)) signal(other, 'SIGKILL');
  return exit;
}

/** Ends what the CLI has left behind, wherever it stands: SIGTERM, and SIGKILL to what is there after 3 s. */
async function sweep(tag: string, pid: number): Promise<void> {
  signal(-pid, 'SIGTERM');
  let left = taggedProcesses(tag, pid);
  left.forEach((other) => signal(other, 'SIGTERM'));
  const started = performance.now();
  while (left.length > 0) {
    await sleep(SWEEP_MS);
    left = taggedProcesses(tag, pid).filter(isAlive);
    const waited = performance.now() - started;
    if (waited > 2 * STEP_MS) return;
    if (waited > STEP_MS) left.forEach((other) => signal(other, 'SIGKILL'));
  }
}

/** Whether the promise resolves within so many milliseconds. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((done) => {
    timer = setTimeout(done, ms, false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
