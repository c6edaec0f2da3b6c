import type { Migration } from '../migrations.ts';

/**
 * How far people have read, and, where several servers share a database, tickets that log a browser in at any of them.
 *
 * An older program may go on with the database: it looks at neither.
 */
export const reads: Migration = {
  version: 13,
  name: 'reads',
  min_reader: 12,
  sql: `
CREATE TABLE reads (
  person_id TEXT NOT NULL,
  conversation TEXT NOT NULL,
  seq INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (person_id, conversation)
) WITHOUT ROWID;
CREATE INDEX reads_latest ON reads (person_id, at, conversation);
`,
  postgres: `
CREATE TABLE reads (
  person_id TEXT COLLATE "C" NOT NULL,
  conversation TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  message_id TEXT NOT NULL,
  at TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (person_id, conversation)
);
CREATE INDEX reads_latest ON reads (person_id, at, conversation);

-- By the hash of the ticket; what it stands for is known by its own hash.
CREATE TABLE tickets (
  id_hash TEXT NOT NULL PRIMARY KEY,
  token_id TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  until TIMESTAMPTZ NOT NULL
);
`,
};
