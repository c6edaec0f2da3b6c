import type { Migration } from '../migrations.ts';

/** The turns of an agent, the latest first, whatever became of them. */
export const endedWakes: Migration = {
  version: 9,
  name: 'ended-wakes',
  min_reader: 5,
  sql: `
CREATE INDEX wakes_ended ON wakes (agent_id, closed_at, wake_id) WHERE closed_at IS NOT NULL;
`,
};
