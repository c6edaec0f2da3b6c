/** Reads of pairings and of relay. */
import type { DatabaseSync } from 'node:sqlite';
import type { ConversationKey } from '../protocol/conversation.ts';
import { RELAY_MEMORY_SQL } from './relay-memory-sql.ts';
import { bounded } from './sqlite-paging.ts';
import { prepareAll } from './sqlite-prepare.ts';
import { integer, nullable, text, type Row } from './sqlite-rows.ts';
import type { RelayRefusalRow, RelayState } from './relay-rows.ts';
import type { PairingInviteRow, PairingRow, ShareRow } from './topology-rows.ts';

export const PAIRING_SQL = {
  relay: 'SELECT settled_seq FROM relays WHERE pairing_id = ?',
  positions: 'SELECT conversation, acked_seq FROM relay_positions WHERE pairing_id = ? ORDER BY conversation',
  refusals: 'SELECT * FROM relay_refusals WHERE pairing_id = ? ORDER BY seq DESC LIMIT ?',
  refusal: 'SELECT * FROM relay_refusals WHERE pairing_id = ? AND seq = ?',
} as const;

/** Part of the topology: read whole, at start-up. */
export const PAIRING_TOPOLOGY_SQL = {
  pairings: 'SELECT * FROM pairings ORDER BY id',
  pairingInvites: 'SELECT * FROM pairing_invites ORDER BY created_at, id',
  shares: 'SELECT room_id, pairing_id, since_seq FROM room_shares ORDER BY room_id, pairing_id',
} as const;

export type PairingReads = ReturnType<typeof createPairingReads>;

export function createPairingReads(db: DatabaseSync) {
  const sql = prepareAll(db, PAIRING_SQL);
  const memory = prepareAll(db, {
    taken: RELAY_MEMORY_SQL.taken,
    relays: RELAY_MEMORY_SQL.relays,
    after: RELAY_MEMORY_SQL.refusalsAfter,
  });
  return {
    relayState(pairingId: string): RelayState | undefined {
      const relay = sql.relay.get(pairingId);
      if (!relay) return undefined;
      return {
        settled_seq: integer(relay, 'settled_seq'),
        positions: sql.positions.all(pairingId).map((row) => ({
          conversation: row['conversation'] as ConversationKey,
          acked_seq: integer(row, 'acked_seq'),
        })),
      };
    },
    relayRefusals: (pairingId: string, limit: number): RelayRefusalRow[] =>
      sql.refusals.all(pairingId, bounded(limit)).map(refusalRow),
    relayRefusal(pairingId: string, seq: number): RelayRefusalRow | undefined {
      const row = sql.refusal.get(pairingId, seq);
      return row && refusalRow(row);
    },
    relays: (): string[] => memory.relays.all().map((row) => text(row, 'pairing_id')),
    refusalsAfter(pairingId: string): number {
      const row = memory.after.get(pairingId);
      return row ? integer(row, 'refusals_after') : 0;
    },
    taken: (network: string, ids: readonly string[]): string[] =>
      memory.taken.all(network, JSON.stringify(ids)).map((row) => text(row, 'origin_id')),
  };
}

export const refusalRow = (row: Row): RelayRefusalRow => ({
  pairing_id: text(row, 'pairing_id'),
  seq: integer(row, 'seq'),
  message_id: text(row, 'message_id'),
  conversation: row['conversation'] as ConversationKey,
  code: text(row, 'code'),
  reason: text(row, 'reason'),
  at: text(row, 'at'),
});
export const pairingRow = (row: Row): PairingRow => ({
  id: text(row, 'id'),
  remote_network_id: text(row, 'remote_network_id'),
  remote_network_name: nullable(row, 'remote_network_name'),
  remote_base_url: nullable(row, 'remote_base_url'),
  token: nullable(row, 'token'),
  token_hash: text(row, 'token_hash'),
  link: integer(row, 'link') === 1,
  created_at: text(row, 'created_at'),
});
export const pairingInviteRow = (row: Row): PairingInviteRow => ({
  code_hash: text(row, 'code_hash'),
  id: text(row, 'id'),
  rooms: text(row, 'rooms'),
  created_at: text(row, 'created_at'),
  expires_at: text(row, 'expires_at'),
});
export const shareRow = (row: Row): ShareRow => ({
  room_id: text(row, 'room_id'),
  pairing_id: text(row, 'pairing_id'),
  since_seq: integer(row, 'since_seq'),
});
