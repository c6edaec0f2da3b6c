/** TLS to a real Postgres that takes nothing else for one of its users, by every sslmode. Its password is in nothing that is said. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testAuthority } from '../../test/support/certificates.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import { eventOf, writesOf } from '../../test/support/store-writes.ts';
import { StorageError } from './errors.ts';
import { openStore } from './open.ts';

const PASSWORD = 'geheim-of-the-test';
let folder: string;
let tls: PostgresServer;
let plain: PostgresServer;
let right: string;
let wrong: string;
let client: { certFile: string; keyFile: string };

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'moltnet-tls-'));
  const authority = testAuthority(folder, 'right');
  const { cert, key } = authority.issue('localhost');
  right = authority.ca;
  wrong = testAuthority(folder, 'wrong').ca;
  client = authority.issue('tls');
  const { readFileSync } = await import('node:fs');
  tls = await startPostgres({
    settings: ['ssl=on', 'ssl_cert_file=own.pem', 'ssl_key_file=own.key', 'ssl_ca_file=ca.pem'],
    files: {
      'own.pem': cert,
      'own.key': key,
      'ca.pem': readFileSync(right, 'utf8'),
      'pg_hba.conf': `host all moltnet all trust
hostssl all tls all scram-sha-256
hostssl all certified all trust clientcert=verify-ca
`,
    },
  });
  const admin = new pg.Client(tls.dsn);
  await admin.connect();
  await admin.query(`CREATE USER tls PASSWORD '${PASSWORD}'; CREATE USER certified;
    CREATE SCHEMA tls AUTHORIZATION tls; CREATE SCHEMA certified AUTHORIZATION certified`);
  await admin.end();
  plain = await startPostgres();
});
afterAll(async () => {
  await Promise.all([tls?.stop(), plain?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

const said: string[] = [];
/** Opens the store and commits; resolves with whether its sessions are encrypted, or with why not. */
async function tried(dsn: string): Promise<string> {
  const patience = new AbortController();
  const warn = (_: object, message: string): void => {
    said.push(message);
    // What is waited for would be waited for without end.
    patience.abort();
  };
  try {
    const store = await openStore({
      kind: 'postgres',
      dsn,
      networkId: 'local',
      signal: patience.signal,
      log: { warn },
    });
    await store.commit([writesOf(eventOf(`e${Math.random()}`))]);
    const sessions = new pg.Client(dsn.includes(`:${tls.port}/`) ? tls.dsn : plain.dsn);
    await sessions.connect();
    const { rows } = await sessions.query<{ ssl: boolean }>(
      `SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'moltnet'`,
    );
    await sessions.end();
    await store.close();
    return rows.length > 0 && rows.every(({ ssl }) => ssl) ? 'encrypted' : 'plain';
  } catch (error) {
    expect(error).toBeInstanceOf(StorageError);
    said.push((error as Error).message);
    return (error as Error).message;
  }
}
const at = (
  host: string,
  query: string,
  { user = 'tls', password = PASSWORD, port = tls.port } = {},
): string =>
  `postgres://${user}${password && `:${password}`}@${host}:${port}/moltnet?options=-c%20search_path%3D${user}&${query}`;

describe('STO-52 TLS as sslmode says, to a real Postgres', () => {
  it.each([
    ['127.0.0.1', 'sslmode=require', 'encrypted'],
    ['127.0.0.1', 'sslmode=prefer', 'encrypted'],
    ['127.0.0.1', 'sslmode=verify-ca&sslrootcert=RIGHT', 'encrypted'],
    ['127.0.0.1', 'sslmode=require&sslrootcert=RIGHT', 'encrypted'],
    ['localhost', 'sslmode=verify-full&sslrootcert=RIGHT', 'encrypted'],
    ['127.0.0.1', 'sslmode=verify-full&sslrootcert=RIGHT', 'certificate is for another name'],
    ['localhost', 'sslmode=verify-full&sslrootcert=WRONG', 'of no authority that is trusted here'],
    ['localhost', 'sslmode=verify-ca&sslrootcert=WRONG', 'of no authority that is trusted here'],
    ['localhost', 'sslmode=require&sslrootcert=WRONG', 'of no authority that is trusted here'],
    // The authorities of the machine do not know it.
    ['localhost', 'sslmode=verify-full', 'of no authority that is trusted here'],
    ['127.0.0.1', 'sslmode=disable', 'does not let this user in'],
  ])('%s %s: %s', async (host, query, expected) => {
    const outcome = await tried(at(host, query.replace('RIGHT', right).replace('WRONG', wrong)));
    expect(outcome).toContain(expected);
  });

  it('a client certificate is shown; without it nobody comes in', async () => {
    const certified = { user: 'certified', password: '' };
    const own = `sslcert=${client.certFile}&sslkey=${client.keyFile}`;
    expect(await tried(at('localhost', `sslmode=verify-full&sslrootcert=${right}&${own}`, certified))).toBe(
      'encrypted',
    );
    expect(await tried(at('localhost', `sslmode=require`, certified))).toContain('does not let this user in');
  });

  it('a server without TLS: prefer goes without, everything above refuses and says so', async () => {
    const without = { user: 'moltnet', port: plain.port };
    const main = (mode: string) =>
      at('127.0.0.1', `sslmode=${mode}&sslrootcert=${right}`, without).replace(
        'search_path%3Dmoltnet',
        'search_path%3Dpublic',
      );
    expect(await tried(main('prefer'))).toBe('plain');
    for (const mode of ['require', 'verify-ca', 'verify-full'])
      expect(await tried(main(mode))).toContain('it does not speak TLS');
  });

  it('a wrong password ends the start; and nothing that was said holds a password', async () => {
    expect(await tried(at('localhost', 'sslmode=require', { password: 'wrong-geheim' }))).toContain(
      'does not let this user in',
    );
    expect(said.length).toBeGreaterThan(8);
    expect(said.filter((text) => text.includes('geheim'))).toEqual([]);
  });
});
