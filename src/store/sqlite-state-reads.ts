/** Reads of topology, delivery state and meta. */
import type { DatabaseSync } from 'node:sqlite';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import { bounded } from './sqlite-paging.ts';
import { prepareAll } from './sqlite-prepare.ts';
import { PAIRING_TOPOLOGY_SQL, pairingInviteRow, pairingRow, shareRow } from './sqlite-pairing-reads.ts';
import { wakeRow } from './sqlite-delivery-reads.ts';
import { CONVERSATION, conversationRow, integer, nullable, text, type Row } from './sqlite-rows.ts';
import type { PositionRow, ScopeRow, WakeRow } from './delivery-rows.ts';
import type { PairRow } from './log-rows.ts';
import type {
  AgentRow,
  InviteRow,
  MemberRow,
  PauseRow,
  ReadRow,
  RoomRow,
  SessionRow,
  TopologyRows,
} from './topology-rows.ts';

export const STATE_SQL = {
  meta: 'SELECT value FROM meta WHERE key = ?',
  head: 'SELECT max(seq) AS seq FROM events',
  scopes:
    'SELECT agent_id, scope, start_seq, settled_seq FROM delivery_scopes WHERE agent_id = ? ORDER BY scope',
  positions:
    'SELECT agent_id, conversation, acked_seq, passed FROM delivery_positions WHERE agent_id = ? ORDER BY conversation',
  openWakes: `SELECT * FROM wakes INDEXED BY wakes_open WHERE agent_id = ? AND state = 'open' ORDER BY opened_at, wake_id`,
  failedWakes: `SELECT * FROM wakes INDEXED BY wakes_failed WHERE state = 'failed' ORDER BY closed_at DESC, wake_id DESC LIMIT ?`,
  failedWakesOf: `SELECT * FROM wakes INDEXED BY wakes_failed_agent WHERE agent_id = ? AND state = 'failed' ORDER BY closed_at DESC, wake_id DESC LIMIT ?`,
  endedWakes: `SELECT * FROM wakes INDEXED BY wakes_ended WHERE agent_id = ? AND closed_at IS NOT NULL ORDER BY closed_at DESC, wake_id DESC LIMIT ?`,
  bootstraps: 'SELECT room_id FROM bootstraps WHERE agent_id = ? ORDER BY room_id',
  sessions:
    'SELECT * FROM sessions INDEXED BY sessions_expiry WHERE expires_at > ? ORDER BY expires_at, id_hash',
  reads:
    'SELECT * FROM reads INDEXED BY reads_latest WHERE person_id = ? ORDER BY at DESC, conversation DESC LIMIT ?',
  unread: `SELECT count(*) AS count FROM (SELECT 1 FROM messages INDEXED BY messages_conversation
    WHERE conversation = ? AND seq > ? AND sender <> ? LIMIT ?)`,
} as const;

/** Read whole, once, at start-up; bounded by the limits on rooms, members and agents. */
export const TOPOLOGY_SQL = {
  rooms: 'SELECT * FROM rooms ORDER BY id',
  members: 'SELECT room_id, member_id, since_seq FROM room_members ORDER BY room_id, member_id',
  agents: 'SELECT * FROM agents ORDER BY id',
  invites: 'SELECT * FROM invites ORDER BY agent_id',
  pairs: 'SELECT pair, speaker, at, turns FROM guard_pairs ORDER BY at, pair',
  pauses: 'SELECT scope, paused_by, at, until FROM pauses ORDER BY scope',
  ...PAIRING_TOPOLOGY_SQL,
  held: `SELECT ${CONVERSATION} FROM conversations c INDEXED BY conversations_held WHERE c.held_at IS NOT NULL ORDER BY c.held_seq`,
} as const;

export type StateReads = ReturnType<typeof createStateReads>;

export function createStateReads(db: DatabaseSync) {
  const sql = prepareAll(db, STATE_SQL);
  return {
    /** All of it as of one moment: the writer may go on meanwhile. */
    loadTopology(): TopologyRows {
      const topology = prepareAll(db, TOPOLOGY_SQL);
      db.exec('BEGIN');
      try {
        return {
          head: Number(sql.head.get()?.['seq'] ?? 0),
          rooms: topology.rooms.all().map(roomRow),
          members: topology.members.all().map(memberRow),
          agents: topology.agents.all().map(agentRow),
          held: topology.held.all().map(conversationRow),
          invites: topology.invites.all().map(inviteRow),
          pairs: topology.pairs.all().map(pairRow),
          pauses: topology.pauses.all().map(pauseRow),
          pairings: topology.pairings.all().map(pairingRow),
          pairing_invites: topology.pairingInvites.all().map(pairingInviteRow),
          shares: topology.shares.all().map(shareRow),
        };
      } finally {
        db.exec('COMMIT');
      }
    },
    meta: (key: string): string | undefined => sql.meta.get(key)?.['value'] as string | undefined,
    scopes: (agentId: string): ScopeRow[] => sql.scopes.all(agentId).map(scopeRow),
    positions: (agentId: string): PositionRow[] => sql.positions.all(agentId).map(positionRow),
    openWakes: (agentId: string): WakeRow[] => sql.openWakes.all(agentId).map(wakeRow),
    failedWakes(agentId: string | undefined, limit: number): WakeRow[] {
      const rows =
        agentId === undefined
          ? sql.failedWakes.all(bounded(limit))
          : sql.failedWakesOf.all(agentId, bounded(limit));
      return rows.map(wakeRow);
    },
    endedWakes: (agentId: string, limit: number): WakeRow[] =>
      sql.endedWakes.all(agentId, bounded(limit)).map(wakeRow),
    bootstraps: (agentId: string): string[] => sql.bootstraps.all(agentId).map((row) => text(row, 'room_id')),
    sessions: (now: string): SessionRow[] => sql.sessions.all(now).map(sessionRow),
    reads: (personId: string, limit: number): ReadRow[] =>
      sql.reads.all(personId, bounded(limit)).map(readRow),
    unread: (
      asked: readonly Pick<ReadRow, 'conversation' | 'seq'>[],
      sender: string,
      most: number,
    ): number[] =>
      asked.map(({ conversation, seq }) =>
        integer(sql.unread.get(conversation, seq, sender, bounded(most))!, 'count'),
      ),
  };
}

export const roomRow = (row: Row): RoomRow => ({
  id: text(row, 'id'),
  name: text(row, 'name'),
  visibility: text(row, 'visibility'),
  write_policy: text(row, 'write_policy'),
  guard: text(row, 'guard'),
  created_at: text(row, 'created_at'),
  created_seq: integer(row, 'created_seq'),
  removed_at: nullable(row, 'removed_at'),
  credential_hash: nullable(row, 'credential_hash'),
});
export const memberRow = (row: Row): MemberRow => ({
  room_id: text(row, 'room_id'),
  member_id: text(row, 'member_id'),
  since_seq: integer(row, 'since_seq'),
});
export const agentRow = (row: Row): AgentRow => ({
  id: text(row, 'id'),
  actor_uid: text(row, 'actor_uid'),
  display_name: nullable(row, 'display_name'),
  credential_key: text(row, 'credential_key'),
  created_at: text(row, 'created_at'),
  updated_at: text(row, 'updated_at'),
  removed_at: nullable(row, 'removed_at'),
  claim_key_hash: nullable(row, 'claim_key_hash'),
});
export const pairRow = (row: Row): PairRow => ({
  pair: text(row, 'pair'),
  speaker: text(row, 'speaker'),
  at: integer(row, 'at'),
  turns: text(row, 'turns'),
});
export const pauseRow = (row: Row): PauseRow => ({
  scope: row['scope'] as PauseScope,
  paused_by: text(row, 'paused_by'),
  at: text(row, 'at'),
  until: nullable(row, 'until'),
});
export const inviteRow = (row: Row): InviteRow => ({
  code_hash: text(row, 'code_hash'),
  agent_id: text(row, 'agent_id'),
  created_at: text(row, 'created_at'),
  expires_at: text(row, 'expires_at'),
});
export const sessionRow = (row: Row): SessionRow => ({
  id_hash: text(row, 'id_hash'),
  token_id: text(row, 'token_id'),
  token_hash: text(row, 'token_hash'),
  created_at: text(row, 'created_at'),
  expires_at: text(row, 'expires_at'),
});
export const readRow = (row: Row): ReadRow => ({
  person_id: text(row, 'person_id'),
  conversation: row['conversation'] as ConversationKey,
  seq: integer(row, 'seq'),
  message_id: text(row, 'message_id'),
  at: text(row, 'at'),
});
export const scopeRow = (row: Row): ScopeRow => ({
  agent_id: text(row, 'agent_id'),
  scope: text(row, 'scope'),
  start_seq: integer(row, 'start_seq'),
  settled_seq: integer(row, 'settled_seq'),
});
export const positionRow = (row: Row): PositionRow => ({
  agent_id: text(row, 'agent_id'),
  conversation: row['conversation'] as ConversationKey,
  acked_seq: integer(row, 'acked_seq'),
  passed: nullable(row, 'passed'),
});
