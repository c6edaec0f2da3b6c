import type { Migration } from '../migrations.ts';

/**
 * What an event is found by its id with, in place of an index: ids are random, so that an index of them costs every
 * message a page of its own in the WAL. See sqlite-event-ids.ts for what a row holds. A database whose events.id is
 * still UNIQUE keeps that index, which nothing reads.
 *
 * An older program would not fill it.
 */
export const eventIds: Migration = {
  version: 2,
  name: 'event ids',
  min_reader: 2,
  sql: `
CREATE TABLE event_ids (
  key INTEGER PRIMARY KEY,
  entries BLOB NOT NULL
);
`,
  // There an index costs less than what stands in its place.
  postgres: 'CREATE UNIQUE INDEX events_id ON events (id);',
};
