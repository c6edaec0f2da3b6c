import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { seedMessages } from '../../test/support/store-seed.ts';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import { messageOf, rowsOf, upTo, wakeOf, writesOf } from '../../test/support/store-writes.ts';
import { LOG_SQL } from './sqlite-log-reads.ts';
import { PAGE_SQL } from './sqlite-page-reads.ts';
import { STATE_SQL, TOPOLOGY_SQL } from './sqlite-state-reads.ts';

/** Reads that walk an index from its end and stop at their LIMIT: a scan by name only. */
const FROM_THE_END: Record<string, RegExp> = {
  oldestEvent: /^SCAN events$/,
  newestEvent: /^SCAN events$/,
  failedWakes: /^SCAN wakes USING INDEX wakes_failed$/,
  held: /^SCAN c USING INDEX conversations_held$/,
};
/** The rows of a JSON parameter, and the participants of one DM: both bounded by what is asked for. */
const BOUNDED = /^SCAN (j VIRTUAL TABLE|d$)/;

const STATEMENTS = Object.entries({ ...PAGE_SQL, ...LOG_SQL, ...STATE_SQL, held: TOPOLOGY_SQL.held });

it('STO-25 every read is an index range: no scan of a table, no sorting of what it finds', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  await seedMessages(file, { networkId: 'local', rooms: ['general', 'other'], messages: 2_000 });
  const store = await openFile(file);
  await store.commit(
    upTo(200).map((i) =>
      writesOf(
        messageOf(`t${i}`, `thread:t${i % 20}`, { mentions: ['beta'], artifacts: 1 }),
        messageOf(`d${i}`, `dm:d${i % 20}`, { participants: ['alpha', `p${i % 20}`] }),
      ),
    ),
  );
  await store.commit(
    upTo(50).map((i) =>
      rowsOf({ op: 'wake.open', row: wakeOf(`w${i}`, { state: i % 2 === 0 ? 'failed' : 'open' }) }),
    ),
  );
  await store.close();

  // The plans may not depend on statistics: neither on those of such a small database, nor on there being some.
  const db = new DatabaseSync(file);
  db.exec('ANALYZE');
  expect(db.prepare('SELECT count(*) AS n FROM sqlite_stat1').get()!['n']).toBeGreaterThan(10);
  expect(unindexed(db)).toEqual([]);
  db.exec('DELETE FROM sqlite_stat1');
  db.close();
  const fresh = new DatabaseSync(file);
  expect(unindexed(fresh)).toEqual([]);
  fresh.close();
});

function unindexed(db: DatabaseSync): string[] {
  const found: string[] = [];
  for (const [name, sql] of STATEMENTS) {
    for (const row of db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all()) {
      const detail = String(row['detail']);
      const scan = detail.startsWith('SCAN') && !BOUNDED.test(detail) && !FROM_THE_END[name]?.test(detail);
      if (scan || /TEMP B-TREE|AUTOMATIC/.test(detail)) found.push(`${name}: ${detail}`);
    }
  }
  return found;
}
