/** Rows of guard_pairs of one batch: each is whole, so only the last one of a pair is written. */
import type { DatabaseSync } from 'node:sqlite';
import type { PairRow } from './log-rows.ts';

/** Milliseconds after its last turn for which a pair's row is kept, and between two looks for those that are over. */
const KEPT = 3_600_000;

export interface PairRows {
  put(row: PairRow): void;
  flush(): void;
  /** The batch failed: nothing of it was written. */
  undone(): void;
}

export function pairRows(db: DatabaseSync): PairRows {
  const upsert = db.prepare(
    `INSERT INTO guard_pairs (pair, speaker, at, turns) VALUES (?, ?, ?, ?)
     ON CONFLICT (pair) DO UPDATE SET speaker = excluded.speaker, at = excluded.at, turns = excluded.turns`,
  );
  const forget = db.prepare('DELETE FROM guard_pairs WHERE at < ?');
  const pending = new Map<string, PairRow>();
  let looked = 0;
  return {
    put: (row) => void pending.set(row.pair, row),
    flush() {
      if (pending.size === 0) return;
      let newest = 0;
      for (const { pair, speaker, at, turns } of pending.values()) {
        upsert.run(pair, speaker, at, turns);
        newest = Math.max(newest, at);
      }
      pending.clear();
      if (newest - looked < KEPT) return;
      looked = newest;
      forget.run(newest - KEPT);
    },
    undone: () => pending.clear(),
  };
}
