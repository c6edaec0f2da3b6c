/** `Moltnet`, the server's file, and the environment over it (wire.md 10.1). */
import path from 'node:path';
import {
  defined,
  finish,
  idTest,
  networkIdTest,
  newCheck,
  note,
  openSection,
  urlTest,
  type Check,
  type Section,
} from './check.ts';
import { discover, foundAt, SERVER_FILES, type Where } from './discover.ts';
import { requirePrivate } from './private-files.ts';
import { readAuth, settleAuth } from './server-auth.ts';
import { applyServerEnvironment } from './server-env.ts';
import { readBudgets } from './server-budgets.ts';
import { readRetention } from './server-retention.ts';
import {
  DEFAULT_LISTEN_ADDR,
  listenTest,
  measurementTest,
  nameTest,
  proxyTest,
  STORAGE_KINDS,
  type StorageDraft,
} from './server-fields.ts';
import { readRates } from './server-rates.ts';
import { readGuard, readRooms } from './server-rooms.ts';
import type { Source } from './source.ts';
import type { ServerConfig } from './types.ts';
import { readSource } from './yaml-source.ts';

export const SERVER_VERSION = 'moltnet.v1';
export const DEFAULT_NETWORK_ID = 'local';

/**
 * The server's configuration: from the file named, or found, or from defaults alone, then the environment.
 * Throws a ConfigError with every mistake.
 */
export function loadServerConfig(where: Where): ServerConfig {
  const found = discover(where, 'MOLTNET_CONFIG', SERVER_FILES);
  const source: Source = found
    ? readSource(found.file, found.shown)
    : { file: 'defaults', value: {}, locate: () => undefined };
  const check = newCheck(source);
  const { config, storage, secret } = readServer(check);
  if (found && secret) privacy(check, found.file, secret);
  applyServerEnvironment(config, storage, where.env, check.issues);
  settleStorage(check, config, storage, where.cwd);
  settleAuth(check, config);
  finish(check);
  return found ? { ...config, path: found.file } : config;
}

/**
 * One file as a server configuration, without the environment. `secrets: 'lenient'` does not mind who may read the
 * file, nor a token without a value: `apply` sends none.
 */
export function readServerFile(
  file: string,
  cwd: string,
  options: { secrets?: 'lenient' } = {},
): ServerConfig {
  const found = foundAt(cwd, file);
  const check = newCheck(readSource(found.file, found.shown));
  const { config, storage, secret } = readServer(check, options.secrets === 'lenient');
  if (secret && options.secrets !== 'lenient') privacy(check, found.file, secret);
  settleStorage(check, config, storage, cwd);
  settleAuth(check, config);
  finish(check);
  return { ...config, path: found.file };
}

function privacy(check: Check, file: string, secret: string): void {
  try {
    requirePrivate(file, secret);
  } catch (error) {
    check.issues.push(...(error as { issues: Check['issues'] }).issues);
  }
}

function readServer(
  check: Check,
  lenient = false,
): { config: ServerConfig; storage: StorageDraft; secret?: string } {
  const root = openSection(check, [], check.source.value, [
    'version',
    'network',
    'server',
    'auth',
    'storage',
    'rates',
    'rooms',
    'guard',
    'budgets',
    'retention',
    'pairings',
  ]);
  root.text('version', (v) =>
    v === SERVER_VERSION ? undefined : { problem: `is ${JSON.stringify(v)}`, fix: `write ${SERVER_VERSION}` },
  );

  const network = root.section('network', ['id', 'name']);
  const id = network?.text('id', networkIdTest) ?? DEFAULT_NETWORK_ID;
  const { server, data_path } = readListener(root);
  const storage = readStorage(root, data_path);
  const { auth, secret: tokens } = readAuth(root, lenient);
  const rooms = readRooms(check, root);
  const guard = readGuard(root) ?? {};
  const budgets = readBudgets(root);
  const retention = readRetention(root);
  const { pairings, secret: pairing } = readPairings(root);
  const joining = rooms.some((room) => room.credential !== undefined) ? 'room credentials' : undefined;
  const database = storage.postgres_dsn === undefined ? undefined : 'a database address';
  const secret = tokens ?? joining ?? pairing ?? database;
  return {
    config: {
      network: { id, name: network?.text('name', nameTest) ?? defaultNetworkName(id) },
      server,
      auth,
      rates: readRates(root),
      storage: { kind: 'sqlite', sqlite: { path: '' } },
      ...(rooms.length > 0 ? { rooms } : {}),
      guard,
      ...(budgets ? { budgets } : {}),
      ...(retention ? { retention } : {}),
      pairings,
    },
    storage,
    ...(secret === undefined ? {} : { secret }),
  };
}

/** `acme` → `Acme Moltnet`. */
export const defaultNetworkName = (id: string): string =>
  `${id.charAt(0).toUpperCase()}${id.slice(1)} Moltnet`;

const originTest = (value: string) => {
  const wrong = urlTest('http', 'https')(value);
  return (
    wrong ??
    (new URL(value).origin === value.replace(/\/$/, '').toLowerCase()
      ? undefined
      : { problem: `${JSON.stringify(value)} is more than an origin`, fix: `write ${new URL(value).origin}` })
  );
};

const hostTest = (value: string) =>
  /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(value) && value.length <= 253
    ? undefined
    : {
        problem: `${JSON.stringify(value)} is not a host name`,
        fix: 'write a name without scheme and port, such as chat.example.org',
      };

function readListener(root: Section): { server: ServerConfig['server']; data_path?: string } {
  const known = [
    'listen_addr',
    'human_ingress',
    'direct_messages',
    'debug_events',
    'allowed_origins',
    'allowed_hosts',
    'public_url',
    'trust_forwarded_proto',
    'trusted_proxies',
    'data_path',
    'console',
  ];
  const server = root.section('server', known);
  const analytics = server
    ?.section('console', ['analytics'])
    ?.section('analytics', ['provider', 'measurement_id']);
  const provider = analytics?.oneOf('provider', ['google']);
  const measurement = analytics?.text('measurement_id', measurementTest);
  if (analytics && analytics.has('provider') !== analytics.has('measurement_id'))
    analytics.note(undefined, 'has one of provider and measurement_id', 'write both or none');
  const publicUrl = server?.text('public_url', urlTest('http', 'https'));
  const dataPath = server?.text('data_path');
  return {
    server: {
      listen_addr: server?.text('listen_addr', listenTest) ?? DEFAULT_LISTEN_ADDR,
      human_ingress: server?.flag('human_ingress') ?? true,
      direct_messages: server?.flag('direct_messages') ?? true,
      debug_events: server?.flag('debug_events') ?? false,
      allowed_origins: (server?.texts('allowed_origins', originTest) ?? []).map((origin) =>
        origin.replace(/\/$/, '').toLowerCase(),
      ),
      allowed_hosts: (server?.texts('allowed_hosts', hostTest) ?? []).map((host) => host.toLowerCase()),
      ...(publicUrl === undefined ? {} : { public_url: publicUrl.replace(/\/+$/, '') }),
      trust_forwarded_proto: server?.flag('trust_forwarded_proto') ?? false,
      trusted_proxies: server?.texts('trusted_proxies', proxyTest) ?? [],
      ...(provider !== undefined && measurement !== undefined
        ? { analytics: { provider, measurement_id: measurement } }
        : {}),
    },
    ...(dataPath === undefined ? {} : { data_path: dataPath }),
  };
}

function readStorage(root: Section, dataPath: string | undefined): StorageDraft {
  const storage = root.section('storage', ['kind', 'sqlite', 'json', 'postgres']);
  const kind = storage?.oneOf('kind', STORAGE_KINDS);
  const sqlite = storage?.section('sqlite', ['path'])?.text('path');
  const json = storage?.section('json', ['path'])?.text('path');
  const dsn = storage?.section('postgres', ['dsn'])?.text('dsn');
  const legacy = kind === undefined && dataPath !== undefined;
  return {
    ...(kind !== undefined ? { kind } : legacy ? { kind: 'json' as const } : {}),
    ...(sqlite === undefined ? {} : { sqlite_path: sqlite }),
    ...(json === undefined ? {} : { json_path: json }),
    ...(dsn === undefined ? {} : { postgres_dsn: dsn }),
  };
}

function settleStorage(check: Check, config: ServerConfig, draft: StorageDraft, cwd: string): void {
  const kind = draft.kind ?? 'sqlite';
  if (kind === 'json') {
    note(
      check,
      ['storage', 'kind'],
      'the JSON store does not exist here',
      'write sqlite (storage.sqlite.path), postgres or memory',
    );
    return;
  }
  if (kind === 'postgres' && draft.postgres_dsn === undefined)
    note(
      check,
      ['storage', 'kind'],
      'is postgres and storage.postgres.dsn is missing',
      'write the address of the database, or set MOLTNET_POSTGRES_DSN',
    );
  config.storage = {
    kind,
    sqlite: { path: path.resolve(cwd, draft.sqlite_path ?? '.moltnet/moltnet.db') },
    ...(draft.postgres_dsn === undefined ? {} : { postgres: { dsn: draft.postgres_dsn } }),
  };
}

function readPairings(root: Section): { pairings: ServerConfig['pairings']; secret?: string } {
  const seen = new Set<string>();
  const known = [
    'id',
    'remote_network_id',
    'remote_network_name',
    'remote_base_url',
    'token',
    'status',
    'diagnostics',
  ];
  const pairings = root.sections('pairings', known).map((pairing) => {
    const id = pairing.required('id', idTest);
    if (seen.has(id)) pairing.note('id', `${JSON.stringify(id)} stands twice`, 'a pairing stands once');
    seen.add(id);
    return {
      id,
      remote_base_url: pairing.required('remote_base_url', urlTest('http', 'https')).replace(/\/+$/, ''),
      ...defined({
        remote_network_id: pairing.text('remote_network_id', networkIdTest),
        remote_network_name: pairing.text('remote_network_name'),
        token: pairing.text('token'),
        status: pairing.text('status'),
      }),
    };
  });
  return { pairings, ...(pairings.some((p) => p.token !== undefined) ? { secret: 'pairing tokens' } : {}) };
}
