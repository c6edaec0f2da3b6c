/** Reads of the log on Postgres: events for an audience, a conversation's events, and what changed since. */
import type { ConversationKey } from '../protocol/conversation.ts';
import { LOG_SQL, type Audience } from './sqlite-log-reads.ts';
import { bounded } from './sqlite-paging.ts';
import { conversationRow, EVENT, logEvent } from './sqlite-rows.ts';
import type { Sessions, Statement } from './postgres-sessions.ts';
import { statements } from './postgres-sql.ts';
import type { ConversationRow, LogEvent } from './log-rows.ts';

/** An audience of more rooms than this is read off the log itself first: it is probably most of it. */
const MERGED_ROOMS = 64;
/** Rows of the log that this looks at. */
const SCANNED = 1_000;

const SQL = statements('log', LOG_SQL);
const EVENT_SEQ: Statement = { name: 'moltnet_log_eventSeq', text: 'SELECT seq FROM events WHERE id = $1' };
/** Values: rooms, participant, agent, after, head, limit. Each source is asked for no more than can be among them. */
const MERGED: Statement = {
  name: 'moltnet_log_merged',
  text: `SELECT ${EVENT} FROM (SELECT seq FROM (
      SELECT r.seq FROM unnest($1::TEXT[]) AS j(id) CROSS JOIN LATERAL (SELECT seq FROM events
        WHERE room_id = j.id AND seq > $4 AND seq <= $5 ORDER BY seq LIMIT $6) r
      UNION (SELECT seq FROM dm_events WHERE participant = $2 AND seq > $4 AND seq <= $5 ORDER BY seq LIMIT $6)
      UNION (SELECT seq FROM events WHERE agent_id = $3 AND seq > $4 AND seq <= $5 ORDER BY seq LIMIT $6)
    ) u ORDER BY seq LIMIT $6) s JOIN events e ON e.seq = s.seq ORDER BY e.seq`,
};
/** The first stretch of the log, filtered, and how far it goes. */
const SCANNED_EVENTS: Statement = {
  name: 'moltnet_log_scanned',
  text: `WITH stretch AS MATERIALIZED (SELECT e.seq, e.room_id, e.agent_id, e.participants FROM events e
      WHERE e.seq > $4 AND e.seq <= $5 ORDER BY e.seq LIMIT ${SCANNED})
    SELECT ${EVENT}, (SELECT max(seq) FROM stretch) AS reached, (SELECT count(*) FROM stretch) AS looked
    FROM stretch s LEFT JOIN events e ON e.seq = s.seq AND (s.room_id = ANY($1::TEXT[]) OR s.agent_id = $3
      OR (s.participants IS NOT NULL AND s.participants::JSONB ? $2)) ORDER BY s.seq`,
};

export function createLogReads(sessions: Sessions) {
  const one = async (
    statement: Statement,
    column: string,
    values: readonly unknown[] = [],
  ): Promise<unknown> => (await sessions.read(statement, values))[0]?.[column];

  return {
    async eventSeq(id: string): Promise<number | undefined> {
      return (await one(EVENT_SEQ, 'seq', [id])) as number | undefined;
    },
    async eventBounds(): Promise<{ oldest?: string; newest?: string }> {
      const [oldest, newest] = (await Promise.all([
        one(SQL.oldestEvent, 'id'),
        one(SQL.newestEvent, 'id'),
      ])) as (string | undefined)[];
      return { ...(oldest !== undefined && { oldest }), ...(newest !== undefined && { newest }) };
    },
    /** `head` bounds it: what is committed and not yet taken over here must not be read before what is. */
    async events(
      audience: { all: true } | Audience,
      after: number,
      requested: number,
      head: number,
    ): Promise<LogEvent[]> {
      const limit = bounded(requested);
      if (limit === 0) return [];
      if ('all' in audience) return (await sessions.read(SQL.allEvents, [after, head, limit])).map(logEvent);
      const who = [audience.rooms, audience.participant ?? null, audience.agent_id ?? null];
      const events: LogEvent[] = [];
      let from = after;
      if (audience.rooms.length > MERGED_ROOMS) {
        const stretch = await sessions.read(SCANNED_EVENTS, [...who, after, head]);
        for (const row of stretch) {
          if (row['id'] !== null) events.push(logEvent(row));
          if (events.length === limit) return events;
        }
        const looked = stretch[0];
        from = !looked || (looked['looked'] as number) < SCANNED ? head : (looked['reached'] as number);
      }
      if (from < head)
        events.push(
          ...(await sessions.read(MERGED, [...who, from, head, limit - events.length])).map(logEvent),
        );
      return events;
    },
    async conversationEvents(
      conversation: ConversationKey,
      after: number,
      limit: number,
      upTo: number,
    ): Promise<LogEvent[]> {
      return (await sessions.read(SQL.conversationEvents, [conversation, after, upTo, bounded(limit)])).map(
        logEvent,
      );
    },
    async roomConversationsAfter(roomId: string, after: number, limit: number): Promise<ConversationRow[]> {
      return (await sessions.read(SQL.roomConversations, [roomId, after, bounded(limit)])).map(
        conversationRow,
      );
    },
    async dmConversationsAfter(
      participant: string,
      after: number,
      limit: number,
    ): Promise<ConversationRow[]> {
      return (await sessions.read(SQL.dmConversations, [participant, after, bounded(limit)])).map(
        conversationRow,
      );
    },
    async mentionsAfter(
      agentId: string,
      roomId: string | undefined,
      after: number,
      limit: number,
    ): Promise<{ seq: number; conversation: ConversationKey }[]> {
      const rows =
        roomId === undefined
          ? await sessions.read(SQL.mentions, [agentId, after, bounded(limit)])
          : await sessions.read(SQL.roomMentions, [agentId, roomId, after, bounded(limit)]);
      return rows.map((row) => ({
        seq: row['seq'] as number,
        conversation: row['conversation'] as ConversationKey,
      }));
    },
  };
}
