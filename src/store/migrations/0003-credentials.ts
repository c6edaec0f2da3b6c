import type { Migration } from '../migrations.ts';

/**
 * What credentials leave behind: the claim key of a registration until its token's first use, the credential of a
 * room, claim codes, and sessions of browsers. Secrets only as their SHA-256 (protocol/credentials.ts).
 *
 * A program that knows only the step before it may go on with the database: it serves nobody but mode none, in which
 * none of this is looked at, and its writes leave the new columns as they are.
 */
export const credentials: Migration = {
  version: 3,
  name: 'credentials',
  min_reader: 2,
  sql: `
ALTER TABLE agents ADD COLUMN claim_key_hash TEXT;
ALTER TABLE rooms ADD COLUMN credential_hash TEXT;

-- One per agent: a new one takes the place of the one before it.
CREATE TABLE invites (
  agent_id TEXT NOT NULL PRIMARY KEY,
  code_hash TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
  id_hash TEXT NOT NULL PRIMARY KEY,
  token_id TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_expiry ON sessions (expires_at, id_hash);
`,
};
