/** What the address of a database says: where it is, as whom, over TLS or not. Its password is in nothing that is said. */
import { readFileSync } from 'node:fs';
import type { ClientConfig } from 'pg';
import { parse } from 'pg-connection-string';
import { StorageError } from './errors.ts';

export interface PostgresTarget {
  client: ClientConfig;
  /** For people: `host:port/database` as `user`. */
  shown: string;
  /** Behind a pooler that gives each transaction another session: nothing may be kept in one. */
  pooled: boolean;
  /** sslmode prefer: without TLS when the server has none. */
  prefersTls: boolean;
}

const SCHEMES = /^postgres(ql)?:\/\//;
/** Parameters of libpq that mean nothing here, or are ours. */
const OURS = new Set([
  'pgbouncer',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'ssl',
  'connect_timeout',
  'target_session_attrs',
  'fallback_application_name',
  'channel_binding',
  'gssencmode',
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
  'tcp_user_timeout',
  'statement_timeout',
  'query_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
]);

/** What is wrong with an address, without repeating it; undefined when nothing is. */
export function dsnProblem(dsn: string): string | undefined {
  try {
    postgresTarget(dsn, { readFiles: false });
    return undefined;
  } catch (error) {
    return error instanceof StorageError ? error.message : 'is not an address of a database';
  }
}

/** Takes a URL (`postgres://user:password@host:5432/database?sslmode=…`) or libpq's `host=… user=…`. Throws StorageError. */
export function postgresTarget(dsn: string, { readFiles = true } = {}): PostgresTarget {
  const url = SCHEMES.test(dsn) ? dsn : urlOf(dsn);
  let parsed: ReturnType<typeof parse> & Record<string, unknown>;
  const mode =
    parameter(url, 'sslmode') ?? (parameter(url, 'sslrootcert') === undefined ? 'disable' : 'require');
  if (!['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'].includes(mode))
    throw new StorageError(
      `has sslmode ${JSON.stringify(mode)}; write disable, prefer, require, verify-ca or verify-full`,
    );
  try {
    parsed = parse(withoutFiles(url)) as typeof parsed;
  } catch {
    throw new StorageError(
      'is not an address of a database; write postgres://user:password@host:5432/database',
    );
  }
  if (!parsed.database && !parsed.user && !parsed.host)
    throw new StorageError(
      'is not an address of a database; write postgres://user:password@host:5432/database',
    );
  const client: ClientConfig = {};
  for (const [key, value] of Object.entries(parsed))
    if (!OURS.has(key) && value !== undefined && value !== null && value !== '')
      Object.assign(client, { [key]: key === 'port' ? Number(value) : value });
  client.host ??= process.env['PGHOST'] ?? 'localhost';
  const ssl = tlsOf(url, mode, readFiles);
  if (ssl) client.ssl = ssl;
  const pooled = ['true', '1'].includes(parameter(url, 'pgbouncer') ?? '');
  const database = client.database ?? client.user ?? '';
  return {
    client,
    shown: `${client.host}:${client.port ?? 5432}/${database}${client.user ? ` as ${client.user}` : ''}`,
    pooled,
    prefersTls: mode === 'prefer' || mode === 'allow',
  };
}

/** As libpq has it: `require` encrypts and asks for no name, with a root certificate it is `verify-ca`. */
function tlsOf(url: string, mode: string, readFiles: boolean): ClientConfig['ssl'] | undefined {
  if (mode === 'disable') return undefined;
  const file = (name: string): string | undefined => {
    const path = parameter(url, name);
    if (path === undefined || !readFiles || path === 'system') return undefined;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new StorageError(
        `names ${name} ${path}, which cannot be read (${(error as NodeJS.ErrnoException).code})`,
      );
    }
  };
  const ca = file('sslrootcert');
  const cert = file('sslcert');
  const key = file('sslkey');
  const verifies = mode === 'verify-full' || mode === 'verify-ca' || (mode === 'require' && ca !== undefined);
  if (mode === 'verify-ca' && parameter(url, 'sslrootcert') === undefined)
    throw new StorageError(
      'has sslmode verify-ca and no sslrootcert; name the file of the certificate authority',
    );
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    rejectUnauthorized: verifies,
    ...(verifies && mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
  };
}

const parameter = (url: string, name: string): string | undefined => {
  const query = url.split('?')[1];
  return query === undefined ? undefined : (new URLSearchParams(query).get(name) ?? undefined);
};

/** The URL without what the parser would act on itself. */
function withoutFiles(url: string): string {
  const [base, query] = url.split('?', 2);
  if (query === undefined) return url;
  const parameters = new URLSearchParams(query);
  for (const name of ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'ssl', 'uselibpqcompat'])
    parameters.delete(name);
  const rest = parameters.toString();
  return rest === '' ? base! : `${base!}?${rest.replaceAll('+', '%20')}`;
}

/** libpq's keyword form as a URL. */
function urlOf(dsn: string): string {
  const fields = new Map<string, string>();
  const pattern = /\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))\s*/y;
  while (pattern.lastIndex < dsn.length) {
    const found = pattern.exec(dsn);
    if (!found)
      throw new StorageError(
        'is not an address of a database; write postgres://user:password@host:5432/database',
      );
    fields.set(found[1]!, (found[2] ?? found[3] ?? '').replace(/\\(.)/g, '$1'));
  }
  const take = (name: string): string => {
    const value = fields.get(name) ?? '';
    fields.delete(name);
    return encodeURIComponent(value);
  };
  const host = take('host');
  const port = take('port');
  const login = `${take('user')}:${take('password')}`;
  const database = take('dbname');
  const rest = new URLSearchParams([...fields]).toString();
  return `postgres://${login === ':' ? '' : `${login}@`}${host}${port === '' ? '' : `:${port}`}/${database}${rest === '' ? '' : `?${rest}`}`;
}
