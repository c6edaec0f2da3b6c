import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { seedMessages } from '../../test/support/store-seed.ts';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import { eventOf, messageOf, rowsOf, upTo, wakeOf, writesOf } from '../../test/support/store-writes.ts';
import { EVENT_ID_SQL } from './sqlite-event-ids.ts';
import { LOG_SQL } from './sqlite-log-reads.ts';
import { PAGE_SQL } from './sqlite-page-reads.ts';
import { STATE_SQL, TOPOLOGY_SQL } from './sqlite-state-reads.ts';

/**
 * What each read is driven by: index or table, and the columns that bound the range. A scan walks an index from its
 * end and stops at a LIMIT, or (held) is of an index that holds nothing else. Not told here: the rows of a JSON
 * parameter, and the participants of one DM.
 */
const PLANS: Record<string, string> = {
  messagesById: 'sqlite_autoindex_messages_1 (id=?) then e (rowid=?)',
  messagesAfter: 'messages_conversation (conversation=? AND seq>? AND seq<?) then e (rowid=?)',
  messagesBefore: 'messages_conversation (conversation=? AND seq>? AND seq<?) then e (rowid=?)',
  messagesUpTo: 'messages_conversation (conversation=? AND seq<?)',
  messagesFrom: 'messages_conversation (conversation=? AND seq>?)',
  artifactPlace: 'sqlite_autoindex_artifacts_1 (id=?)',
  artifactsConversationAfter:
    'artifacts_conversation (conversation=? AND (seq,part_index)>(?,?) AND (seq,part_index)<(?,?))',
  artifactsConversationBefore:
    'artifacts_conversation (conversation=? AND (seq,part_index)>(?,?) AND (seq,part_index)<(?,?))',
  artifactsConversationUpTo: 'artifacts_conversation (conversation=? AND (seq,part_index)<(?,?))',
  artifactsConversationFrom: 'artifacts_conversation (conversation=? AND (seq,part_index)>(?,?))',
  artifactsConversationExists: 'sqlite_autoindex_artifacts_1 (id=?)',
  artifactsRoomAfter: 'artifacts_room (room_id=? AND (seq,part_index)>(?,?) AND (seq,part_index)<(?,?))',
  artifactsRoomBefore: 'artifacts_room (room_id=? AND (seq,part_index)>(?,?) AND (seq,part_index)<(?,?))',
  artifactsRoomUpTo: 'artifacts_room (room_id=? AND (seq,part_index)<(?,?))',
  artifactsRoomFrom: 'artifacts_room (room_id=? AND (seq,part_index)>(?,?))',
  artifactsRoomExists: 'sqlite_autoindex_artifacts_1 (id=?)',
  conversationsByKey: 'c (key=?)',
  threadsAfter: 'conversations_thread (room_id=? AND id>? AND id<?)',
  threadsBefore: 'conversations_thread (room_id=? AND id>? AND id<?)',
  threadsUpTo: 'conversations_thread (room_id=? AND id<?)',
  unread: 'messages_conversation (conversation=? AND seq>?) then SCAN (subquery-1)',
  threadsFrom: 'conversations_thread (room_id=? AND id>?)',
  threadActivity: 'conversations (key=?)',
  activityAfter: 'conversations_room (room_id=? AND last_seq>? AND last_seq<?)',
  activityBefore: 'conversations_room (room_id=? AND last_seq>? AND last_seq<?)',
  activityUpTo: 'conversations_room (room_id=? AND last_seq>?)',
  activityFrom: 'conversations_room (room_id=? AND last_seq<?)',
  dmsAfter: 'conversations_dm (id>? AND id<?)',
  dmsBefore: 'conversations_dm (id>? AND id<?)',
  dmsUpTo: 'conversations_dm (id<?)',
  dmsFrom: 'conversations_dm (id>?)',
  dmsOfAfter: 'dm_participants_id (participant=? AND dm_id>? AND dm_id<?) then c (key=?)',
  dmsOfBefore: 'dm_participants_id (participant=? AND dm_id>? AND dm_id<?) then c (key=?)',
  dmsOfUpTo: 'dm_participants_id (participant=? AND dm_id<?)',
  dmsOfFrom: 'dm_participants_id (participant=? AND dm_id>?)',
  idEntries: 'event_ids (rowid>? AND rowid<?)',
  idOfSeq: 'events (rowid=?)',
  lastRun: 'event_ids (rowid<?)',
  idsOfRun: 'events (rowid>? AND rowid<?)',
  oldestEvent: 'SCAN events',
  newestEvent: 'SCAN events',
  allEvents: 'e (rowid>? AND rowid<?)',
  routes: 'events (rowid>? AND rowid<?)',
  roomSeqs: 'events_room (room_id=? AND seq>? AND seq<?)',
  participantSeqs: 'dm_events (participant=? AND seq>? AND seq<?)',
  agentSeqs: 'events_agent (agent_id=? AND seq>? AND seq<?)',
  eventsBySeq: 'e (rowid=?)',
  conversationEvents: 'messages_conversation (conversation=? AND seq>? AND seq<?) then e (rowid=?)',
  roomConversations: 'conversations_room (room_id=? AND last_seq>?)',
  dmConversations: 'dm_participants_activity (participant=? AND last_seq>?) then c (key=?)',
  mentions: 'mentions_agent (agent_id=? AND seq>?)',
  roomMentions: 'mentions_agent_room (agent_id=? AND room_id=? AND seq>?)',
  meta: 'meta (key=?)',
  head: 'SEARCH events',
  scopes: 'delivery_scopes (agent_id=?)',
  positions: 'delivery_positions (agent_id=?)',
  reads: 'reads_latest (person_id=?)',
  openWakes: 'wakes_open (agent_id=?)',
  failedWakes: 'SCAN wakes USING INDEX wakes_failed',
  failedWakesOf: 'wakes_failed_agent (agent_id=?)',
  endedWakes: 'wakes_ended (agent_id=? AND closed_at>?)',
  bootstraps: 'bootstraps (agent_id=?)',
  sessions: 'sessions_expiry (expires_at>?)',
  held: 'SCAN c USING INDEX conversations_held',
};
const NOT_TOLD = /^(SCAN j VIRTUAL TABLE|SCAN d$|SEARCH i |CORRELATED|CO-ROUTINE)/;

it('STO-25 every read is an index range: no scan of a table, no sorting of what it finds', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  await (await openFile(file)).close();
  const db = new DatabaseSync(file);
  expect(plans(db)).toEqual(PLANS);
  db.close();
});

it.each([1, 20])(
  'STO-25 that holds with statistics too, also lopsided ones (%i of everything)',
  async (n) => {
    const file = path.join(scratchFolder(), 'moltnet.db');
    await seedMessages(file, { networkId: 'local', rooms: upTo(n).map((i) => `r${i}`), messages: 1_000 });
    const store = await openFile(file);
    await store.commit(
      upTo(200).map((i) =>
        writesOf(
          messageOf(`t${i}`, `thread:t${i % n}`, { mentions: [`p${i % n}`], artifacts: 1 }),
          messageOf(`d${i}`, `dm:d${i % n}`, { participants: ['alpha', `p${i % n}`] }),
          eventOf(`e${i}`, { agent_id: `p${i % n}` }),
        ),
      ),
    );
    const state = (i: number) => (i % 2 === 0 ? 'failed' : 'open');
    await store.commit(
      upTo(50).map((i) =>
        rowsOf({ op: 'wake.open', row: wakeOf(`w${i}`, { state: state(i), agent_id: `p${i % n}` }) }),
      ),
    );
    await store.close();
    const db = new DatabaseSync(file);
    db.exec('ANALYZE');
    db.close();
    const analysed = new DatabaseSync(file);
    expect(analysed.prepare('SELECT count(*) AS n FROM sqlite_stat1').get()!['n']).toBeGreaterThan(10);
    expect(plans(analysed)).toEqual(PLANS);
    analysed.close();
  },
);

function plans(db: DatabaseSync): Record<string, string> {
  const statements = { ...PAGE_SQL, ...LOG_SQL, ...EVENT_ID_SQL, ...STATE_SQL, held: TOPOLOGY_SQL.held };
  return Object.fromEntries(
    Object.entries(statements).map(([name, sql]) => {
      const details = db
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map((row) => String(row['detail']));
      return [
        name,
        details
          .filter((detail) => !NOT_TOLD.test(detail))
          .map(short)
          .join(' then '),
      ];
    }),
  );
}

/** `SEARCH m USING INDEX x (a=?)` is `x (a=?)`, a primary key goes by its table's name. */
const short = (detail: string): string =>
  detail
    .replace(/^SEARCH \w+ USING (COVERING )?INDEX /, '')
    .replace(/^SEARCH (\w+) USING (INTEGER )?PRIMARY KEY /, '$1 ');
