/**
 * What runs on this machine, as far as ending an agent's processes needs it. An agent's shell may stand in a process
 * group of its own (Claude Code's does), so the group of the CLI is not enough: everything that we start carries a
 * tag in its environment, which its children inherit.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/** The environment variable that marks a process, and all it starts, as ours. */
export const PROCESS_TAG = 'MOLTNET_PROCESS_TAG';

/** A tag that no other process has; it also names the process that gave it. */
export const newTag = (): string => `${process.pid}-${randomUUID()}`;

/**
 * The processes that carry this tag, but for ourselves. On systems without /proc there is no reading another's
 * environment: there it is the descendants of `root` while that one lives, and nothing afterwards.
 */
export function taggedProcesses(tag: string, root: number): number[] {
  const pids = procPids();
  if (!pids) return descendants(root);
  const entry = `${PROCESS_TAG}=${tag}`;
  return pids.filter((pid) => pid !== process.pid && readProc(pid, 'environ').split('\0').includes(entry));
}

export interface FoundProcess {
  pid: number;
  args: string[];
  /** Started by an adapter that is gone. */
  orphan: boolean;
}

/**
 * The living processes, but for ourselves, whose command line fits. Their variables, as `NAME=value`, are asked for
 * where the command line does not tell; there are none where there is no /proc.
 */
export function findProcesses(
  fits: (args: readonly string[], variables: () => readonly string[]) => boolean,
): FoundProcess[] {
  return commandLines()
    .filter(
      ([pid, , args]) =>
        pid !== process.pid && fits(args, () => readProc(pid, 'environ').split('\0')) && isAlive(pid),
    )
    .map(([pid, parent, args]) => ({
      pid,
      args,
      orphan: parent === 1 || parent !== Number(tagOf(pid)?.split('-')[0] ?? parent),
    }));
}

function tagOf(pid: number): string | undefined {
  const entry = readProc(pid, 'environ')
    .split('\0')
    .find((text) => text.startsWith(`${PROCESS_TAG}=`));
  return entry?.slice(PROCESS_TAG.length + 1);
}

/** Kills a process of ours that was left behind, with its group and all that carries its tag. */
export function killFamily(pid: number): void {
  const tag = tagOf(pid);
  const family = tag === undefined ? descendants(pid) : taggedProcesses(tag, pid);
  signal(-pid, 'SIGKILL');
  family.forEach((member) => signal(member, 'SIGKILL'));
}

/** Whether a process exists; one that has ended and waits for its parent does not count. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !/^\d+ \(.*\) Z/s.test(readProc(pid, 'stat'));
}

/** Sends a signal to a process, or to a group as a negative number; one that is gone is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended, or has become somebody else's: both leave nothing to do.
  }
}

function procPids(): number[] | undefined {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return undefined;
  }
}

/** A file of /proc, empty when the process is gone or not ours to look into. */
function readProc(pid: number, name: 'environ' | 'cmdline' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

function commandLines(): [pid: number, parent: number, args: string[]][] {
  const pids = procPids();
  if (!pids) return psTable('args=').map(([pid, parent, rest]) => [pid, parent, rest.split(' ')]);
  return pids.map((pid) => {
    // The name in parentheses may itself hold anything.
    const [, parent] = /^\d+ \(.*\) \S (\d+)/s.exec(readProc(pid, 'stat')) ?? [];
    return [pid, Number(parent ?? 0), readProc(pid, 'cmdline').split('\0')];
  });
}

function descendants(root: number): number[] {
  const table = psTable('pgid=');
  const found = new Set([root]);
  for (let before = 0; before !== found.size;) {
    before = found.size;
    for (const [pid, parent] of table) if (found.has(parent)) found.add(pid);
  }
  found.delete(root);
  return [...found];
}

function psTable(last: 'args=' | 'pgid='): [pid: number, parent: number, rest: string][] {
  let text: string;
  try {
    text = execFileSync('ps', ['-axww', '-o', `pid=,ppid=,${last}`], {
      encoding: 'utf8',
      maxBuffer: 16 << 20,
    });
  } catch {
    return [];
  }
  return [...text.matchAll(/^\s*(\d+)\s+(\d+)\s+(.*)$/gm)].map(([, pid, parent, rest]) => [
    Number(pid),
    Number(parent),
    rest ?? '',
  ]);
}
