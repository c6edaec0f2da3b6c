import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findExecutable } from './executable.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'moltnet-exec-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const CLI = { package: '@acme/cli', native: [{ package: '@acme/cli-here', file: 'bin/cli' }] };
function program(...at: string[]): string {
  const file = path.join(folder, ...at);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '#!/bin/sh\n', { mode: 0o755 });
  return file;
}
const find = (command: string, searchPath = ''): string =>
  findExecutable(command, searchPath, 'install it', CLI, folder);

it('RT-13 a bare name is found on PATH, a path from the working folder; files that cannot be run are passed over', () => {
  const second = program('second', 'cli');
  const blocked = program('first', 'cli');
  chmodSync(blocked, 0o644);
  mkdirSync(path.join(folder, 'zero', 'cli'), { recursive: true });
  const searchPath = ['zero', 'first', 'second'].map((name) => path.join(folder, name)).join(path.delimiter);
  expect(find('cli', searchPath)).toBe(second);
  expect(find('./second/cli')).toBe(second);
  expect(find(second)).toBe(second);
  expect(() => find('other', searchPath)).toThrow('other was not found on PATH; install it');
  expect(() => find('./first/cli')).toThrow(/is not an executable file; install it/);
  expect(() => find('./none')).toThrow(/does not exist; install it/);
});

it("RT-23 behind npm's launcher the native program is run, through links, and the launcher when there is none", () => {
  const launcher = program('node_modules', '@acme', 'cli', 'bin', 'cli.js');
  mkdirSync(path.join(folder, 'node_modules', '.bin'));
  const link = path.join(folder, 'node_modules', '.bin', 'cli');
  symlinkSync('../@acme/cli/bin/cli.js', link);
  expect(find(link)).toBe(link);
  const native = program('node_modules', '@acme', 'cli-here', 'bin', 'cli');
  writeFileSync(
    path.join(folder, 'node_modules', '@acme', 'cli-here', 'package.json'),
    '{"name":"@acme/cli-here","version":"1.0.0"}',
  );
  expect(find(link)).toBe(native);
  expect(find(launcher)).toBe(native);
  // A program of that name which is not npm's is left as it is.
  const own = program('own', 'cli');
  expect(find(own)).toBe(own);
});
