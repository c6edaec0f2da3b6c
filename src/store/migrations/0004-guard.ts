import type { Migration } from '../migrations.ts';

/**
 * The guard's meters (the rolling hour of a conversation, the pairs of agents that answer each other) and why a
 * conversation is held; and what is paused. Every hold of an older program was one of consecutive turns.
 *
 * An older program would wake what is paused.
 */
export const guard: Migration = {
  version: 4,
  name: 'guard',
  min_reader: 4,
  sql: `
ALTER TABLE conversations ADD COLUMN guard_window TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD COLUMN held_by TEXT;
UPDATE conversations SET held_by = 'turns ' || guard_turns WHERE held_at IS NOT NULL;

CREATE TABLE guard_pairs (
  pair TEXT NOT NULL PRIMARY KEY,
  speaker TEXT NOT NULL,
  at BIGINT NOT NULL,
  turns TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE pauses (
  scope TEXT NOT NULL PRIMARY KEY,
  paused_by TEXT NOT NULL,
  at TEXT NOT NULL,
  until TEXT
) WITHOUT ROWID;
`,
};
