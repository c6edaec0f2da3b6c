/** Writes of the delivery protocol: positions, scopes, wakes and bootstraps. */
import type { DatabaseSync } from 'node:sqlite';
import type { DeliveryWrite } from './store.ts';

export type DeliveryStatements = ReturnType<typeof deliveryStatements>;

export function deliveryStatements(db: DatabaseSync) {
  return {
    scope: db.prepare(
      `INSERT INTO delivery_scopes (agent_id, scope, start_seq, settled_seq) VALUES (?, ?, ?, ?)
       ON CONFLICT (agent_id, scope) DO UPDATE SET start_seq = excluded.start_seq, settled_seq = excluded.settled_seq`,
    ),
    position: db.prepare(
      `INSERT INTO delivery_positions (agent_id, conversation, acked_seq) VALUES (?, ?, ?)
       ON CONFLICT (agent_id, conversation) DO UPDATE SET acked_seq = excluded.acked_seq`,
    ),
    clearRoom: db.prepare(
      `DELETE FROM delivery_positions WHERE agent_id = ? AND acked_seq <= ?
       AND (conversation = ? OR (SELECT c.room_id FROM conversations c WHERE c.key = delivery_positions.conversation) = ?)`,
    ),
    // ';' is the character after ':': exactly the keys that begin with `dm:`.
    clearDms: db.prepare(
      `DELETE FROM delivery_positions WHERE agent_id = ? AND acked_seq <= ? AND conversation >= 'dm:' AND conversation < 'dm;'`,
    ),
    wakeOpen: db.prepare(
      `INSERT INTO wakes (wake_id, agent_id, conversation, after_seq, last_seq, attempt, state, error, opened_at, closed_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (wake_id) DO UPDATE SET
         agent_id = excluded.agent_id, conversation = excluded.conversation, after_seq = excluded.after_seq,
         last_seq = excluded.last_seq, attempt = excluded.attempt, state = excluded.state, error = excluded.error,
         opened_at = excluded.opened_at, closed_at = excluded.closed_at`,
    ),
    wakeClose: db.prepare('UPDATE wakes SET state = ?, error = ?, closed_at = ? WHERE wake_id = ?'),
    bootstrap: db.prepare(
      'INSERT INTO bootstraps (agent_id, room_id, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ),
  };
}

export function writeDelivery(sql: DeliveryStatements, row: DeliveryWrite): void {
  switch (row.op) {
    case 'scope':
      sql.scope.run(row.agent_id, row.scope, row.start_seq, row.settled_seq);
      return;
    case 'position':
      sql.position.run(row.agent_id, row.conversation, row.acked_seq);
      return;
    case 'positions.clear':
      if (row.scope === 'dms') sql.clearDms.run(row.agent_id, row.up_to);
      else if (row.scope.startsWith('room:'))
        sql.clearRoom.run(row.agent_id, row.up_to, row.scope, row.scope.slice('room:'.length));
      else throw new Error(`positions.clear: a scope is room:ID or dms, not ${JSON.stringify(row.scope)}`);
      return;
    case 'wake.open': {
      const w = row.row;
      sql.wakeOpen.run(
        w.wake_id,
        w.agent_id,
        w.conversation,
        w.after_seq,
        w.last_seq,
        w.attempt,
        w.state,
        w.error,
        w.opened_at,
        w.closed_at,
      );
      return;
    }
    case 'wake.close':
      sql.wakeClose.run(row.state, row.error, row.closed_at, row.wake_id);
      return;
    case 'bootstrap':
      sql.bootstrap.run(row.agent_id, row.room_id, row.at);
      return;
    default:
      throw new Error(`unknown row: ${JSON.stringify(row satisfies never)}`);
  }
}
