/** Writes of the delivery protocol: positions, scopes, wakes and bootstraps. */
import type { DatabaseSync } from 'node:sqlite';
import type { DeliveryWrite } from './delivery-rows.ts';

/** Rows that one prune deletes at most, of each kind. */
const PRUNED = 500;

export type DeliveryStatements = ReturnType<typeof deliveryStatements>;

export function deliveryStatements(db: DatabaseSync) {
  return {
    scope: db.prepare(
      `INSERT INTO delivery_scopes (agent_id, scope, start_seq, settled_seq) VALUES (?, ?, ?, ?)
       ON CONFLICT (agent_id, scope) DO UPDATE SET start_seq = excluded.start_seq, settled_seq = excluded.settled_seq`,
    ),
    position: db.prepare(
      `INSERT INTO delivery_positions (agent_id, conversation, acked_seq, passed) VALUES (?, ?, ?, ?)
       ON CONFLICT (agent_id, conversation) DO UPDATE SET acked_seq = excluded.acked_seq, passed = excluded.passed`,
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
      `INSERT INTO wakes (wake_id, agent_id, conversation, after_seq, last_seq, attempt, state, error, opened_at, closed_at, opened_seq, outcome, answer_id, classification, passed)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (wake_id) DO UPDATE SET
         agent_id = excluded.agent_id, conversation = excluded.conversation, after_seq = excluded.after_seq,
         last_seq = excluded.last_seq, attempt = excluded.attempt, state = excluded.state, error = excluded.error,
         opened_at = excluded.opened_at, opened_seq = excluded.opened_seq,
         closed_at = excluded.closed_at, outcome = excluded.outcome, answer_id = excluded.answer_id,
         classification = excluded.classification, passed = excluded.passed`,
    ),
    wakeClose: db.prepare(
      `UPDATE wakes SET state = ?, error = ?, closed_at = ?, outcome = ?, answer_id = ?, classification = ?,
         attempt = coalesce(?, attempt) WHERE wake_id = ?`,
    ),
    wakeRetry: db.prepare(
      `UPDATE wakes SET state = 'open', attempt = attempt + 1, error = NULL, closed_at = NULL, outcome = NULL,
         classification = NULL, opened_at = ?, opened_seq = ? WHERE wake_id = ? AND state = 'failed'`,
    ),
    wakeDrop: db.prepare(
      `UPDATE wakes SET state = 'done', outcome = 'dropped' WHERE wake_id = ? AND state = 'failed'`,
    ),
    skip: db.prepare(
      `INSERT INTO skips (agent_id, conversation, last_seq, after_seq, reason, at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (agent_id, conversation, last_seq) DO UPDATE SET
         after_seq = min(after_seq, excluded.after_seq), reason = excluded.reason`,
    ),
    handed: db.prepare('INSERT INTO handed (agent_id, seq, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING'),
    bindings: db.prepare(
      `INSERT INTO bindings (agent_id, bindings, at) VALUES (?, ?, ?)
       ON CONFLICT (agent_id) DO UPDATE SET bindings = excluded.bindings, at = excluded.at`,
    ),
    usage: db.prepare(
      `INSERT INTO usage (day, agent_id, room_id, wakes, input_tokens, output_tokens, cost_usd) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (day, agent_id, room_id) DO UPDATE SET wakes = wakes + excluded.wakes,
         input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,
         cost_usd = cost_usd + excluded.cost_usd`,
    ),
    pruneWakes: db.prepare(
      `DELETE FROM wakes WHERE wake_id IN (SELECT wake_id FROM wakes INDEXED BY wakes_closed
         WHERE closed_at IS NOT NULL AND closed_at < ? ORDER BY closed_at LIMIT ${PRUNED})`,
    ),
    pruneSkips: db.prepare(
      `DELETE FROM skips WHERE (agent_id, conversation, last_seq) IN (SELECT agent_id, conversation, last_seq
         FROM skips INDEXED BY skips_at WHERE at < ? ORDER BY at LIMIT ${PRUNED})`,
    ),
    pruneHanded: db.prepare(
      `DELETE FROM handed WHERE (agent_id, seq) IN (SELECT agent_id, seq FROM handed INDEXED BY handed_at
         WHERE at < ? ORDER BY at LIMIT ${PRUNED})`,
    ),
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
      sql.position.run(row.agent_id, row.conversation, row.acked_seq, row.passed ?? null);
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
        w.opened_seq,
        w.outcome,
        w.answer_id,
        w.classification,
        w.passed,
      );
      return;
    }
    case 'wake.close':
      sql.wakeClose.run(
        row.state,
        row.error,
        row.closed_at,
        row.outcome ?? null,
        row.answer_id ?? null,
        row.classification ?? null,
        row.attempt ?? null,
        row.wake_id,
      );
      return;
    case 'wake.retry':
      sql.wakeRetry.run(row.at, row.opened_seq, row.wake_id);
      return;
    case 'wake.drop':
      sql.wakeDrop.run(row.wake_id);
      return;
    case 'skip': {
      const s = row.row;
      sql.skip.run(s.agent_id, s.conversation, s.last_seq, s.after_seq, s.reason, s.at);
      return;
    }
    // One server has it all: within it the attachments of an agent stand in line (server/attach/leases.ts).
    case 'fence':
      return;
    case 'handed':
      sql.handed.run(row.agent_id, row.seq, row.at);
      return;
    case 'bindings':
      sql.bindings.run(row.agent_id, row.bindings, row.at);
      return;
    case 'usage': {
      const u = row.row;
      sql.usage.run(u.day, u.agent_id, u.room_id, u.wakes, u.input_tokens, u.output_tokens, u.cost_usd);
      return;
    }
    case 'deliveries.prune':
      for (const prune of [sql.pruneWakes, sql.pruneSkips, sql.pruneHanded]) prune.run(row.before);
      return;
    case 'bootstrap':
      sql.bootstrap.run(row.agent_id, row.room_id, row.at);
      return;
    default:
      throw new Error(`unknown row: ${JSON.stringify(row satisfies never)}`);
  }
}
