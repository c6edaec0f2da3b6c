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
  const size = /^FDSize:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  expect(Number(size)).toBeGreaterThanOrEqual(2_048);
});
