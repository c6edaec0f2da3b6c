/** Reads of the log: events for an audience, a conversation's events, and what changed since. Every one is an index range. */
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ConversationKey } from '../protocol/conversation.ts';
import { createEventIds } from './sqlite-event-ids.ts';
import { bounded } from './sqlite-paging.ts';
import { prepareAll } from './sqlite-prepare.ts';
import { CONVERSATION, conversationRow, EVENT, logEvent } from './sqlite-rows.ts';
import type { ConversationRow, LogEvent } from './log-rows.ts';

/** An audience of more rooms than this is read off the log itself first: it is probably most of it. */
const MERGED_ROOMS = 64;
/** Rows of the log, or rooms of the audience, that one turn of the event loop looks at. */
const SCANNED = 1_000;
const ROOMS_PER_TURN = 256;

export const LOG_SQL = {
  oldestEvent: 'SELECT id FROM events ORDER BY seq LIMIT 1',
  newestEvent: 'SELECT id FROM events ORDER BY seq DESC LIMIT 1',
  allEvents: `SELECT ${EVENT} FROM events e WHERE e.seq > ? AND e.seq <= ? ORDER BY e.seq LIMIT ?`,
  routes:
    'SELECT seq, room_id, participants, agent_id FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?',
  roomSeqs:
    'SELECT seq FROM events INDEXED BY events_room WHERE room_id = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?',
  participantSeqs:
    'SELECT seq FROM dm_events INDEXED BY sqlite_autoindex_dm_events_1 WHERE participant = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?',
  agentSeqs:
    'SELECT seq FROM events INDEXED BY events_agent WHERE agent_id = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?',
  eventsBySeq: `SELECT ${EVENT} FROM json_each(?) j CROSS JOIN events e ON e.seq = j.value`,
  conversationEvents: `SELECT ${EVENT} FROM messages m INDEXED BY messages_conversation CROSS JOIN events e ON e.seq = m.seq
    WHERE m.conversation = ? AND m.seq > ? AND m.seq <= ? ORDER BY m.seq LIMIT ?`,
  roomConversations: `SELECT ${CONVERSATION} FROM conversations c INDEXED BY conversations_room WHERE c.room_id = ? AND c.last_seq > ? ORDER BY c.last_seq LIMIT ?`,
  dmConversations: `SELECT ${CONVERSATION} FROM dm_participants p INDEXED BY dm_participants_activity CROSS JOIN conversations c ON c.key = 'dm:' || p.dm_id
    WHERE p.participant = ? AND p.last_seq > ? ORDER BY p.last_seq LIMIT ?`,
  mentions:
    'SELECT seq, conversation FROM mentions INDEXED BY mentions_agent WHERE agent_id = ? AND seq > ? ORDER BY seq LIMIT ?',
  roomMentions:
    'SELECT seq, conversation FROM mentions INDEXED BY mentions_agent_room WHERE agent_id = ? AND room_id = ? AND seq > ? ORDER BY seq LIMIT ?',
} as const;

export interface Audience {
  rooms: readonly string[];
  participant?: string;
  agent_id?: string;
}

export type LogReads = ReturnType<typeof createLogReads>;

export function createLogReads(db: DatabaseSync) {
  const sql = prepareAll(db, LOG_SQL);
  const ids = createEventIds(db);

  /** The first `limit` seqs of some sources, merged: each source is asked only for what can still be among them. */
  async function mergedSeqs(
    audience: Audience,
    after: number,
    head: number,
    limit: number,
  ): Promise<number[]> {
    let seqs: number[] = [];
    let upTo = head;
    const take = (statement: keyof typeof LOG_SQL, key: string): void => {
      const found = sql[statement].all(key, after, upTo, limit);
      if (found.length === 0) return;
      // An event with two reasons to be read (two sources) is there once.
      seqs = [...new Set([...seqs, ...found.map((row) => row['seq'] as number)])]
        .sort((a, b) => a - b)
        .slice(0, limit);
      if (seqs.length === limit) upTo = seqs.at(-1)! - 1;
    };
    if (audience.participant !== undefined) take('participantSeqs', audience.participant);
    if (audience.agent_id !== undefined) take('agentSeqs', audience.agent_id);
    for (const [i, room] of audience.rooms.entries()) {
      if (i > 0 && i % ROOMS_PER_TURN === 0) await nextTurn();
      if (upTo <= after) break;
      take('roomSeqs', room);
    }
    return seqs;
  }

  /** One stretch of the log, filtered: enough when the audience is nearly everything. */
  function scannedSeqs(
    audience: Audience,
    after: number,
    head: number,
    limit: number,
  ): { seqs: number[]; reached: number } {
    const rooms = new Set(audience.rooms);
    const seqs: number[] = [];
    const stretch = sql.routes.all(after, head, SCANNED);
    for (const row of stretch) {
      const room = row['room_id'] as string | null;
      const participants = row['participants'] as string | null;
      const mine =
        (room !== null && rooms.has(room)) ||
        (audience.agent_id !== undefined && row['agent_id'] === audience.agent_id) ||
        (audience.participant !== undefined &&
          participants !== null &&
          (JSON.parse(participants) as string[]).includes(audience.participant));
      if (mine) seqs.push(row['seq'] as number);
      if (seqs.length === limit) return { seqs, reached: row['seq'] as number };
    }
    return { seqs, reached: stretch.length < SCANNED ? head : (stretch.at(-1)!['seq'] as number) };
  }

  return {
    /** Told every event that was committed, in order of seq. */
    committed: (seq: number, id: string): void => ids.add(seq, id),
    eventSeq: (id: string): number | undefined => ids.seqOf(id),
    eventBounds(): { oldest?: string; newest?: string } {
      const oldest = sql.oldestEvent.get()?.['id'] as string | undefined;
      const newest = sql.newestEvent.get()?.['id'] as string | undefined;
      return { ...(oldest !== undefined && { oldest }), ...(newest !== undefined && { newest }) };
    },
    /**
     * `head` bounds every look-up: the writer goes on while the sources are asked one after the other, and an event
     * that a later source already has must not overtake one that an earlier source did not have yet.
     */
    async events(
      audience: { all: true } | Audience,
      after: number,
      requested: number,
      head: number,
    ): Promise<LogEvent[]> {
      const limit = bounded(requested);
      if (limit === 0) return [];
      if ('all' in audience) return sql.allEvents.all(after, head, limit).map(logEvent);
      let seqs: number[] = [];
      let from = after;
      if (audience.rooms.length > MERGED_ROOMS)
        ({ seqs, reached: from } = scannedSeqs(audience, after, head, limit));
      if (seqs.length < limit && from < head)
        seqs.push(...(await mergedSeqs(audience, from, head, limit - seqs.length)));
      return seqs.length === 0 ? [] : sql.eventsBySeq.all(JSON.stringify(seqs)).map(logEvent);
    },
    conversationEvents(
      conversation: ConversationKey,
      after: number,
      limit: number,
      upTo: number,
    ): LogEvent[] {
      return sql.conversationEvents.all(conversation, after, upTo, bounded(limit)).map(logEvent);
    },
    roomConversationsAfter(roomId: string, after: number, limit: number): ConversationRow[] {
      return sql.roomConversations.all(roomId, after, bounded(limit)).map(conversationRow);
    },
    dmConversationsAfter(participant: string, after: number, limit: number): ConversationRow[] {
      return sql.dmConversations.all(participant, after, bounded(limit)).map(conversationRow);
    },
    mentionsAfter(
      agentId: string,
      roomId: string | undefined,
      after: number,
      limit: number,
    ): { seq: number; conversation: ConversationKey }[] {
      const rows =
        roomId === undefined
          ? sql.mentions.all(agentId, after, bounded(limit))
          : sql.roomMentions.all(agentId, roomId, after, bounded(limit));
      return rows.map((row) => ({
        seq: row['seq'] as number,
        conversation: row['conversation'] as ConversationKey,
      }));
    },
  };
}
