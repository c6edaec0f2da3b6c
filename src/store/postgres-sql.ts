/** The statements that are written for SQLite, as Postgres takes them: one text for both, where both allow it. */
import type { Statement } from './postgres-sessions.ts';

/** Of a query: no INDEXED BY (Postgres has statistics), numbered parameters, its own JSON functions. */
export function toPostgres(sql: string): string {
  let parameters = 0;
  return sql
    .replace(/ INDEXED BY \w+/g, '')
    .replaceAll('CROSS JOIN', 'JOIN')
    .replaceAll('json_group_array(d.participant)', 'json_agg(d.participant)::TEXT')
    .replaceAll('json_each(?) j', 'unnest(?::TEXT[]) AS j(value)')
    .replace(/\?/g, () => `$${++parameters}`);
}

/** Of a schema: bytewise order of text, 64-bit integers, no WITHOUT ROWID, no foreign keys (0006-servers.ts has a trigger). */
export function schemaToPostgres(sql: string): string {
  return sql
    .replaceAll(/--[^\n]*/g, '')
    .replace(/ REFERENCES \w+ \(\w+\)( ON DELETE CASCADE)?/g, '')
    .replaceAll(' WITHOUT ROWID', '')
    .replace(/\bTEXT\b/g, 'TEXT COLLATE "C"')
    .replace(/\bINTEGER\b/g, 'BIGINT')
    .replace(/\bREAL\b/g, 'DOUBLE PRECISION');
}

/** Prepared under the same names. */
export function statements<K extends string>(
  prefix: string,
  sql: Readonly<Record<K, string>>,
): Record<K, Statement> {
  const entries = Object.entries<string>(sql).map(([name, text]) => [
    name,
    { name: `moltnet_${prefix}_${name}`, text: toPostgres(text) },
  ]);
  return Object.fromEntries(entries) as Record<K, Statement>;
}
