/** Stores on real files for tests: each in a folder of its own, closed and removed when the test ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { openStore, type OpenStoreOptions } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';

/** A folder that is gone after the test. */
export function scratchFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'moltnet-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens a SQLite file (a fresh one by default), as the network `local`. */
export async function openFile(
  file = path.join(scratchFolder(), 'moltnet.db'),
  rest: Partial<OpenStoreOptions> = {},
): Promise<Store> {
  const store = await openStore({ kind: 'sqlite', path: file, networkId: 'local', ...rest });
  onTestFinished(() => store.close().catch(() => {}));
  return store;
}

export async function openMemory(networkId = 'local'): Promise<Store> {
  const store = await openStore({ kind: 'memory', networkId });
  onTestFinished(() => store.close());
  return store;
}
