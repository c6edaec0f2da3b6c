/**
 * Room for many sockets before they come. Linux widens the table of a process's open files when it is full, at 64, 256,
 * 512 and so on; in a process of several threads that takes 10 to 30 ms each time (the kernel waits until no processor
 * uses the old one), in which the accepting thread stands still and everybody who writes waits. It never shrinks.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';

/** Files that are opened for a moment: the table then holds 2,048. */
const FILES = 1_030;

/** Before the first connection. Where files are scarce it does less, and elsewhere than on Linux nothing. */
export function widenFileTable(): void {
  if (process.platform !== 'linux') return;
  const open: number[] = [];
  try {
    // Other threads need some meanwhile.
    const most = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]) / 2;
    while (open.length < FILES && (open.at(-1) ?? 0) < most) open.push(openSync(devNull, 'r'));
  } catch {
    // As wide as it has become.
  } finally {
    for (const file of open) closeSync(file);
  }
}
