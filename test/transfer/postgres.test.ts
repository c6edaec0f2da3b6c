/** MOVE, with Postgres on either side. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { importItems } from '../../src/transfer/import.ts';
import { originalItems } from '../../src/transfer/original.ts';
import { openOriginalPostgres } from '../../src/transfer/original-postgres.ts';
import { cli } from '../support/cli-io.ts';
import { openPostgres, testPostgres, type TestPostgres } from '../support/postgres-open.ts';
import { openFile, openMemory } from '../support/store-open.ts';
import { contents, exported, lived, NOW, scratch, stream } from '../support/transfer-lab.ts';

const postgres = testPostgres();

it('MOVE-1 from SQLite to Postgres and back: it exports the same', async () => {
  const { store } = await lived();
  const items = await exported(store);
  const there = await openPostgres(await postgres.fresh());
  await importItems(there, stream(items));
  const between = await exported(there);
  expect(contents(between)).toEqual(contents(items));
  const back = await openFile();
  await importItems(back, stream(between));
  expect(contents(await exported(back))).toEqual(contents(items));
});

it('MOVE-2 an import into Postgres that is broken off goes on where it was', async () => {
  const { store } = await lived();
  const items = await exported(store);
  const copy = await openPostgres(await postgres.fresh());
  await expect(importItems(copy, stream(items.slice(0, 12)))).rejects.toThrow('the export is not whole');
  await importItems(copy, stream(items));
  expect(contents(await exported(copy))).toEqual(contents(items));
});

/** The fixture's tables in Postgres, with times as timestamps. */
async function originalIn({ fresh, query }: TestPostgres): Promise<string> {
  const dsn = await fresh();
  // A schema of its own beside the one that our tables may stand in.
  const schema = 'original';
  const url = new URL(dsn);
  url.searchParams.set('options', `-c search_path=${schema}`);
  await query(dsn, `DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await query(dsn, `CREATE SCHEMA ${schema}`);
  const file = path.join(scratch(), 'original.db');
  copyFileSync(path.join(import.meta.dirname, 'original.db'), file);
  const db = new DatabaseSync(file, { readOnly: true });
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  for (const { name } of tables) {
    const table = String(name);
    const columns = db.prepare(`PRAGMA table_info(${table})`).all();
    const types = columns.map((column) => {
      const id = String(column['name']);
      const type = id.endsWith('_at') ? 'TIMESTAMPTZ' : column['type'] === 'INTEGER' ? 'BIGINT' : 'TEXT';
      return `${id} ${type}`;
    });
    await query(url.href, `CREATE TABLE ${table} (${types.join(', ')})`);
    for (const row of db.prepare(`SELECT * FROM ${table}`).all()) {
      const values = Object.values(row);
      await query(
        url.href,
        `INSERT INTO ${table} VALUES (${values.map((_, i) => `$${i + 1}`).join(', ')})`,
        values,
      );
    }
  }
  db.close();
  return url.href;
}

it('MOVE-7 the original’s tables in Postgres are the same network, to the microsecond', async () => {
  const dsn = await originalIn(postgres);
  const source = await openOriginalPostgres(dsn);
  const store = await openMemory('old_lab');
  const result = await importItems(store, originalItems(source, { now: NOW, note: () => {} }));
  await source.close();
  expect(result).toMatchObject({ messages: 139, rooms: 4, agents: 2 });
  const expected = JSON.parse(
    readFileSync(path.join(import.meta.dirname, 'original-expected.json'), 'utf8'),
  ) as Record<string, { created_at: string }[]>;
  const { rows } = await store.messagePage('room:research', { limit: 500 });
  const micro = ({ created_at, ...message }: { created_at: string }) => {
    // Nine digits, of which Postgres keeps six, rounded.
    const [, second, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(created_at)!;
    return { ...message, second, micro: Math.round(Number(fraction.padEnd(9, '0')) / 1_000) };
  };
  expect(rows.map(({ payload }) => micro(JSON.parse(payload) as { created_at: string }))).toEqual(
    expected['research']!.map(micro),
  );
});

it('MOVE-6 the commands take a Postgres on either side, and do not tell its password', async () => {
  const cwd = scratch();
  const dsn = await postgres.fresh();
  writeFileSync(path.join(cwd, 'Moltnet'), 'version: moltnet.v1\nnetwork: {id: old_lab}\n', { mode: 0o600 });
  const env = { MOLTNET_POSTGRES_DSN: dsn };
  const read = await cli(['import', await originalIn(postgres)], { cwd, env });
  expect([read.code, read.json()]).toEqual([0, expect.objectContaining({ messages: 139 })]);
  expect((await cli(['export', 'x.jsonl'], { cwd, env })).stderr).toContain('exported 142 events');
  expect((await cli(['import', 'x.jsonl'], { cwd })).json()).toMatchObject({ messages: 139 });
  const wrong = new URL(dsn);
  wrong.password = 'sesame-open';
  wrong.port = '1';
  const failed = await cli(['import', wrong.href], { cwd: scratch() });
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('cannot be read')]);
  expect(failed.stderr).not.toContain('sesame');
  const none = await cli(['import', dsn], { cwd: scratch() });
  expect(none.stderr).toContain('it has no tables of the original');
  const backup = await cli(['backup', 'x.db'], { cwd, env });
  expect(backup.stderr).toContain('pg_dump');
});
