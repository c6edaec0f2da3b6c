import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { inspect, migrate, migrations, type Migration } from './migrations.ts';

function memory(): DatabaseSync {
  const db = new DatabaseSync(':memory:');
  onTestFinished(() => db.close());
  return db;
}
const versions = (db: DatabaseSync): unknown[] =>
  db
    .prepare('SELECT version, name, min_reader FROM schema_versions ORDER BY version')
    .all()
    .map((row) => Object.values(row));
const more: Migration = {
  version: 2,
  name: 'notes',
  min_reader: 1,
  sql: 'CREATE TABLE notes (id TEXT PRIMARY KEY); INSERT INTO notes SELECT key FROM meta;',
};
const first = migrations.slice(0, 1);

it('STO-13 steps are numbered without holes and none needs a newer reader than itself', () => {
  expect(migrations.map(({ version }) => version)).toEqual(migrations.map((_, i) => i + 1));
  for (const { version, min_reader } of migrations) expect(min_reader).toBeLessThanOrEqual(version);
});

it('STO-13 an empty database gets every step; one that has some gets the others, with its data', () => {
  const db = memory();
  expect(inspect(db, 'x', 'local', first)).toEqual({ version: 0 });
  migrate(db, 0, 'local', first);
  expect(versions(db)).toEqual([[1, 'log', 1]]);
  const steps = [...first, more];
  expect(inspect(db, 'x', 'local', steps)).toEqual({ version: 1 });
  migrate(db, 1, 'local', steps);
  expect(versions(db)).toEqual([
    [1, 'log', 1],
    [2, 'notes', 1],
  ]);
  expect(db.prepare('SELECT id FROM notes').all()).toHaveLength(1);
  migrate(db, 2, 'local', steps);
  expect(versions(db)).toHaveLength(2);
});

it('STO-13 a step that fails leaves the database at the step before it', () => {
  const db = memory();
  const broken: Migration = {
    version: 2,
    name: 'broken',
    min_reader: 1,
    sql: 'CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);',
  };
  expect(() => migrate(db, 0, 'local', [...first, broken])).toThrow(/nowhere/);
  expect(versions(db)).toEqual([[1, 'log', 1]]);
  expect(db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'half'`).get()).toBeUndefined();
  migrate(db, inspect(db, 'x', 'local', first).version, 'local', [...first, more]);
  expect(versions(db)).toHaveLength(2);
});

it('STO-13 an older program opens a newer schema only if that says so', () => {
  const db = memory();
  migrate(db, 0, 'local', [...first, more]);
  expect(inspect(db, 'x', 'local', first)).toEqual({ version: 2 });
  migrate(db, 2, 'local', first);
  expect(versions(db)).toHaveLength(2);
  const closed: Migration = { version: 3, name: 'closed', min_reader: 3, sql: 'CREATE TABLE closed (a)' };
  migrate(db, 2, 'local', [...first, more, closed]);
  expect(() => inspect(db, 'x', 'local', first)).toThrow(
    /knows schema 3 or newer; this one knows 1\. Update moltnet/,
  );
});

it('STO-13 a crash between the steps and the owner is mended: whoever opens it next owns it', () => {
  const db = memory();
  migrate(db, 0, 'local', first);
  db.exec(`DELETE FROM meta WHERE key = 'store.network_id'`);
  expect(inspect(db, 'x', 'other', first)).toEqual({ version: 1 });
  migrate(db, 1, 'other', first);
  expect(() => inspect(db, 'x', 'local', first)).toThrow(/belongs to the network "other"/);
});
