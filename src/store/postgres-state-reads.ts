/** Reads of topology, delivery state, deliveries, usage and meta on Postgres. */
import type { ConversationKey } from '../protocol/conversation.ts';
import { DELIVERY_SQL, usageRow, wakeRow } from './sqlite-delivery-reads.ts';
import { PAIRING_SQL, pairingInviteRow, pairingRow, refusalRow, shareRow } from './sqlite-pairing-reads.ts';
import { bounded } from './sqlite-paging.ts';
import { conversationRow, integer, text, type Row } from './sqlite-rows.ts';
import {
  agentRow,
  inviteRow,
  memberRow,
  pairRow,
  pauseRow,
  positionRow,
  roomRow,
  scopeRow,
  readRow,
  sessionRow,
  STATE_SQL,
  TOPOLOGY_SQL,
} from './sqlite-state-reads.ts';
import type { Sessions, Statement } from './postgres-sessions.ts';
import { statements, toPostgres } from './postgres-sql.ts';
import type { DeliveryFacts, MessagePlace, UsageRow } from './delivery-rows.ts';
import type { RelayState } from './relay-rows.ts';
import type { ReadRow, TopologyRows } from './topology-rows.ts';

/** Messages that are counted at most. */
const COUNTED = 10_000;
const SQL = statements('state', { ...STATE_SQL, ...DELIVERY_SQL });
const RELAY = statements('relay', PAIRING_SQL);

/**
 * The facts of many agents in one round trip. Values: conversation, scope, seq, agents. The wake is the one opened
 * last of those that cover the message, at most four of which are looked at.
 */
const FACTS: Statement = {
  name: 'moltnet_state_facts',
  text: `SELECT j.id AS agent, w.*, s.skips, h.at AS handed_at,
      p.acked_seq, d.start_seq, d.settled_seq
    FROM unnest($4::TEXT[]) WITH ORDINALITY AS j(id, place)
    LEFT JOIN LATERAL (SELECT * FROM (SELECT * FROM wakes WHERE agent_id = j.id AND conversation = $1 AND last_seq >= $3
      ORDER BY last_seq LIMIT 4) c WHERE c.after_seq < $3 ORDER BY c.opened_at DESC LIMIT 1) w ON TRUE
    LEFT JOIN LATERAL (SELECT json_agg(json_build_object('reason', c.reason, 'at', c.at) ORDER BY c.last_seq) AS skips
      FROM (SELECT after_seq, last_seq, reason, at FROM skips WHERE agent_id = j.id AND conversation = $2 AND last_seq >= $3
        ORDER BY last_seq LIMIT 8) c WHERE c.after_seq < $3) s ON TRUE
    LEFT JOIN handed h ON h.agent_id = j.id AND h.seq = $3
    LEFT JOIN delivery_positions p ON p.agent_id = j.id AND p.conversation = $1
    LEFT JOIN delivery_scopes d ON d.agent_id = j.id AND d.scope = $2
    ORDER BY j.place`,
};

/** What is new in many conversations in one round trip. Values: conversations, seqs, sender, most. */
const UNREAD: Statement = {
  name: 'moltnet_state_unread',
  text: `SELECT n.count FROM unnest($1::TEXT[], $2::BIGINT[]) WITH ORDINALITY AS j(conversation, seq, place),
    LATERAL (SELECT count(*) AS count FROM (SELECT 1 FROM messages
      WHERE conversation = j.conversation AND seq > j.seq AND sender <> $3 LIMIT $4) c) n ORDER BY j.place`,
};

function deliveryFacts(row: Row, seq: number): DeliveryFacts {
  const settled = (row['acked_seq'] ?? row['settled_seq']) as number | null;
  return {
    agent_id: text(row, 'agent'),
    ...(row['wake_id'] !== null && { wake: wakeRow(row) }),
    skips: (row['skips'] as DeliveryFacts['skips'] | null) ?? [],
    ...(row['handed_at'] !== null && { handed_at: text(row, 'handed_at') }),
    settled: settled !== null && settled >= seq,
    ...(row['start_seq'] !== null && { start_seq: integer(row, 'start_seq') }),
  };
}

export function createStateReads(sessions: Sessions) {
  const all = (name: keyof typeof SQL, ...values: unknown[]) => sessions.read(SQL[name], values);
  return {
    /** All of it as of one moment. */
    loadTopology: (): Promise<TopologyRows> =>
      sessions.snapshot(async (read) => ({
        head: Number((await read('SELECT seq FROM log_head'))[0]!['seq']),
        rooms: (await read(toPostgres(TOPOLOGY_SQL.rooms))).map(roomRow),
        members: (await read(toPostgres(TOPOLOGY_SQL.members))).map(memberRow),
        agents: (await read(toPostgres(TOPOLOGY_SQL.agents))).map(agentRow),
        held: (await read(toPostgres(TOPOLOGY_SQL.held))).map(conversationRow),
        invites: (await read(toPostgres(TOPOLOGY_SQL.invites))).map(inviteRow),
        pairs: (await read(toPostgres(TOPOLOGY_SQL.pairs))).map(pairRow),
        pauses: (await read(toPostgres(TOPOLOGY_SQL.pauses))).map(pauseRow),
        pairings: (await read(toPostgres(TOPOLOGY_SQL.pairings))).map(pairingRow),
        pairing_invites: (await read(toPostgres(TOPOLOGY_SQL.pairingInvites))).map(pairingInviteRow),
        shares: (await read(toPostgres(TOPOLOGY_SQL.shares))).map(shareRow),
      })),
    async relayState(pairingId: string): Promise<RelayState | undefined> {
      const [[relay], positions] = await Promise.all([
        sessions.read(RELAY.relay, [pairingId]),
        sessions.read(RELAY.positions, [pairingId]),
      ]);
      if (!relay) return undefined;
      return {
        settled_seq: integer(relay, 'settled_seq'),
        positions: positions.map((row) => ({
          conversation: row['conversation'] as ConversationKey,
          acked_seq: integer(row, 'acked_seq'),
        })),
      };
    },
    relayRefusals: async (pairingId: string, limit: number) =>
      (await sessions.read(RELAY.refusals, [pairingId, bounded(limit)])).map(refusalRow),
    async relayRefusal(pairingId: string, seq: number) {
      const [row] = await sessions.read(RELAY.refusal, [pairingId, seq]);
      return row && refusalRow(row);
    },
    meta: async (key: string) => (await all('meta', key))[0]?.['value'] as string | undefined,
    sessions: async (now: string) => (await all('sessions', now)).map(sessionRow),
    reads: async (personId: string, limit: number) =>
      (await all('reads', personId, bounded(limit))).map(readRow),
    async unread(asked: readonly Pick<ReadRow, 'conversation' | 'seq'>[], sender: string, most: number) {
      const rows = await sessions.read(UNREAD, [
        asked.map(({ conversation }) => conversation),
        asked.map(({ seq }) => seq),
        sender,
        bounded(most),
      ]);
      return rows.map((row) => integer(row, 'count'));
    },
    scopes: async (agentId: string) => (await all('scopes', agentId)).map(scopeRow),
    positions: async (agentId: string) => (await all('positions', agentId)).map(positionRow),
    openWakes: async (agentId: string) => (await all('openWakes', agentId)).map(wakeRow),
    async failedWakes(agentId: string | undefined, limit: number) {
      const rows =
        agentId === undefined
          ? await all('failedWakes', bounded(limit))
          : await all('failedWakesOf', agentId, bounded(limit));
      return rows.map(wakeRow);
    },
    endedWakes: async (agentId: string, limit: number) =>
      (await all('endedWakes', agentId, bounded(limit))).map(wakeRow),
    bootstraps: async (agentId: string) =>
      (await all('bootstraps', agentId)).map((row) => text(row, 'room_id')),
    async deliveryFacts(
      { conversation, scope, seq }: MessagePlace,
      agents: readonly string[],
    ): Promise<DeliveryFacts[]> {
      const asked = agents.slice(0, bounded(agents.length));
      const rows = await sessions.read(FACTS, [conversation, scope, seq, asked]);
      return rows.map((row) => deliveryFacts(row, seq));
    },
    async wake(wakeId: string) {
      const [row] = await all('wakeById', wakeId);
      return row && wakeRow(row);
    },
    allOpenWakes: async (limit: number) => (await all('allOpenWakes', bounded(limit))).map(wakeRow),
    bindings: async () =>
      (await all('allBindings')).map((row) => ({
        agent_id: text(row, 'agent_id'),
        bindings: text(row, 'bindings'),
      })),
    answerAfter: async (conversation: ConversationKey, seq: number, sender: string) =>
      (await all('answerAfter', conversation, seq, sender))[0]?.['id'] as string | undefined,
    countMessages: async (conversation: ConversationKey, after: number, upTo: number, most: number) =>
      integer((await all('countMessages', conversation, after, upTo, Math.min(most, COUNTED)))[0]!, 'count'),
    threadsOf: async (sender: string, after: string, limit: number) =>
      (await all('threadsOf', sender, after, bounded(limit))).map((row) => ({
        conversation: row['conversation'] as ConversationKey,
        seq: integer(row, 'seq'),
      })),
    threadSpeakers: async (conversation: ConversationKey, limit: number) =>
      (await all('threadSpeakers', conversation, bounded(limit))).map((row) => ({
        sender: text(row, 'sender'),
        seq: integer(row, 'seq'),
      })),
    async usage(since: string, after: UsageRow | undefined, limit: number) {
      const rows = after
        ? await all('usageAfter', after.day, after.agent_id, after.room_id, bounded(limit))
        : await all('usageSince', since, bounded(limit));
      return rows.map(usageRow);
    },
  };
}
