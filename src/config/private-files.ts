/** Files that hold secrets: nobody else may read them, no symlink may stand in their place, a crash leaves the old one. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { configError } from './issues.ts';

/** POSIX permission bits say nothing on Windows. */
const hasModes = process.platform !== 'win32';

/** Throws a ConfigError unless the file is a regular file, no symlink, that only its owner can read. */
export function requirePrivate(file: string, why: string): void {
  let stat;
  try {
    stat = lstatSync(file);
  } catch {
    throw configError(file, 'does not exist');
  }
  if (stat.isSymbolicLink())
    throw configError(file, `is a symbolic link and holds ${why}`, 'name the real file');
  if (!stat.isFile()) throw configError(file, 'is not a regular file');
  if (hasModes && (stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
    throw configError(file, `holds ${why} and others may use it (mode ${mode})`, `run: chmod 600 ${file}`);
  }
}

/** Makes a folder, 0700 when it is new. Refuses a symbolic link or a file in its place. */
export function ensurePrivateDir(dir: string): void {
  mkdirSync(path.dirname(dir), { recursive: true });
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const stat = lstatSync(dir);
    if (stat.isSymbolicLink())
      throw configError(dir, 'is a symbolic link', 'a folder for secrets must be a real folder');
    if (!stat.isDirectory()) throw configError(dir, 'is not a folder', 'move that file away');
  }
}

/**
 * Writes a file so that a reader, and a crash, meets the old content or the new one, never half of it: a temporary
 * file beside it, flushed, renamed over it. A symbolic link in its place is replaced, not followed.
 */
export function writeFileAtomic(file: string, content: string, mode = 0o600): void {
  placeFile(file, content, mode, (temporary) => renameSync(temporary, file));
}

/** The same for a file that is not there yet. One that is stays as it is: of several that try, one makes it. */
export function createFileAtomic(file: string, content: string, mode = 0o600): void {
  placeFile(file, content, mode, (temporary) => {
    try {
      linkSync(temporary, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    rmSync(temporary);
  });
}

function placeFile(file: string, content: string, mode: number, place: (temporary: string) => void): void {
  const dir = path.dirname(file);
  const temporary = path.join(
    dir,
    `.${path.basename(file)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );
  const fd = openSync(temporary, 'wx', mode);
  try {
    try {
      if (hasModes) fchmodSync(fd, mode);
      const bytes = Buffer.from(content);
      for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    place(temporary);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  flushFolder(dir);
}

/** A name outlives a power cut only when its folder was flushed too; not every system opens folders. */
function flushFolder(dir: string): void {
  let fd: number | undefined;
  try {
    fd = openSync(dir, 'r');
    fsyncSync(fd);
  } catch {
    // The file itself is in its place.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** How long another process may take to change a file, and between two looks, in milliseconds. */
const LOCK_WAIT = 5_000;
const LOCK_LOOK = 10;

/**
 * Runs a change of a file (read, alter, write) while no other process of ours changes it; without, two at once would
 * lose what one of them wrote. A lock that a killed process left is taken over. The folder must be there.
 */
export function withFileLock<T>(file: string, change: () => T): T {
  const lock = lockOf(file);
  const until = performance.now() + LOCK_WAIT;
  while (!takeLock(lock)) {
    if (performance.now() > until)
      throw configError(file, 'is being changed by another moltnet', `if none runs, delete ${lock}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_LOOK);
  }
  try {
    return change();
  } finally {
    rmSync(lock, { force: true });
  }
}

/**
 * The same for what takes longer: resolves with what gives the lock back (idempotent). `waits` is told once, with the
 * lock's name, when another holds it. Rejects when the signal is aborted.
 */
export async function holdFileLock(
  file: string,
  { signal, waits }: { signal?: AbortSignal; waits?: (lock: string) => void } = {},
): Promise<() => void> {
  const lock = lockOf(file);
  for (let told = false; !takeLock(lock); told = true) {
    if (!told) waits?.(lock);
    await setTimeout(10 * LOCK_LOOK, undefined, { signal });
  }
  let held = true;
  return () => {
    if (held) rmSync(lock, { force: true });
    held = false;
  };
}

const lockOf = (file: string): string => path.join(path.dirname(file), `.${path.basename(file)}.lock`);

/** The lock is a file that holds its maker's process id; only one of all that try can make it. */
function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') rmSync(lock, { force: true });
  }
  return false;
}

/** writeFileAtomic into a folder of its own that is made 0700 when it is missing. */
export function writePrivateFile(file: string, content: string): void {
  ensurePrivateDir(path.dirname(file));
  writeFileAtomic(file, content, 0o600);
}
