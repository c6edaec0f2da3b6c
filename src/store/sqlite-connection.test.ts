import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import { openConnection, pragma } from './sqlite-connection.ts';
import { StorageError } from './errors.ts';

it.each([false, true])(
  'STO-1 WAL, full sync, foreign keys, no checkpoint of its own: on every connection (read-only: %s)',
  async (readOnly) => {
    const file = path.join(scratchFolder(), 'moltnet.db');
    await openFile(file);
    const db = openConnection({ path: file, readOnly });
    const settings = [
      'journal_mode',
      'synchronous',
      'foreign_keys',
      'secure_delete',
      'wal_autocheckpoint',
      'busy_timeout',
      'trusted_schema',
    ];
    expect(settings.map((name) => pragma(db, name))).toEqual(['wal', 2, 1, 1, 0, 5_000, 0]);
    if (readOnly) expect(() => db.exec(`INSERT INTO meta VALUES ('k', 'v')`)).toThrow(/readonly/);
    db.close();
  },
);

it('STO-1 a connection whose settings do not hold is refused', () => {
  const file = path.join(scratchFolder(), 'plain.db');
  const db = new DatabaseSync(file);
  db.exec('CREATE TABLE t (a)');
  db.close();
  // A reader cannot make it a WAL database, and says so.
  expect(() => openConnection({ path: file, readOnly: true })).toThrow(StorageError);
  expect(() => openConnection({ path: file, readOnly: true })).toThrow(
    /PRAGMA journal_mode is delete and must be wal/,
  );
});
