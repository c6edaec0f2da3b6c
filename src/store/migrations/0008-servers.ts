import type { Migration } from '../migrations.ts';

/**
 * What several servers on one Postgres go by: the one row that commits wait for, what each commit changed of that
 * which servers hold in memory, and leases; and the search index, which
 * SQLite has in a file of its own. SQLite has one server and needs none of the rest.
 *
 * An older program would commit without it.
 */
export const servers: Migration = {
  version: 8,
  name: 'servers',
  min_reader: 8,
  sql: '',
  postgres: `
-- One row. seq: of the newest event; stamp: of the newest commit; topology: of the newest commit that changed
-- anything but conversations, pairs of agents and deliveries, and the server that made it.
CREATE TABLE log_head (
  one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
  seq BIGINT NOT NULL,
  stamp BIGINT NOT NULL,
  topology BIGINT NOT NULL,
  topology_by BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO log_head (one, seq, stamp, topology, topology_by)
  SELECT 1, coalesce(max(seq), 0), 0, 0, 0 FROM events;

-- One row for each commit, kept for minutes: what the other servers take over, in order of stamp. \`batch\` is random:
-- whose answer was lost finds its commit by it. Its events are those with after_seq < seq <= last_seq.
CREATE TABLE changes (
  stamp BIGINT NOT NULL PRIMARY KEY,
  batch UUID NOT NULL,
  server BIGINT NOT NULL,
  after_seq BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  rows TEXT NOT NULL
);
CREATE UNIQUE INDEX changes_batch ON changes (batch);

-- The commit that wrote them last, and its server.
ALTER TABLE conversations ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0, ADD COLUMN stamp_by BIGINT NOT NULL DEFAULT 0;
ALTER TABLE guard_pairs ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0, ADD COLUMN stamp_by BIGINT NOT NULL DEFAULT 0;

-- Who lost a race twice: the others let it go first, for as long as \`until\`.
CREATE TABLE commit_turns (
  server BIGINT NOT NULL PRIMARY KEY,
  until TIMESTAMPTZ NOT NULL
);

-- Who lives, by the database's clock; which server delivers to an agent; who is attached where.
CREATE TABLE servers (
  server BIGINT NOT NULL PRIMARY KEY,
  until TIMESTAMPTZ NOT NULL
);
CREATE TABLE delivery_leases (
  agent_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  server BIGINT NOT NULL
);
CREATE TABLE attached (
  server BIGINT NOT NULL,
  agent_id TEXT COLLATE "C" NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (server, agent_id)
);

-- The search index: words of a message with their places, and the words that it is filtered by. Filled behind the log.
CREATE TABLE search_documents (
  seq BIGINT NOT NULL PRIMARY KEY,
  words TSVECTOR NOT NULL
);
CREATE INDEX search_documents_words ON search_documents USING GIN (words);
CREATE TABLE search_state (
  one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
  reached BIGINT NOT NULL,
  oldest BIGINT
);
INSERT INTO search_state (one, reached) VALUES (1, 0);

-- What belongs to an event goes with it: one statement for many, in the place of a foreign key that each insert pays.
CREATE FUNCTION events_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM dm_events USING gone WHERE dm_events.seq = gone.seq;
  DELETE FROM messages USING gone WHERE messages.seq = gone.seq;
  DELETE FROM mentions USING gone WHERE mentions.seq = gone.seq;
  DELETE FROM artifacts USING gone WHERE artifacts.seq = gone.seq;
  DELETE FROM search_documents USING gone WHERE search_documents.seq = gone.seq;
  RETURN NULL;
END $$;
CREATE TRIGGER events_gone AFTER DELETE ON events REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION events_gone();
`,
};
