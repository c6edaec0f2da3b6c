import type { Migration } from '../migrations.ts';
import { COMMIT_FUNCTIONS } from '../postgres-commit-sql.ts';

/**
 * Postgres: the functions that commit, and whose commits the newest ones are: most of the time one server's, which then
 * has nothing to look for that others changed.
 *
 * An older program would call other functions.
 */
export const commits: Migration = {
  version: 12,
  name: 'commits',
  min_reader: 12,
  sql: '',
  postgres: `
-- The server of the newest commit, and the stamp of the first one since which all were that server's.
ALTER TABLE log_head ADD COLUMN run_by BIGINT NOT NULL DEFAULT 0, ADD COLUMN run_from BIGINT NOT NULL DEFAULT 0;
-- A turn goes before those that were asked for after it; it begins with its first commit. After a crash nobody waits.
ALTER TABLE commit_turns ADD COLUMN since TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), ADD COLUMN began TIMESTAMPTZ;
ALTER TABLE commit_turns SET UNLOGGED;
${COMMIT_FUNCTIONS}
`,
};
