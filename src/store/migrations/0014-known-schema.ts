import type { Migration } from '../migrations.ts';
import { COMMIT_FUNCTIONS } from '../postgres-commit-sql.ts';

/**
 * Postgres: the oldest program that may write stands in the row that every commit reads, so that a server which still
 * runs when a newer program changes the schema under it stores nothing more that it does not know how to.
 *
 * An older program would call another function.
 */
export const knownSchema: Migration = {
  version: 14,
  name: 'known schema',
  min_reader: 14,
  sql: '',
  postgres: `
-- What postgres-migrations.ts keeps there: the highest min_reader of all steps.
ALTER TABLE log_head ADD COLUMN min_reader BIGINT NOT NULL DEFAULT 0;
DROP FUNCTION IF EXISTS moltnet_commit_2;
${COMMIT_FUNCTIONS}
`,
};
