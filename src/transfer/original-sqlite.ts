/** The original's SQLite file, opened for reading only. */
import { DatabaseSync } from 'node:sqlite';
import { MoltnetError } from '../protocol/errors.ts';
import type { OriginalDatabase, OriginalQuery, OriginalRow } from './original.ts';

/** The order of time of RFC 3339 texts whose fractions have no trailing zeros: with nine digits they sort as text. */
const TIME = `substr(created_at, 1, 19) || substr(CASE WHEN instr(created_at, '.') > 0
  THEN substr(created_at, 21, length(created_at) - 21) ELSE '' END || '000000000', 1, 9)`;

const QUERIES: Record<OriginalQuery, string> = {
  rooms: `SELECT * FROM rooms ORDER BY ${TIME}, id`,
  members: 'SELECT room_id, member_id FROM room_members ORDER BY room_id, member_id',
  agents: `SELECT * FROM agents ORDER BY ${TIME}, agent_id`,
  threads: 'SELECT id, room_id, parent_message_id FROM threads',
  dms: 'SELECT dm_id, participant_id FROM dm_participants ORDER BY dm_id, participant_id',
  messages: `SELECT * FROM messages ORDER BY ${TIME}, id`,
};

/** Whether a file is a SQLite database of the original. */
export function isOriginalSqlite(path: string): boolean {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    const tables = db
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
      .all()
      .map((row) => String(row['name']));
    return ['schema_migrations', 'rooms', 'messages', 'dm_conversations'].every((name) =>
      tables.includes(name),
    );
  } catch {
    return false;
  } finally {
    db?.close();
  }
}

/** Throws MoltnetError `bad_request` when it cannot be read. The caller closes it. */
export function openOriginalSqlite(path: string): OriginalDatabase & { close(): void } {
  const db = new DatabaseSync(path, { readOnly: true });
  return {
    async *rows(query): AsyncGenerator<OriginalRow> {
      try {
        yield* db.prepare(QUERIES[query]).iterate() as Iterable<OriginalRow>;
      } catch (error) {
        throw new MoltnetError('bad_request', `${path} cannot be read: ${(error as Error).message}`, {
          cause: error,
        });
      }
    },
    close: () => db.close(),
  };
}
