/** What retention may remove. It counts through a whole room, so it runs in the read worker. */
import type { DatabaseSync } from 'node:sqlite';
import { prepareAll } from './sqlite-prepare.ts';
import { MESSAGE, storedMessage } from './sqlite-rows.ts';
import type { StoredMessage } from './log-rows.ts';
import type { Store } from './store.ts';

type Of = Parameters<Store['prunable']>[0];
type Keep = Parameters<Store['prunable']>[1];

const ROOM = 'events e INDEXED BY events_room CROSS JOIN messages m ON m.seq = e.seq WHERE e.room_id = ?';
const DMS = `(SELECT DISTINCT seq FROM dm_events INDEXED BY dm_events_seq WHERE seq > ?) d
  CROSS JOIN messages m ON m.seq = d.seq CROSS JOIN events e ON e.seq = m.seq`;

const SQL = {
  roomOldest: `SELECT ${MESSAGE} FROM ${ROOM} ORDER BY e.seq LIMIT ?`,
  roomNewest: `SELECT m.seq FROM ${ROOM} ORDER BY e.seq DESC LIMIT 1 OFFSET ?`,
  dmsOldest: `SELECT ${MESSAGE} FROM ${DMS} ORDER BY m.seq LIMIT ?`,
  dmsNewest: `SELECT m.seq FROM ${DMS} ORDER BY m.seq DESC LIMIT 1 OFFSET ?`,
} as const;

/** Store.prunable over a connection that reads the database. */
export function createPrunable(db: DatabaseSync) {
  const sql = prepareAll(db, SQL);
  return (of: Of, { before, newest }: Keep, limit: number): StoredMessage[] => {
    const [oldest, cut, key] =
      'room_id' in of ? [sql.roomOldest, sql.roomNewest, of.room_id] : [sql.dmsOldest, sql.dmsNewest, 0];
    const upTo = newest === undefined ? -1 : Number(cut.get(key, newest)?.['seq'] ?? -1);
    const time = before === undefined ? undefined : Date.parse(before);
    return oldest
      .all(key, Math.min(limit, 500))
      .map(storedMessage)
      .filter(({ seq, created_at }) => seq <= upTo || (time !== undefined && Date.parse(created_at) < time));
  };
}
