/** Reads of history and collections: messages, artifacts, threads and DMs. Every one is an index range. */
import type { DatabaseSync } from 'node:sqlite';
import type { ConversationKey } from '../protocol/conversation.ts';
import { prepareAll } from './sqlite-prepare.ts';
import { idBounds, readPage, seqBounds, type Bounds } from './sqlite-paging.ts';
import {
  ARTIFACT,
  artifactRow,
  CONVERSATION,
  conversationRow,
  MESSAGE,
  storedMessage,
  type Row,
} from './sqlite-rows.ts';
import type { ArtifactRow, ConversationRow, PageRequest, PageRows, StoredMessage } from './log-rows.ts';

/** Above every seq and every id: the open end of a range. Ids are ASCII. */
export const LAST_SEQ = Number.MAX_SAFE_INTEGER;
export const LAST_ID = '\u{10ffff}';

const MESSAGES = 'messages m INDEXED BY messages_conversation CROSS JOIN events e ON e.seq = m.seq';
const THREADS = 'conversations c INDEXED BY conversations_thread';
const ACTIVITY = 'conversations c INDEXED BY conversations_room';
const DMS = 'conversations c INDEXED BY conversations_dm';
const MANY = 'json_each(?) j CROSS JOIN';
const DMS_OF = `dm_participants p INDEXED BY dm_participants_id CROSS JOIN conversations c ON c.key = 'dm:' || p.dm_id`;

/**
 * The statements, by name: tests ask SQLite for the plan of each. INDEXED BY, because statistics of a small or lopsided
 * database (one that has one room so far) would have SQLite filter the whole history instead.
 */
export const PAGE_SQL = {
  messagesById: `SELECT ${MESSAGE} FROM ${MANY} messages m ON m.id = j.value CROSS JOIN events e ON e.seq = m.seq`,
  messagesAfter: `SELECT ${MESSAGE} FROM ${MESSAGES} WHERE m.conversation = ? AND m.seq > ? AND m.seq < ? ORDER BY m.seq LIMIT ?`,
  messagesBefore: `SELECT ${MESSAGE} FROM ${MESSAGES} WHERE m.conversation = ? AND m.seq > ? AND m.seq < ? ORDER BY m.seq DESC LIMIT ?`,
  messagesUpTo:
    'SELECT 1 FROM messages INDEXED BY messages_conversation WHERE conversation = ? AND seq <= ? LIMIT 1',
  messagesFrom:
    'SELECT 1 FROM messages INDEXED BY messages_conversation WHERE conversation = ? AND seq >= ? LIMIT 1',

  artifactPlace: 'SELECT seq, part_index FROM artifacts WHERE id = ?',
  ...artifactSql('conversation', 'Conversation', 'artifacts_conversation'),
  ...artifactSql('room_id', 'Room', 'artifacts_room'),

  conversationsByKey: `SELECT ${CONVERSATION} FROM ${MANY} conversations c ON c.key = j.value`,
  threadsAfter: `SELECT ${CONVERSATION} FROM ${THREADS} WHERE c.kind = 'thread' AND c.room_id = ? AND c.id > ? AND c.id < ? ORDER BY c.id LIMIT ?`,
  threadsBefore: `SELECT ${CONVERSATION} FROM ${THREADS} WHERE c.kind = 'thread' AND c.room_id = ? AND c.id > ? AND c.id < ? ORDER BY c.id DESC LIMIT ?`,
  threadsUpTo: `SELECT 1 FROM ${THREADS} WHERE kind = 'thread' AND room_id = ? AND id <= ? LIMIT 1`,
  threadsFrom: `SELECT 1 FROM ${THREADS} WHERE kind = 'thread' AND room_id = ? AND id >= ? LIMIT 1`,
  threadActivity: `SELECT last_seq FROM conversations WHERE key = 'thread:' || ?`,
  // Newest first is this page's ascending order, so its bounds are the other way round.
  activityAfter: `SELECT ${CONVERSATION} FROM ${ACTIVITY} WHERE c.kind = 'thread' AND c.room_id = ? AND c.last_seq < ? AND c.last_seq > ? ORDER BY c.last_seq DESC LIMIT ?`,
  activityBefore: `SELECT ${CONVERSATION} FROM ${ACTIVITY} WHERE c.kind = 'thread' AND c.room_id = ? AND c.last_seq < ? AND c.last_seq > ? ORDER BY c.last_seq LIMIT ?`,
  activityUpTo: `SELECT 1 FROM ${ACTIVITY} WHERE kind = 'thread' AND room_id = ? AND last_seq >= ? LIMIT 1`,
  activityFrom: `SELECT 1 FROM ${ACTIVITY} WHERE kind = 'thread' AND room_id = ? AND last_seq <= ? LIMIT 1`,

  dmsAfter: `SELECT ${CONVERSATION} FROM ${DMS} WHERE c.kind = 'dm' AND c.id > ? AND c.id < ? ORDER BY c.id LIMIT ?`,
  dmsBefore: `SELECT ${CONVERSATION} FROM ${DMS} WHERE c.kind = 'dm' AND c.id > ? AND c.id < ? ORDER BY c.id DESC LIMIT ?`,
  dmsUpTo: `SELECT 1 FROM ${DMS} WHERE kind = 'dm' AND id <= ? LIMIT 1`,
  dmsFrom: `SELECT 1 FROM ${DMS} WHERE kind = 'dm' AND id >= ? LIMIT 1`,
  dmsOfAfter: `SELECT ${CONVERSATION} FROM ${DMS_OF} WHERE p.participant = ? AND p.dm_id > ? AND p.dm_id < ? ORDER BY p.dm_id LIMIT ?`,
  dmsOfBefore: `SELECT ${CONVERSATION} FROM ${DMS_OF} WHERE p.participant = ? AND p.dm_id > ? AND p.dm_id < ? ORDER BY p.dm_id DESC LIMIT ?`,
  dmsOfUpTo:
    'SELECT 1 FROM dm_participants INDEXED BY dm_participants_id WHERE participant = ? AND dm_id <= ? LIMIT 1',
  dmsOfFrom:
    'SELECT 1 FROM dm_participants INDEXED BY dm_participants_id WHERE participant = ? AND dm_id >= ? LIMIT 1',
} as const;

function artifactSql<C extends string, N extends 'Conversation' | 'Room'>(column: C, name: N, index: string) {
  const range = `FROM artifacts a INDEXED BY ${index} WHERE a.${column} = ? AND (a.seq, a.part_index) > (?, ?) AND (a.seq, a.part_index) < (?, ?) ORDER BY`;
  const sql = {
    After: `SELECT ${ARTIFACT} ${range} a.seq, a.part_index LIMIT ?`,
    Before: `SELECT ${ARTIFACT} ${range} a.seq DESC, a.part_index DESC LIMIT ?`,
    UpTo: `SELECT 1 FROM artifacts INDEXED BY ${index} WHERE ${column} = ? AND (seq, part_index) <= (?, ?) LIMIT 1`,
    From: `SELECT 1 FROM artifacts INDEXED BY ${index} WHERE ${column} = ? AND (seq, part_index) >= (?, ?) LIMIT 1`,
    Exists: `SELECT 1 FROM artifacts WHERE id = ? AND ${column} = ?`,
  };
  type Names = { [K in keyof typeof sql as `artifacts${N}${K}`]: string };
  return Object.fromEntries(
    Object.entries(sql).map(([key, value]) => [`artifacts${name}${key}`, value]),
  ) as Names;
}

type Of = { conversation: ConversationKey } | { room_id: string };
/** Where an artifact stands in history. */
export interface Place {
  seq: number;
  part_index: number;
}

export type PageReads = ReturnType<typeof createPageReads>;

export function createPageReads(db: DatabaseSync) {
  const sql = prepareAll(db, PAGE_SQL);

  /** A source whose statements take (...fixed, after, before, limit). */
  function source<T, C extends string | number>(
    names: {
      after: keyof typeof PAGE_SQL;
      before: keyof typeof PAGE_SQL;
      upTo: keyof typeof PAGE_SQL;
      from: keyof typeof PAGE_SQL;
    },
    fixed: string[],
    first: C,
    last: C,
    map: (row: Row) => T,
  ) {
    return {
      ascending: ({ after, before }: Bounds<C>, limit: number) =>
        sql[names.after].all(...fixed, after ?? first, before ?? last, limit).map(map),
      descending: ({ after, before }: Bounds<C>, limit: number) =>
        sql[names.before].all(...fixed, after ?? first, before ?? last, limit).map(map),
      anyUpTo: (bound: C) => sql[names.upTo].get(...fixed, bound) !== undefined,
      anyFrom: (bound: C) => sql[names.from].get(...fixed, bound) !== undefined,
    };
  }

  function artifactSource(of: Of) {
    const value = 'room_id' in of ? of.room_id : of.conversation;
    const [after, before, upTo, from] =
      'room_id' in of
        ? [sql.artifactsRoomAfter, sql.artifactsRoomBefore, sql.artifactsRoomUpTo, sql.artifactsRoomFrom]
        : [
            sql.artifactsConversationAfter,
            sql.artifactsConversationBefore,
            sql.artifactsConversationUpTo,
            sql.artifactsConversationFrom,
          ];
    const range = (bounds: Bounds<Place>) =>
      [
        bounds.after?.seq ?? 0,
        bounds.after?.part_index ?? -1,
        bounds.before?.seq ?? LAST_SEQ,
        bounds.before?.part_index ?? 0,
      ] as const;
    return {
      ascending: (bounds: Bounds<Place>, limit: number) =>
        after.all(value, ...range(bounds), limit).map(artifactRow),
      descending: (bounds: Bounds<Place>, limit: number) =>
        before.all(value, ...range(bounds), limit).map(artifactRow),
      anyUpTo: (bound: Place) => upTo.get(value, bound.seq, bound.part_index) !== undefined,
      anyFrom: (bound: Place) => from.get(value, bound.seq, bound.part_index) !== undefined,
    };
  }

  /** A bound that names a row is looked up; one that names none makes the page empty. */
  function placed<C>(request: PageRequest, place: (id: string) => C | undefined): Bounds<C> | undefined {
    const bounds: Bounds<C> = {};
    const ids = idBounds(request);
    for (const side of ['before', 'after'] as const) {
      const id = ids[side];
      if (id === undefined) continue;
      const found = place(id);
      if (found === undefined) return undefined;
      bounds[side] = found;
    }
    return bounds;
  }

  return {
    messages(ids: readonly string[]): Map<string, StoredMessage> {
      return new Map(
        sql.messagesById.all(JSON.stringify(ids)).map((row) => [row['id'] as string, storedMessage(row)]),
      );
    },
    conversations(keys: readonly ConversationKey[]): Map<ConversationKey, ConversationRow> {
      return new Map(
        sql.conversationsByKey
          .all(JSON.stringify(keys))
          .map((row) => [row['key'] as ConversationKey, conversationRow(row)]),
      );
    },
    messagePage(conversation: ConversationKey, page: PageRequest): PageRows<StoredMessage> {
      const names = {
        after: 'messagesAfter',
        before: 'messagesBefore',
        upTo: 'messagesUpTo',
        from: 'messagesFrom',
      } as const;
      return readPage(
        source(names, [conversation], 0, LAST_SEQ, storedMessage),
        seqBounds(page),
        page.limit,
        'newest',
      );
    },
    artifactPage(of: Of, page: PageRequest): PageRows<ArtifactRow> {
      const bounds = placed(page, (id) => sql.artifactPlace.get(id) as Place | undefined);
      return bounds ? readPage(artifactSource(of), bounds, page.limit, 'newest') : emptyPage();
    },
    artifactExists(of: Of, id: string): boolean {
      const row =
        'room_id' in of
          ? sql.artifactsRoomExists.get(id, of.room_id)
          : sql.artifactsConversationExists.get(id, of.conversation);
      return row !== undefined;
    },
    threadPage(roomId: string, page: PageRequest): PageRows<ConversationRow> {
      if (page.order !== 'activity') {
        const names = {
          after: 'threadsAfter',
          before: 'threadsBefore',
          upTo: 'threadsUpTo',
          from: 'threadsFrom',
        } as const;
        return readPage(
          source(names, [roomId], '', LAST_ID, conversationRow),
          idBounds(page),
          page.limit,
          'first',
        );
      }
      const names = {
        after: 'activityAfter',
        before: 'activityBefore',
        upTo: 'activityUpTo',
        from: 'activityFrom',
      } as const;
      const bounds = placed(page, (id) => sql.threadActivity.get(id)?.['last_seq'] as number | undefined);
      return bounds
        ? readPage(source(names, [roomId], LAST_SEQ, -1, conversationRow), bounds, page.limit, 'first')
        : emptyPage();
    },
    dmPage(participant: string | undefined, page: PageRequest): PageRows<ConversationRow> {
      if (participant === undefined) {
        const names = { after: 'dmsAfter', before: 'dmsBefore', upTo: 'dmsUpTo', from: 'dmsFrom' } as const;
        return readPage(source(names, [], '', LAST_ID, conversationRow), idBounds(page), page.limit, 'first');
      }
      const names = {
        after: 'dmsOfAfter',
        before: 'dmsOfBefore',
        upTo: 'dmsOfUpTo',
        from: 'dmsOfFrom',
      } as const;
      return readPage(
        source(names, [participant], '', LAST_ID, conversationRow),
        idBounds(page),
        page.limit,
        'first',
      );
    },
  };
}

export const emptyPage = <T>(): PageRows<T> => ({ rows: [], more_before: false, more_after: false });
