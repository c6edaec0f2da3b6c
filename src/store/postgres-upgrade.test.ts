/** Two servers of different versions on one Postgres, as during an update (STO-13). */
import pg from 'pg';
import { expect, it } from 'vitest';
import { openPostgres, testPostgres } from '../../test/support/postgres-open.ts';
import { eventually } from '../../test/support/eventually.ts';
import { faults } from '../../test/support/faults.ts';
import { messageOf, roomOf, upTo, writesOf } from '../../test/support/store-writes.ts';
import { migrations, type Migration } from './migrations.ts';
import { migratePostgres } from './postgres-migrations.ts';

const postgres = testPostgres();
const newest = migrations.at(-1)!.version;
/** A step of a newer program: a column, an index and a table more. */
const step = (min_reader: number): Migration => ({
  version: newest + 1,
  name: 'newer',
  min_reader,
  sql: '',
  postgres: `ALTER TABLE events ADD COLUMN newer TEXT; ALTER TABLE messages ADD COLUMN newer BIGINT NOT NULL DEFAULT 7;
    CREATE INDEX messages_newer ON messages (newer); CREATE TABLE newer (id TEXT PRIMARY KEY)`,
});
/** What a newer program does to the schema when it starts. */
async function upgrade(dsn: string, min_reader: number): Promise<void> {
  const client = new pg.Client(dsn);
  await client.connect();
  await migratePostgres(client, 'the database', 'local', [...migrations, step(min_reader)]);
  await client.end();
}
async function downgrade(dsn: string): Promise<void> {
  await postgres.query(
    dsn,
    `ALTER TABLE events DROP COLUMN newer; ALTER TABLE messages DROP COLUMN newer; DROP TABLE newer;
     DELETE FROM schema_versions WHERE version = ${newest + 1}; UPDATE log_head SET min_reader = ${newest}`,
  );
}

it('STO-13 an update that lets older programs go on is made under their commits: nothing is refused, lost or out of order, and an older one starts beside it', async () => {
  const dsn = await postgres.fresh();
  const older = await openPostgres(dsn);
  const told: string[] = [];
  older.follow(({ events }) => void told.push(...events.map(({ id }) => id)));
  await older.commit([writesOf(roomOf('general'))]);
  // Commits all the time, one after the other, while the newer program migrates.
  const upgraded = new AbortController();
  const written: string[] = [];
  const writing = (async () => {
    for (let i = 0; !upgraded.signal.aborted || i < 50; i++) {
      await older.commit([writesOf(messageOf(`m${i}`, 'room:general'))]);
      written.push(`m${i}`);
    }
  })();
  await upgrade(dsn, newest);
  upgraded.abort();
  await writing;
  const another = await openPostgres(dsn);
  const { length } = written;
  for (const i of upTo(5)) await another.commit([writesOf(messageOf(`n${i}`, 'room:general'))]);
  await older.catchUp();
  expect(told).toEqual(upTo(5).map((i) => `evt_n${i}`));
  const page = await older.messagePage('room:general', { limit: 500 });
  expect(page.rows.map(({ id }) => id).slice(-5)).toEqual(upTo(5).map((i) => `n${i}`));
  const row = (await another.conversations(['room:general'])).get('room:general')!;
  expect(row.message_count > 0 && (await another.messages(written)).size).toBe(length);
  await Promise.all([older.close(), another.close()]);
  await downgrade(dsn);
});

it('STO-11 STO-13 an update that older programs may not write after keeps them from starting', async () => {
  const dsn = await postgres.fresh();
  await (await openPostgres(dsn)).close();
  await upgrade(dsn, newest + 1);
  await expect(openPostgres(dsn)).rejects.toThrow(
    `needs a program that knows schema ${newest + 1} or newer; this one knows ${newest}. Update moltnet.`,
  );
  await downgrade(dsn);
});

it.each(['a commit', 'a look for news'])(
  'STO-13 a server that still runs when an update does not let it write any more stores nothing more and ends: %s finds that',
  async (how) => {
    const dsn = await postgres.fresh();
    const found = faults();
    const older = await openPostgres(dsn);
    await older.commit([writesOf(roomOf('general'))]);
    await upgrade(dsn, newest + 1);
    if (how === 'a commit')
      await expect(older.commit([writesOf(messageOf('m1', 'room:general'))])).rejects.toThrow(
        'Update moltnet.',
      );
    else older.follow(() => {});
    await eventually(() => found.length > 0);
    expect(found[0]).toMatch(/a newer version of moltnet has changed the database/);
    expect(found).toHaveLength(1);
    await expect(older.catchUp()).rejects.toThrow('Update moltnet.');
    expect(await postgres.query(dsn, 'SELECT id FROM messages')).toEqual([]);
    await downgrade(dsn);
  },
);
