import type { Migration } from '../migrations.ts';

/**
 * What outlives the messages and the process: counts toward quotas, and which messages of other networks were taken
 * before retention removed them.
 *
 * An older program would take those anew.
 */
export const relayMemory: Migration = {
  version: 11,
  name: 'relay-memory',
  min_reader: 11,
  sql: `
CREATE TABLE quotas (
  name TEXT NOT NULL PRIMARY KEY,
  span INTEGER NOT NULL,
  used INTEGER NOT NULL,
  granted INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE relay_taken (
  origin_network TEXT NOT NULL,
  origin_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (origin_network, origin_id)
) WITHOUT ROWID;
CREATE INDEX relay_taken_seq ON relay_taken (origin_network, seq);

-- seq up to which refusals are forgotten.
ALTER TABLE relays ADD COLUMN refusals_after BIGINT NOT NULL DEFAULT 0;

CREATE TRIGGER messages_taken AFTER DELETE ON messages
WHEN OLD.origin_network <> (SELECT value FROM meta WHERE key = 'store.network_id')
BEGIN
  INSERT INTO relay_taken (origin_network, origin_id, seq) VALUES (OLD.origin_network, OLD.origin_id, OLD.seq)
    ON CONFLICT (origin_network, origin_id) DO NOTHING;
END;
`,
  postgres: `
CREATE TABLE quotas (
  name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  span BIGINT NOT NULL,
  used BIGINT NOT NULL,
  granted BIGINT NOT NULL
);
CREATE TABLE relay_taken (
  origin_network TEXT COLLATE "C" NOT NULL,
  origin_id TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (origin_network, origin_id)
);
CREATE INDEX relay_taken_seq ON relay_taken (origin_network, seq);
ALTER TABLE relays ADD COLUMN refusals_after BIGINT NOT NULL DEFAULT 0;
CREATE FUNCTION messages_taken() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO relay_taken (origin_network, origin_id, seq)
    SELECT gone.origin_network, gone.origin_id, gone.seq FROM gone
    WHERE gone.origin_network <> (SELECT value FROM meta WHERE key = 'store.network_id') ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER messages_taken AFTER DELETE ON messages REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION messages_taken();
`,
};
