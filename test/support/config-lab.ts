/** A folder with configuration files, and what reading them says. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { ConfigError } from '../../src/config/issues.ts';

export interface ConfigLab {
  cwd: string;
  /** Writes a file, 0600 unless said otherwise, and returns its absolute path. */
  write(name: string, text: string, mode?: number): string;
}

/** The folder is removed when the test ends. */
export function configLab(): ConfigLab {
  const cwd = mkdtempSync(path.join(tmpdir(), 'moltnet-config-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  return {
    cwd,
    write(name, text, mode = 0o600) {
      const file = path.join(cwd, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
      chmodSync(file, mode);
      return file;
    },
  };
}

/** One line for each mistake; anything but a ConfigError is thrown on. */
export function mistakesOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}
