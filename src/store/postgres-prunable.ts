/** What retention may remove, on Postgres. */
import type { Sessions, Statement } from './postgres-sessions.ts';
import { MESSAGE, storedMessage } from './sqlite-rows.ts';
import type { StoredMessage } from './log-rows.ts';
import type { Store } from './store.ts';

const ROOM = 'events e JOIN messages m ON m.seq = e.seq WHERE e.room_id = $1';
const DMS =
  '(SELECT DISTINCT seq FROM dm_events) d JOIN messages m ON m.seq = d.seq JOIN events e ON e.seq = m.seq WHERE $1::TEXT IS NOT NULL';

const statements = (name: string, from: string): { oldest: Statement; newest: Statement } => ({
  oldest: {
    name: `moltnet_prunable_${name}`,
    text: `SELECT ${MESSAGE} FROM ${from} ORDER BY e.seq LIMIT $2`,
  },
  newest: {
    name: `moltnet_kept_${name}`,
    text: `SELECT m.seq FROM ${from} ORDER BY e.seq DESC LIMIT 1 OFFSET $2`,
  },
});
const OF_ROOM = statements('room', ROOM);
const OF_DMS = statements('dms', DMS);

/** Store.prunable. */
export async function prunable(
  sessions: Sessions,
  of: Parameters<Store['prunable']>[0],
  { before, newest }: Parameters<Store['prunable']>[1],
  limit: number,
): Promise<StoredMessage[]> {
  const [sql, key] = 'room_id' in of ? [OF_ROOM, of.room_id] : [OF_DMS, ''];
  const cut = newest === undefined ? undefined : (await sessions.read(sql.newest, [key, newest]))[0];
  const upTo = Number(cut?.['seq'] ?? -1);
  const time = before === undefined ? undefined : Date.parse(before);
  const rows = await sessions.read(sql.oldest, [key, Math.min(limit, 500)]);
  return rows
    .map(storedMessage)
    .filter(({ seq, created_at }) => seq <= upTo || (time !== undefined && Date.parse(created_at) < time));
}
