/** Files that are there whole or not at all: made beside their place for their owner alone, and put there when they are whole. */
import { existsSync, linkSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { Failure } from './failure.ts';

/** What belongs to a SQLite database at a path. */
const BESIDE = ['', '-wal', '-shm', '.lock', '-search'];

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface WholeFile {
  /** Where it is made: there is nothing at this name. */
  readonly aside: string;
  /** Throws a Failure when something stands in its place by now. */
  place(): void;
  /** It is not to be. */
  drop(): void;
}

/** Throws a Failure when there is a file and `force` is not set, and when it is the storage's own. */
export function wholeFile(
  target: string,
  { force, storage }: { force: boolean; storage: string | undefined },
): WholeFile {
  const folder = path.dirname(target);
  if (!existsSync(folder))
    throw new Failure(`the folder ${folder} does not exist`, {
      hint: 'make it first, or name another place',
    });
  const there = statSync(target, { throwIfNoEntry: false });
  if (there?.isDirectory()) throw new Failure(`${target} is a folder`, { hint: 'name a file in it' });
  const own = BESIDE.map((end) => storage && statSync(`${storage}${end}`, { throwIfNoEntry: false }));
  if (there && own.some((stat) => stat && stat.ino === there.ino && stat.dev === there.dev))
    throw new Failure(`${target} is the storage itself`, { hint: 'name another file' });
  if (there && !force) throw exists(target);
  const aside = path.join(folder, `.${path.basename(target)}.${process.pid}.part`);
  const remove = (): void => rmSync(aside, { force: true });
  remove();
  // Half a file that nobody knows of would hold every DM.
  const stopped = (signal: NodeJS.Signals): void => {
    drop();
    process.kill(process.pid, signal);
  };
  const settle = (): void => SIGNALS.forEach((signal) => void process.off(signal, stopped));
  const drop = (): void => {
    settle();
    remove();
  };
  for (const signal of SIGNALS) process.on(signal, stopped);
  return {
    aside,
    drop,
    place() {
      settle();
      if (force) return renameSync(aside, target);
      try {
        linkSync(aside, target);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EEXIST' || existsSync(target)) throw exists(target);
        // A file system without hard links.
        return renameSync(aside, target);
      }
      drop();
    },
  };
}

const exists = (target: string): Failure =>
  new Failure(`${target} exists`, { hint: 'name another file, or write over it with --force' });
