/**
 * Conversation rows of one batch. A conversation changes with every message of its, and each row is whole, so only
 * the last one of a batch is written: 64 messages in one room are one update.
 */
import type { StatementSync } from 'node:sqlite';
import type { RowWrite } from './writes.ts';

type Row = Extract<RowWrite, { op: 'conversation' }>['row'];

interface Pending {
  row: Row;
  messages: number;
  first_seq: number;
  /** seq of the newest row that touched it, 0 when none did. */
  touched: number;
  held_seq: number | null;
  /** Its held_seq counts only if the stored conversation is not held. */
  keepHold: boolean;
}

export interface ConversationRows {
  put(row: Row, seq: number, messages: number): void;
  flush(): void;
}

/**
 * A held_seq of -1 says "held": the hold that stands, of an earlier row of this batch or stored, keeps its seq, and a
 * new one begins at this row's event. So all rows of a batch can carry it before anyone knows the seq.
 */
export function conversationRows(upsert: StatementSync, dmActivity: StatementSync): ConversationRows {
  const pending = new Map<string, Pending>();
  return {
    put(row, seq, messages) {
      const before = pending.get(row.key);
      const next: Pending = {
        row,
        messages: (before?.messages ?? 0) + messages,
        first_seq: before?.first_seq ?? seq,
        touched: messages > 0 ? seq : (before?.touched ?? 0),
        held_seq: row.held_seq,
        keepHold: false,
      };
      if (row.held_seq === -1) {
        next.held_seq = before?.held_seq ?? seq;
        next.keepHold = before?.keepHold ?? true;
      }
      pending.set(row.key, next);
    },
    flush() {
      for (const { row, messages, first_seq, touched, held_seq, keepHold } of pending.values()) {
        upsert.run(
          row.key,
          row.kind,
          row.id,
          row.room_id,
          row.parent_message_id,
          messages,
          first_seq,
          touched,
          row.last_message_at,
          row.guard_turns,
          row.guard_speaker,
          row.held_at,
          held_seq,
          row.held_messages,
          row.guard_window,
          row.held_by,
          keepHold ? 1 : 0,
        );
        if (row.kind === 'dm' && touched > 0) dmActivity.run(touched, row.id);
      }
      pending.clear();
    },
  };
}
