import type { Migration } from '../migrations.ts';

/** What catch_up passes over inside a conversation: of a position, and of a wake. An older program delivers it after all. */
export const catchUp: Migration = {
  version: 6,
  name: 'catch-up',
  min_reader: 5,
  sql: `
ALTER TABLE delivery_positions ADD COLUMN passed TEXT;
ALTER TABLE wakes ADD COLUMN passed TEXT;
`,
};
