/**
 * The one implementation of writes: plain data of writes.ts into prepared statements, one transaction per batch. Runs
 * in the storage thread for a file and on the main thread for `:memory:`.
 */
import type { DatabaseSync } from 'node:sqlite';
import { conversationRows, type ConversationRows } from './sqlite-conversation-rows.ts';
import { transaction } from './migrations.ts';
import { createRunWriter } from './sqlite-event-ids.ts';
import { pairRows } from './sqlite-pair-rows.ts';
import { deliveryStatements, writeDelivery } from './sqlite-delivery-writes.ts';
import { pairingStatements, writePairing } from './sqlite-pairing-writes.ts';
import { credentialStatements, writeCredential } from './sqlite-credential-writes.ts';
import type { EventWrite, RowWrite, Writes } from './writes.ts';

export interface Committer {
  /** seq of the newest committed event, 0 for none. */
  readonly head: number;
  /**
   * Writes all in one transaction and returns the head from before it: events get the seqs after that, in order.
   * Throws what SQLite throws; then nothing was stored.
   */
  commit(writes: readonly Writes[]): number;
}

/** A row with no event of its own has this: the newest seq at that point of the batch. */
interface Carrier {
  seq: number;
  event: EventWrite | undefined;
}

export function createCommitter(db: DatabaseSync): Committer {
  const sql = statements(db);
  const delivery = deliveryStatements(db);
  const credentials = credentialStatements(db);
  const pairing = pairingStatements(db);
  let head = Number(db.prepare('SELECT max(seq) AS seq FROM events').get()?.['seq'] ?? 0);
  const ids = createRunWriter(db, head);
  const pairs = pairRows(db);

  function writeRow(row: RowWrite, { seq, event }: Carrier, conversations: ConversationRows): void {
    switch (row.op) {
      case 'message':
        requireEvent(row, event);
        sql.message.run(
          seq,
          row.id,
          row.origin_network,
          row.origin_id,
          row.content_hash,
          row.conversation,
          row.room_id,
          row.sender,
        );
        if (row.conversation.startsWith('thread:')) sql.threadSpeaker.run(row.conversation, row.sender, seq);
        return;
      case 'mention':
        requireEvent(row, event);
        sql.mention.run(seq, row.agent_id, row.conversation, event?.room_id ?? null);
        return;
      case 'artifact':
        requireEvent(row, event);
        sql.artifact.run(
          seq,
          row.part_index,
          row.id,
          row.message_id,
          row.conversation,
          row.room_id,
          row.payload,
        );
        return;
      case 'conversation':
        conversations.put(row.row, seq, row.messages);
        return;
      case 'participant':
        sql.participant.run(row.dm_id, row.participant, seq);
        return;
      case 'room': {
        const r = row.row;
        sql.room.run(
          r.id,
          r.name,
          r.visibility,
          r.write_policy,
          r.guard,
          r.created_at,
          seq,
          r.removed_at,
          r.credential_hash,
        );
        return;
      }
      case 'room.remove':
        sql.roomRemove.run(row.removed_at, row.id);
        sql.membersRemove.run(row.id);
        sql.sharesRemove.run(row.id);
        return;
      case 'member.add':
        sql.memberAdd.run(row.room_id, row.member_id, seq);
        return;
      case 'member.remove':
        sql.memberRemove.run(row.room_id, row.member_id);
        return;
      case 'agent': {
        const a = row.row;
        sql.agent.run(
          a.id,
          a.actor_uid,
          a.display_name,
          a.credential_key,
          a.created_at,
          a.updated_at,
          a.removed_at,
          a.claim_key_hash,
        );
        return;
      }
      case 'agent.remove':
        sql.agentRemove.run(row.removed_at, row.id);
        return;
      case 'redact':
        redact(row.message_id, row.payload);
        return;
      case 'meta':
        sql.meta.run(row.key, row.value);
        return;
      case 'prune':
        // The next seq is counted from the newest event.
        for (const pruned of row.seqs) if (pruned < seq) sql.prune.run(pruned);
        return;
      case 'pair':
        pairs.put(row.row);
        return;
      case 'pause': {
        const { scope, paused_by, at, until } = row.row;
        sql.pause.run(scope, paused_by, at, until);
        return;
      }
      case 'pause.remove':
        sql.pauseRemove.run(row.scope);
        return;
      case 'pairing':
      case 'pairing.remove':
      case 'pairing.invite':
      case 'pairing.invite.remove':
      case 'share':
      case 'share.remove':
      case 'relay.begin':
      case 'relay.settled':
      case 'relay.position':
      case 'relay.refusal':
        writePairing(pairing, row, seq);
        return;
      case 'invite':
      case 'invite.remove':
      case 'session':
      case 'session.remove':
      case 'read':
      case 'read.remove':
        writeCredential(credentials, row);
        return;
      default:
        // A thread that is new in this batch must have its row before its scope is asked for.
        if (row.op === 'positions.clear') conversations.flush();
        writeDelivery(delivery, row);
    }
  }

  function redact(messageId: string, payload: string): void {
    const seq = sql.messageSeq.get(messageId)?.['seq'];
    if (typeof seq !== 'number') throw new Error(`redact: there is no message ${JSON.stringify(messageId)}`);
    sql.eventPayload.run(payload, seq);
    sql.artifactsDelete.run(seq);
    sql.mentionsDelete.run(seq);
    sql.forgetHash.run(seq);
  }

  return {
    get head() {
      return head;
    },
    commit(writes) {
      const before = head;
      try {
        head = transaction(db, () => writeAll(writes, before));
      } catch (error) {
        ids.undone(before);
        pairs.undone();
        throw error;
      }
      return before;
    },
  };

  function writeAll(writes: readonly Writes[], before: number): number {
    const conversations = conversationRows(sql.conversation, sql.dmActivity);
    let seq = before;
    for (const { events, rows } of writes) {
      for (const event of events) {
        seq++;
        const { id, type, created_at, conversation, room_id, dm_id, participants, agent_id, held, payload } =
          event;
        sql.event.run(
          seq,
          id,
          type,
          created_at,
          conversation ?? null,
          room_id ?? null,
          dm_id ?? null,
          participants ? JSON.stringify(participants) : null,
          agent_id ?? null,
          held ? 1 : 0,
          payload,
        );
        ids.add(seq, id);
        if (participants) for (const participant of participants) sql.dmEvent.run(participant, seq);
        for (const row of event.rows) writeRow(row, { seq, event }, conversations);
      }
      for (const row of rows) writeRow(row, { seq, event: undefined }, conversations);
    }
    conversations.flush();
    pairs.flush();
    return seq;
  }
}

function requireEvent(row: RowWrite, event: EventWrite | undefined): void {
  if (!event) throw new Error(`a ${row.op} row belongs to an event`);
}

function statements(db: DatabaseSync) {
  return {
    event: db.prepare(
      `INSERT INTO events (seq, id, type, created_at, conversation, room_id, dm_id, participants, agent_id, held, payload)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    dmEvent: db.prepare('INSERT INTO dm_events (participant, seq) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    message: db.prepare(
      `INSERT INTO messages (seq, id, origin_network, origin_id, content_hash, conversation, room_id, sender)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    threadSpeaker: db.prepare(
      'INSERT INTO thread_speakers (conversation, sender, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    mention: db.prepare(
      `INSERT INTO mentions (seq, agent_id, conversation, room_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    ),
    artifact: db.prepare(
      `INSERT INTO artifacts (seq, part_index, id, message_id, conversation, room_id, payload) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    // The last parameter is 1 when a stored hold keeps its seq.
    conversation: db.prepare(
      `INSERT INTO conversations (key, kind, id, room_id, parent_message_id, message_count, first_seq, last_seq, last_message_at,
         guard_turns, guard_speaker, held_at, held_seq, held_messages, guard_window, held_by)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET
         room_id = excluded.room_id, parent_message_id = excluded.parent_message_id, message_count = conversations.message_count + excluded.message_count,
         last_seq = CASE WHEN excluded.last_seq > conversations.last_seq THEN excluded.last_seq ELSE conversations.last_seq END,
         last_message_at = excluded.last_message_at, guard_turns = excluded.guard_turns, guard_speaker = excluded.guard_speaker,
         held_at = excluded.held_at,
         held_seq = CASE WHEN ? = 1 THEN coalesce(conversations.held_seq, excluded.held_seq) ELSE excluded.held_seq END,
         held_messages = excluded.held_messages, guard_window = excluded.guard_window, held_by = excluded.held_by`,
    ),
    participant: db.prepare(
      'INSERT INTO dm_participants (dm_id, participant, last_seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    dmActivity: db.prepare('UPDATE dm_participants SET last_seq = ? WHERE dm_id = ?'),
    // A room that was removed and is made again begins anew.
    room: db.prepare(
      `INSERT INTO rooms (id, name, visibility, write_policy, guard, created_at, created_seq, removed_at, credential_hash)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET
         name = excluded.name, visibility = excluded.visibility, write_policy = excluded.write_policy, guard = excluded.guard,
         created_at = excluded.created_at,
         created_seq = CASE WHEN rooms.removed_at IS NOT NULL AND excluded.removed_at IS NULL THEN excluded.created_seq ELSE rooms.created_seq END,
         removed_at = excluded.removed_at, credential_hash = excluded.credential_hash`,
    ),
    roomRemove: db.prepare('UPDATE rooms SET removed_at = ? WHERE id = ?'),
    membersRemove: db.prepare('DELETE FROM room_members WHERE room_id = ?'),
    sharesRemove: db.prepare('DELETE FROM room_shares WHERE room_id = ?'),
    memberAdd: db.prepare(
      'INSERT INTO room_members (room_id, member_id, since_seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    memberRemove: db.prepare('DELETE FROM room_members WHERE room_id = ? AND member_id = ?'),
    agent: db.prepare(
      `INSERT INTO agents (id, actor_uid, display_name, credential_key, created_at, updated_at, removed_at, claim_key_hash)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET
         actor_uid = excluded.actor_uid, display_name = excluded.display_name, credential_key = excluded.credential_key,
         created_at = excluded.created_at, updated_at = excluded.updated_at, removed_at = excluded.removed_at,
         claim_key_hash = excluded.claim_key_hash`,
    ),
    agentRemove: db.prepare('UPDATE agents SET removed_at = ? WHERE id = ?'),
    prune: db.prepare(`DELETE FROM events WHERE seq = ? AND type = 'message.created'`),
    messageSeq: db.prepare('SELECT seq FROM messages WHERE id = ?'),
    eventPayload: db.prepare('UPDATE events SET payload = ? WHERE seq = ?'),
    artifactsDelete: db.prepare('DELETE FROM artifacts WHERE seq = ?'),
    mentionsDelete: db.prepare('DELETE FROM mentions WHERE seq = ?'),
    forgetHash: db.prepare('UPDATE messages SET content_hash = NULL WHERE seq = ?'),
    pause: db.prepare(
      `INSERT INTO pauses (scope, paused_by, at, until) VALUES (?, ?, ?, ?)
       ON CONFLICT (scope) DO UPDATE SET paused_by = excluded.paused_by, at = excluded.at, until = excluded.until`,
    ),
    pauseRemove: db.prepare('DELETE FROM pauses WHERE scope = ?'),
    meta: db.prepare(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    ),
  };
}
