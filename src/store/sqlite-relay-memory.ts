/** Counts toward quotas, and what is forgotten of relay: on the writing connection. */
import type { DatabaseSync } from 'node:sqlite';
import { RELAY_MEMORY_SQL } from './relay-memory-sql.ts';
import type { RelayKept, Reservation } from './relay-rows.ts';
import { prepareAll } from './sqlite-prepare.ts';
import { integer, text } from './sqlite-rows.ts';
import { transaction } from './migrations.ts';

export type MemoryCall = { kind: 'reserve'; of: Reservation } | { kind: 'forget'; kept: RelayKept };

const RESERVE = `INSERT INTO quotas AS q (name, span, used, granted) VALUES (?1, ?2, min(?3, ?4), min(?3, ?4))
  ON CONFLICT (name) DO UPDATE SET
    span = excluded.span,
    granted = CASE WHEN q.span = excluded.span THEN max(0, min(?3, ?4 - q.used)) ELSE excluded.granted END,
    used = CASE WHEN q.span = excluded.span THEN q.used + max(0, min(?3, ?4 - q.used)) ELSE excluded.used END
  RETURNING granted`;

/** The answer of `reserve` is what was granted; of `forget` nothing. */
export function createRelayMemory(db: DatabaseSync): (call: MemoryCall) => number {
  const sql = prepareAll(db, { ...RELAY_MEMORY_SQL, reserve: RESERVE });
  return (call) => {
    if (call.kind === 'reserve') {
      const { name, span, amount, most } = call.of;
      return integer(sql.reserve.get(name, span, amount, most)!, 'granted');
    }
    const { refusals, taken } = call.kept;
    transaction(db, () => {
      for (const row of sql.refusalsOver.all(refusals + 1)) {
        const [seq, owner] = [integer(row, 'seq'), text(row, 'owner')];
        sql.floorRefusals.run(seq, owner);
        sql.forgetRefusals.run(seq, owner);
      }
      for (const row of sql.takenOver.all(taken))
        sql.forgetTaken.run(integer(row, 'seq'), text(row, 'owner'));
    });
    return 0;
  };
}
