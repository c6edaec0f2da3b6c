/** Writes of pairings, of what is shared with them, and of how far relay has come. */
import type { DatabaseSync } from 'node:sqlite';
import { prepareAll } from './sqlite-prepare.ts';
import type { RelayWrite } from './relay-rows.ts';
import type { RowWrite } from './writes.ts';

export type PairingWrite =
  | Extract<
      RowWrite,
      {
        op:
          | 'pairing'
          | 'pairing.remove'
          | 'pairing.invite'
          | 'pairing.invite.remove'
          | 'share'
          | 'share.remove';
      }
    >
  | RelayWrite;

const SQL = {
  pairing: `INSERT INTO pairings (id, remote_network_id, remote_network_name, remote_base_url, token, token_hash, link, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
      remote_network_id = excluded.remote_network_id, remote_network_name = excluded.remote_network_name,
      remote_base_url = excluded.remote_base_url, token = excluded.token, token_hash = excluded.token_hash,
      link = excluded.link, created_at = excluded.created_at`,
  pairingRemove: 'DELETE FROM pairings WHERE id = ?',
  sharesOfPairing: 'DELETE FROM room_shares WHERE pairing_id = ?',
  relayRemove: 'DELETE FROM relays WHERE pairing_id = ?',
  positionsRemove: 'DELETE FROM relay_positions WHERE pairing_id = ?',
  refusalsRemove: 'DELETE FROM relay_refusals WHERE pairing_id = ?',
  invite: 'INSERT INTO pairing_invites (code_hash, id, rooms, created_at, expires_at) VALUES (?, ?, ?, ?, ?)',
  inviteRemove: 'DELETE FROM pairing_invites WHERE code_hash = ?',
  share: 'INSERT INTO room_shares (room_id, pairing_id, since_seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  shareRemove: 'DELETE FROM room_shares WHERE room_id = ? AND pairing_id = ?',
  begin: 'INSERT INTO relays (pairing_id, settled_seq) VALUES (?, ?) ON CONFLICT DO NOTHING',
  settled: 'UPDATE relays SET settled_seq = ? WHERE pairing_id = ? AND settled_seq < ?',
  covered: 'DELETE FROM relay_positions WHERE pairing_id = ? AND acked_seq <= ?',
  position: `INSERT INTO relay_positions (pairing_id, conversation, acked_seq) VALUES (?, ?, ?)
    ON CONFLICT (pairing_id, conversation) DO UPDATE SET acked_seq = excluded.acked_seq
    WHERE excluded.acked_seq > relay_positions.acked_seq`,
  refusal: `INSERT INTO relay_refusals (pairing_id, seq, message_id, conversation, code, reason, at)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
} as const;

export type PairingStatements = ReturnType<typeof pairingStatements>;

export const pairingStatements = (db: DatabaseSync) => prepareAll(db, SQL);

/** `seq`: of the row's event, else the newest. */
export function writePairing(sql: PairingStatements, write: PairingWrite, seq: number): void {
  switch (write.op) {
    case 'pairing': {
      const row = write.row;
      sql.pairing.run(
        row.id,
        row.remote_network_id,
        row.remote_network_name,
        row.remote_base_url,
        row.token,
        row.token_hash,
        row.link ? 1 : 0,
        row.created_at,
      );
      return;
    }
    case 'pairing.remove':
      sql.pairingRemove.run(write.id);
      sql.sharesOfPairing.run(write.id);
      sql.relayRemove.run(write.id);
      sql.positionsRemove.run(write.id);
      sql.refusalsRemove.run(write.id);
      return;
    case 'pairing.invite': {
      const { code_hash, id, rooms, created_at, expires_at } = write.row;
      sql.invite.run(code_hash, id, rooms, created_at, expires_at);
      return;
    }
    case 'pairing.invite.remove':
      sql.inviteRemove.run(write.code_hash);
      return;
    case 'share':
      sql.share.run(write.room_id, write.pairing_id, write.since_seq ?? seq);
      return;
    case 'share.remove':
      sql.shareRemove.run(write.room_id, write.pairing_id);
      return;
    case 'relay.begin':
      sql.begin.run(write.pairing_id, seq);
      return;
    case 'relay.settled':
      sql.settled.run(write.settled_seq, write.pairing_id, write.settled_seq);
      sql.covered.run(write.pairing_id, write.settled_seq);
      return;
    case 'relay.position':
      sql.position.run(write.pairing_id, write.conversation, write.acked_seq);
      return;
    case 'relay.refusal': {
      const { pairing_id, seq: of, message_id, conversation, code, reason, at } = write.row;
      sql.refusal.run(pairing_id, of, message_id, conversation, code, reason, at);
      return;
    }
  }
}
