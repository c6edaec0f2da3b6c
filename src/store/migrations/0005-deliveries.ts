import type { Migration } from '../migrations.ts';

/**
 * What receipts are made of: how wakes ended, what was passed over, what old clients took, what agents are bound to,
 * who has posted in which thread; and what turns cost.
 *
 * An older program would end wakes without their outcome, and pass over messages without a word.
 */
export const deliveries: Migration = {
  version: 5,
  name: 'deliveries',
  min_reader: 5,
  sql: `
-- The head when it was opened: what the agent said in the conversation after it is its answer.
ALTER TABLE wakes ADD COLUMN opened_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE wakes ADD COLUMN outcome TEXT;
ALTER TABLE wakes ADD COLUMN answer_id TEXT;
ALTER TABLE wakes ADD COLUMN classification TEXT;
CREATE INDEX wakes_range ON wakes (agent_id, conversation, last_seq);
CREATE INDEX wakes_closed ON wakes (closed_at) WHERE closed_at IS NOT NULL;

-- Messages that wake nobody any more: after_seq < seq <= last_seq.
CREATE TABLE skips (
  agent_id TEXT NOT NULL,
  conversation TEXT NOT NULL,
  last_seq INTEGER NOT NULL,
  after_seq INTEGER NOT NULL,
  reason TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (agent_id, conversation, last_seq)
) WITHOUT ROWID;
CREATE INDEX skips_at ON skips (at);

-- Taken by clients that decide wakes themselves.
CREATE TABLE handed (
  agent_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (agent_id, seq)
) WITHOUT ROWID;
CREATE INDEX handed_at ON handed (at);

CREATE TABLE bindings (
  agent_id TEXT NOT NULL PRIMARY KEY,
  bindings TEXT NOT NULL,
  at TEXT NOT NULL
) WITHOUT ROWID;

-- FQIDs of those who have posted in a thread, with the seq of their first message there.
CREATE TABLE thread_speakers (
  conversation TEXT NOT NULL,
  sender TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (conversation, sender)
) WITHOUT ROWID;
CREATE INDEX thread_speakers_sender ON thread_speakers (sender, conversation);
INSERT INTO thread_speakers (conversation, sender, seq)
  SELECT conversation, sender, min(seq) FROM messages
  WHERE conversation >= 'thread:' AND conversation < 'thread;' GROUP BY conversation, sender;

-- room_id is empty for DMs; day is UTC.
CREATE TABLE usage (
  day TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  room_id TEXT NOT NULL,
  wakes INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cost_usd REAL NOT NULL,
  PRIMARY KEY (day, agent_id, room_id)
) WITHOUT ROWID;
`,
};
