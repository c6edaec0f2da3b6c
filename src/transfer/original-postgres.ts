/** The original's tables in Postgres (wire.md 15.1), read in bounded pages. */
import pg from 'pg';
import { MoltnetError } from '../protocol/errors.ts';
import { postgresTarget } from '../store/postgres-dsn.ts';
import type { OriginalDatabase, OriginalQuery, OriginalRow } from './original.ts';

const PAGE = 1_000;
/** A time as the original tells it: RFC 3339 in UTC, to the microsecond, without trailing zeros. */
const time = (column: string): string =>
  `regexp_replace(to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '\\.?0+$', '') || 'Z' AS ${column}`;

/** Of each query: what is read, from where, and the columns by which it is ordered and goes on. */
const QUERIES: Record<OriginalQuery, { select: string; from: string; by: [string, string] }> = {
  rooms: {
    select: `id, network_id, name, visibility, write_policy, ${time('created_at')}, ${time('deleted_at')}`,
    from: 'rooms',
    by: ['created_at', 'id'],
  },
  members: { select: 'room_id, member_id', from: 'room_members', by: ['room_id', 'member_id'] },
  agents: {
    select: `agent_id, network_id, actor_uid, display_name, credential_key, ${time('created_at')}, ${time('updated_at')}`,
    from: 'agents',
    by: ['created_at', 'agent_id'],
  },
  threads: { select: 'id, room_id, parent_message_id', from: 'threads', by: ['room_id', 'id'] },
  dms: { select: 'dm_id, participant_id', from: 'dm_participants', by: ['dm_id', 'participant_id'] },
  messages: {
    select: `id, network_id, target_kind, room_id, thread_id, dm_id, target_json::TEXT, from_json::TEXT, parts_json::TEXT,
      mentions_json::TEXT, origin_json::TEXT, ${time('created_at')}`,
    from: 'messages',
    by: ['created_at', 'id'],
  },
};

/** Throws MoltnetError `bad_request` when it cannot be reached, or is no database of the original. The caller closes it. */
export async function openOriginalPostgres(
  dsn: string,
): Promise<OriginalDatabase & { close(): Promise<void> }> {
  const { client: options, shown } = postgresTarget(dsn);
  const client = new pg.Client(options);
  const refuse = (error: unknown): MoltnetError =>
    new MoltnetError('bad_request', `${shown} cannot be read: ${(error as Error).message}`, { cause: error });
  try {
    await client.connect();
    const { rows } = await client.query(
      `SELECT to_regclass('schema_migrations') IS NOT NULL AND to_regclass('dm_conversations') IS NOT NULL AS is`,
    );
    if (rows[0]?.['is'] !== true) throw new Error('it has no tables of the original');
  } catch (error) {
    await client.end().catch(() => {});
    throw refuse(error);
  }
  return {
    async *rows(query): AsyncGenerator<OriginalRow> {
      const { select, from, by } = QUERIES[query];
      const order = by.map((column) => `${from}.${column}`).join(', ');
      const place = by.map((column, i) => `${from}.${column}::TEXT AS place_${i}`).join(', ');
      const type = by[0] === 'created_at' ? 'TIMESTAMPTZ' : 'TEXT';
      let last: OriginalRow | undefined;
      do {
        const after = last ? `WHERE (${order}) > ($1::${type}, $2::TEXT)` : '';
        const values = last ? [last['place_0'], last['place_1']] : [];
        const { rows } = await client
          .query<OriginalRow>(
            `SELECT ${select}, ${place} FROM ${from} ${after} ORDER BY ${order} LIMIT ${PAGE}`,
            values,
          )
          .catch((error: unknown) => {
            throw refuse(error);
          });
        yield* rows;
        last = rows.length === PAGE ? rows.at(-1) : undefined;
      } while (last);
    },
    close: () => client.end(),
  };
}
