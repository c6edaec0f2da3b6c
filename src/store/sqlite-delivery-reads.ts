/** Reads of what became of deliveries: every one an index range of few rows. */
import type { DatabaseSync } from 'node:sqlite';
import type { ConversationKey } from '../protocol/conversation.ts';
import { bounded } from './sqlite-paging.ts';
import { prepareAll } from './sqlite-prepare.ts';
import { integer, nullable, text, type Row } from './sqlite-rows.ts';
import type {
  BindingsRow,
  DeliveryFacts,
  MessagePlace,
  SkipReason,
  UsageRow,
  WakeRow,
} from './delivery-rows.ts';

/** Wakes that may cover one message: more than one only after its room was unbound and bound again. */
const COVERING = 4;
/** Skips of one absence end at different places; so many are looked at. */
const SKIPS = 8;
/** Messages in which an answer is looked for, the newest. */
const ANSWER = 500;
/** Messages that are counted at most: of an index alone. */
const COUNTED = 10_000;

export const DELIVERY_SQL = {
  wakeById: 'SELECT * FROM wakes WHERE wake_id = ?',
  wakesFrom: `SELECT * FROM wakes INDEXED BY wakes_range WHERE agent_id = ? AND conversation = ? AND last_seq >= ? ORDER BY last_seq LIMIT ${COVERING}`,
  allOpenWakes: `SELECT * FROM wakes INDEXED BY wakes_open WHERE state = 'open' ORDER BY agent_id, opened_at, wake_id LIMIT ?`,
  skipsFrom: `SELECT after_seq, reason, at FROM skips WHERE agent_id = ? AND conversation = ? AND last_seq >= ? ORDER BY last_seq LIMIT ${SKIPS}`,
  handedAt: 'SELECT at FROM handed WHERE agent_id = ? AND seq = ?',
  positionOf: 'SELECT acked_seq FROM delivery_positions WHERE agent_id = ? AND conversation = ?',
  scopeOf: 'SELECT start_seq, settled_seq FROM delivery_scopes WHERE agent_id = ? AND scope = ?',
  allBindings: 'SELECT agent_id, bindings FROM bindings ORDER BY agent_id',
  answerAfter: `SELECT id FROM (SELECT id, sender, seq FROM messages INDEXED BY messages_conversation
    WHERE conversation = ? AND seq > ? ORDER BY seq DESC LIMIT ${ANSWER}) newest WHERE sender = ? ORDER BY seq DESC LIMIT 1`,
  countMessages:
    'SELECT count(*) AS count FROM (SELECT 1 FROM messages INDEXED BY messages_conversation WHERE conversation = ? AND seq > ? AND seq <= ? LIMIT ?) counted',
  threadsOf:
    'SELECT conversation, seq FROM thread_speakers INDEXED BY thread_speakers_sender WHERE sender = ? AND conversation > ? ORDER BY conversation LIMIT ?',
  threadSpeakers: 'SELECT sender, seq FROM thread_speakers WHERE conversation = ? ORDER BY sender LIMIT ?',
  usageSince: 'SELECT * FROM usage WHERE day >= ? ORDER BY day, agent_id, room_id LIMIT ?',
  usageAfter:
    'SELECT * FROM usage WHERE (day, agent_id, room_id) > (?, ?, ?) ORDER BY day, agent_id, room_id LIMIT ?',
} as const;

export type DeliveryReads = ReturnType<typeof createDeliveryReads>;

export function createDeliveryReads(db: DatabaseSync) {
  const sql = prepareAll(db, DELIVERY_SQL);

  function facts({ conversation, scope, seq }: MessagePlace, agent_id: string): DeliveryFacts {
    const covering = sql.wakesFrom
      .all(agent_id, conversation, seq)
      .map(wakeRow)
      .filter((wake) => wake.after_seq < seq)
      .toSorted((a, b) => (a.opened_at < b.opened_at ? 1 : -1));
    const skips = sql.skipsFrom.all(agent_id, scope, seq).filter((row) => integer(row, 'after_seq') < seq);
    const handed = sql.handedAt.get(agent_id, seq);
    const position = sql.positionOf.get(agent_id, conversation);
    const standing = sql.scopeOf.get(agent_id, scope);
    const settled = position ? integer(position, 'acked_seq') : standing && integer(standing, 'settled_seq');
    return {
      agent_id,
      ...(covering[0] && { wake: covering[0] }),
      skips: skips.map((row) => ({ reason: row['reason'] as SkipReason, at: text(row, 'at') })),
      ...(handed && { handed_at: text(handed, 'at') }),
      settled: settled !== undefined && settled >= seq,
      ...(standing && { start_seq: integer(standing, 'start_seq') }),
    };
  }

  return {
    deliveryFacts: (place: MessagePlace, agents: readonly string[]): DeliveryFacts[] =>
      agents.slice(0, bounded(agents.length)).map((agent_id) => facts(place, agent_id)),
    wake(wakeId: string): WakeRow | undefined {
      const row = sql.wakeById.get(wakeId);
      return row && wakeRow(row);
    },
    allOpenWakes: (limit: number): WakeRow[] => sql.allOpenWakes.all(bounded(limit)).map(wakeRow),
    /** Of every agent that ever attached; read once, at start-up. */
    bindings: (): BindingsRow[] =>
      sql.allBindings
        .all()
        .map((row) => ({ agent_id: text(row, 'agent_id'), bindings: text(row, 'bindings') })),
    answerAfter: (conversation: ConversationKey, seq: number, sender: string): string | undefined =>
      sql.answerAfter.get(conversation, seq, sender)?.['id'] as string | undefined,
    countMessages: (conversation: ConversationKey, after: number, up_to: number, most: number): number =>
      integer(sql.countMessages.get(conversation, after, up_to, Math.min(most, COUNTED))!, 'count'),
    threadsOf: (
      sender: string,
      after: string,
      limit: number,
    ): { conversation: ConversationKey; seq: number }[] =>
      sql.threadsOf.all(sender, after, bounded(limit)).map((row) => ({
        conversation: row['conversation'] as ConversationKey,
        seq: integer(row, 'seq'),
      })),
    threadSpeakers: (conversation: ConversationKey, limit: number): { sender: string; seq: number }[] =>
      sql.threadSpeakers
        .all(conversation, bounded(limit))
        .map((row) => ({ sender: text(row, 'sender'), seq: integer(row, 'seq') })),
    usage(since: string, after: UsageRow | undefined, limit: number): UsageRow[] {
      const rows = after
        ? sql.usageAfter.all(after.day, after.agent_id, after.room_id, bounded(limit))
        : sql.usageSince.all(since, bounded(limit));
      return rows.map(usageRow);
    },
  };
}

export const wakeRow = (row: Row): WakeRow => ({
  wake_id: text(row, 'wake_id'),
  agent_id: text(row, 'agent_id'),
  conversation: row['conversation'] as ConversationKey,
  after_seq: integer(row, 'after_seq'),
  last_seq: integer(row, 'last_seq'),
  attempt: integer(row, 'attempt'),
  state: row['state'] as WakeRow['state'],
  error: nullable(row, 'error'),
  opened_at: text(row, 'opened_at'),
  closed_at: nullable(row, 'closed_at'),
  opened_seq: integer(row, 'opened_seq'),
  outcome: row['outcome'] as WakeRow['outcome'],
  answer_id: nullable(row, 'answer_id'),
  classification: nullable(row, 'classification'),
  passed: nullable(row, 'passed'),
});
export const usageRow = (row: Row): UsageRow => ({
  day: text(row, 'day'),
  agent_id: text(row, 'agent_id'),
  room_id: text(row, 'room_id'),
  wakes: integer(row, 'wakes'),
  input_tokens: integer(row, 'input_tokens'),
  output_tokens: integer(row, 'output_tokens'),
  cost_usd: Number(row['cost_usd']),
});
