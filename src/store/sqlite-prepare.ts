import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** One prepared statement per text, under the same name. */
export function prepareAll<K extends string>(
  db: DatabaseSync,
  sql: Readonly<Record<K, string>>,
): Record<K, StatementSync> {
  const entries = Object.entries<string>(sql).map(([name, text]) => [name, db.prepare(text)]);
  return Object.fromEntries(entries) as Record<K, StatementSync>;
}
