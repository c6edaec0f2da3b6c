/** One turn as one run of a program that has nothing to say of itself but its output and its exit code. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WAKE_ENV } from '../config/wake-folder.ts';
import { startChild, type Exit } from './child.ts';
import { findProcesses, killFamily } from './processes.ts';
import type { RuntimeContext } from './runtime.ts';
import type { LineTurn } from './turn-line.ts';

/** Characters of stdout that are kept: its end, where the answer is. */
const STDOUT_KEPT = 1024 * 1024;
/** How often it is looked whether a process that was killed is gone, and the milliseconds in between. */
const LEFTOVER_ROUNDS = 100;
const LEFTOVER_MS = 50;

export interface ProgramTurn {
  file: string;
  args: readonly string[];
  /** Absolute. */
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** What it reads; nothing when left out. */
  stdin?: string;
  /** Nothing of an earlier run is left, and this one is about to begin. */
  begin(): void;
  onStderr?: (text: string) => void;
}

export interface ProgramEnd {
  exit: Exit;
  stdout: string;
  stderr: string;
}

/** Runs it to its end; when the turn's signal falls it is ended, with all that it started. */
export async function runProgram(
  turn: LineTurn,
  log: RuntimeContext['log'],
  program: ProgramTurn,
): Promise<ProgramEnd> {
  program.begin();
  let stdout = '';
  const child = await startChild({
    file: program.file,
    args: program.args,
    cwd: program.cwd,
    env: program.env,
    onLine: (line) => {
      turn.touch();
      stdout += `${line}\n`;
      if (stdout.length > 2 * STDOUT_KEPT) stdout = stdout.slice(-STDOUT_KEPT);
    },
    onTooLong: () => log('warn', 'the program wrote a line that is too long to read'),
    onStderr: (text) => {
      turn.touch();
      program.onStderr?.(text);
    },
  });
  turn.events.accepted();
  const stop = (): void => void child.stop();
  turn.signal.addEventListener('abort', stop, { once: true });
  if (turn.signal.aborted) stop();
  if (program.stdin !== undefined) child.write(program.stdin);
  child.endInput();
  const exit = await child.exited;
  turn.signal.removeEventListener('abort', stop);
  return { exit, stdout: stdout.slice(-STDOUT_KEPT), stderr: child.stderr() };
}

/**
 * A node that was killed leaves a process behind, whose wake comes again: it is ended. It is known by the folder of its
 * wakes, which no other conversation of this machine has. One of a node that lives is an error.
 */
export async function leftoverGone(
  { signal }: Pick<LineTurn, 'signal'>,
  log: RuntimeContext['log'],
  folder: string,
): Promise<void> {
  const mark = `${WAKE_ENV}=${folder}`;
  for (let round = 0; !signal.aborted; round++) {
    const left = findProcesses((_, variables) => variables().includes(mark));
    if (left.length === 0) return;
    const pids = left.map(({ pid }) => pid);
    if (round === LEFTOVER_ROUNDS || left.some(({ orphan }) => !orphan))
      throw new Error(
        `another process (${pids.join(', ')}) runs a turn of this conversation; is there a second node?`,
      );
    if (round === 0) log('info', 'ending a process that an earlier node left behind', { pids });
    pids.forEach(killFamily);
    await sleep(LEFTOVER_MS);
  }
}
