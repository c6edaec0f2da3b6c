import type { Migration } from '../migrations.ts';

/**
 * Leases are of whatever one server at a time does, not of deliveries alone. SQLite has one server, and no leases.
 *
 * An older program would not find them.
 */
export const leases: Migration = {
  version: 10,
  name: 'leases',
  min_reader: 10,
  sql: '',
  postgres: `
ALTER TABLE delivery_leases RENAME TO leases;
ALTER TABLE leases RENAME COLUMN agent_id TO name;
`,
};
