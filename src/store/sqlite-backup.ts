/** A copy of a database that a server may have open: one snapshot, compact, and without what was deleted. */
import { closeSync, openSync } from 'node:fs';
import { openConnection } from './sqlite-connection.ts';
import { asStoreError } from './sqlite-errors.ts';

/** `to` must not exist; it is made 0600. Throws StorageError. The checkpoints of the server wait meanwhile, its commits do not. */
export function backupSqlite(path: string, to: string): void {
  const db = openConnection({ path, readOnly: true });
  try {
    closeSync(openSync(to, 'wx', 0o600));
    db.prepare('VACUUM INTO ?').run(to);
  } catch (error) {
    throw asStoreError(error, to);
  } finally {
    db.close();
  }
}
