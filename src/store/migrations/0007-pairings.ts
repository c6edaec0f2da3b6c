import type { Migration } from '../migrations.ts';

/**
 * Paired networks, what is shared with them, and how far relay to each has come. The log is the outbox: what is beyond
 * the positions waits.
 *
 * An older program would relay nothing, and forget what is shared.
 */
export const pairings: Migration = {
  version: 7,
  name: 'pairings',
  min_reader: 7,
  sql: `
CREATE TABLE pairings (
  id TEXT NOT NULL PRIMARY KEY,
  remote_network_id TEXT NOT NULL,
  remote_network_name TEXT,
  remote_base_url TEXT,
  token TEXT,
  token_hash TEXT NOT NULL,
  link INTEGER NOT NULL,
  created_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX pairings_network ON pairings (remote_network_id);
CREATE UNIQUE INDEX pairings_token ON pairings (token_hash);

CREATE TABLE pairing_invites (
  code_hash TEXT NOT NULL PRIMARY KEY,
  id TEXT NOT NULL,
  rooms TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
) WITHOUT ROWID;

-- pairing_id is * for all pairings.
CREATE TABLE room_shares (
  room_id TEXT NOT NULL REFERENCES rooms (id),
  pairing_id TEXT NOT NULL,
  since_seq BIGINT NOT NULL,
  PRIMARY KEY (room_id, pairing_id)
) WITHOUT ROWID;

CREATE TABLE relays (
  pairing_id TEXT NOT NULL PRIMARY KEY,
  settled_seq BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE relay_positions (
  pairing_id TEXT NOT NULL,
  conversation TEXT NOT NULL,
  acked_seq BIGINT NOT NULL,
  PRIMARY KEY (pairing_id, conversation)
) WITHOUT ROWID;

CREATE TABLE relay_refusals (
  pairing_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  message_id TEXT NOT NULL,
  conversation TEXT NOT NULL,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (pairing_id, seq)
) WITHOUT ROWID;
`,
};
