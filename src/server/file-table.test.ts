import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { widenFileTable } from './file-table.ts';

it('LOG-10 the table of open files has room for a thousand sockets, and nothing stays open', () => {
  // Elsewhere there is nothing to do, and nothing to see.
  if (process.platform !== 'linux') return widenFileTable();
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  widenFileTable();
  expect(open()).toBe(before);
  const ofProcess = (file: string, line: RegExp): number =>
    Number(line.exec(readFileSync(`/proc/self/${file}`, 'utf8'))?.[1]);
  const most = ofProcess('limits', /^Max open files +(\d+)/m);
  expect(ofProcess('status', /^FDSize:\s+(\d+)/m)).toBeGreaterThanOrEqual(Math.min(2_048, most / 2));
});
