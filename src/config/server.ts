/** `Moltnet`, the server's file, and the environment over it (wire.md 10.1). */
import path from 'node:path';
import { limits } from '../protocol/limits.ts';
import type { GuardSettings, Visibility, WritePolicy } from '../protocol/rooms.ts';
import {
  defined,
  finish,
  idTest,
  memberTest,
  newCheck,
  note,
  openSection,
  show,
  urlTest,
  type Check,
  type Section,
} from './check.ts';
import { discover, foundAt, SERVER_FILES, type Where } from './discover.ts';
import { requirePrivate } from './private-files.ts';
import { applyServerEnvironment } from './server-env.ts';
import {
  DEFAULT_LISTEN_ADDR,
  listenTest,
  measurementTest,
  nameTest,
  STORAGE_KINDS,
  type StorageDraft,
} from './server-fields.ts';
import type { Source } from './source.ts';
import type { RoomConfig, ServerConfig } from './types.ts';
import { readSource } from './yaml-source.ts';

export const SERVER_VERSION = 'moltnet.v1';
export const DEFAULT_NETWORK_ID = 'local';

const VISIBILITIES = ['private', 'public'] as const satisfies readonly Visibility[];
const WRITE_POLICIES = [
  'members',
  'registered_agents',
  'operators',
] as const satisfies readonly WritePolicy[];
const SCOPES = ['observe', 'write', 'admin', 'attach', 'pair'] as const;
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
    'rooms',
    'guard',
    'pairings',
  ]);
  root.text('version', (v) =>
    v === SERVER_VERSION ? undefined : { problem: `is ${JSON.stringify(v)}`, fix: `write ${SERVER_VERSION}` },
  );

  const network = root.section('network', ['id', 'name']);
  const id = network?.text('id', idTest) ?? DEFAULT_NETWORK_ID;
  const { server, data_path } = readListener(root);
  const storage = readStorage(root, data_path);
  const { auth, secret: tokens } = readAuth(root, lenient);
  const rooms = readRooms(check, root);
  const guard = readGuard(root) ?? { turns: limits.guard_turns.value };
  const { pairings, secret: pairing } = readPairings(root);
  const secret = tokens ?? pairing ?? (storage.postgres_dsn === undefined ? undefined : 'a database address');
  return {
    config: {
      network: { id, name: network?.text('name', nameTest) ?? defaultNetworkName(id) },
      server,
      auth,
      storage: { kind: 'sqlite', sqlite: { path: '' } },
      ...(rooms.length > 0 ? { rooms } : {}),
      guard,
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

function readAuth(root: Section, lenient: boolean): { auth: ServerConfig['auth']; secret?: string } {
  const auth = root.section('auth', ['mode', 'public_read', 'agent_registration', 'tokens']);
  const mode = auth?.oneOf('mode', ['none', 'bearer', 'open']) ?? 'none';
  const tokens = (auth?.sections('tokens', ['id', 'value', 'scopes', 'agents']) ?? []).map((token) => {
    const id = token.text('id', idTest);
    const agents = token.texts('agents', memberTest);
    const scopes = token.texts('scopes') ?? [];
    for (const [index, scope] of scopes.entries()) {
      if (!SCOPES.includes(scope as 'write'))
        token.note(
          'scopes',
          `${JSON.stringify(scope)} (item ${index + 1}) is not a scope`,
          `write ${SCOPES.join(', ')}`,
        );
    }
    if (scopes.length === 0 && mode !== 'none')
      token.note('scopes', 'is missing', `list what the token may do: ${SCOPES.join(', ')}`);
    return {
      ...(id === undefined ? {} : { id }),
      value:
        mode === 'none' || (lenient && id !== undefined)
          ? (token.text('value') ?? '')
          : token.required('value'),
      scopes,
      ...(agents === undefined ? {} : { agents }),
    };
  });
  return {
    auth: {
      mode,
      public_read: auth?.flag('public_read') ?? false,
      agent_registration: auth?.oneOf('agent_registration', ['disabled', 'token', 'open']) ?? 'disabled',
      tokens,
    },
    ...(tokens.some((token) => token.value !== '') ? { secret: 'tokens' } : {}),
  };
}

function settleAuth(check: Check, config: ServerConfig): void {
  const { auth } = config;
  if (auth.mode === 'open') Object.assign(auth, { public_read: true, agent_registration: 'open' });
  if (auth.mode === 'bearer' && auth.tokens.length === 0)
    note(
      check,
      ['auth', 'tokens'],
      'is empty in auth mode bearer',
      'write at least one token with id, value and scopes',
    );
  const owners = new Map<string, number>();
  for (const [index, token] of auth.tokens.entries()) {
    for (const agent of token.agents ?? []) {
      const other = owners.get(agent);
      if (other !== undefined && other !== index)
        note(
          check,
          ['auth', 'tokens', index, 'agents'],
          `${agent} stands under auth.tokens[${other}] too`,
          'an agent belongs to one token',
        );
      owners.set(agent, index);
    }
  }
}

function readRooms(check: Check, root: Section): RoomConfig[] {
  const seen = new Map<string, number>();
  return root
    .sections('rooms', ['id', 'name', 'members', 'visibility', 'write_policy', 'guard', 'federation'])
    .map((room, index) => {
      const id = room.required('id', idTest);
      const first = seen.get(id);
      if (id !== '' && first !== undefined)
        note(
          check,
          [...room.path, 'id'],
          `${JSON.stringify(id)} stands at rooms[${first}] too`,
          'a room stands once',
        );
      seen.set(id, first ?? index);
      const members = room.texts('members', memberTest) ?? [];
      if (members.length > limits.room_members.value)
        room.note(
          'members',
          `has ${members.length} members`,
          `a room has at most ${limits.room_members.value}`,
        );
      const name = room.text('name', nameTest);
      const visibility = room.oneOf('visibility', VISIBILITIES);
      const policy = room.oneOf('write_policy', WRITE_POLICIES);
      const guard = readGuard(room);
      if (room.has('federation') && room.raw('federation') !== 'none')
        room.note('federation', 'is not available in this version', 'write none, or remove it');
      return {
        id,
        members,
        ...(name === undefined ? {} : { name }),
        ...(visibility === undefined ? {} : { visibility }),
        ...(policy === undefined ? {} : { write_policy: policy }),
        ...(guard ? { guard } : {}),
      };
    });
}

function readGuard(parent: Section): GuardSettings | undefined {
  const guard = parent.section('guard', ['turns']);
  if (!guard?.has('turns')) return undefined;
  const raw = guard.raw('turns');
  if (raw === 'off' || raw === false) return { turns: 'off' };
  if (typeof raw === 'number' && Number.isInteger(raw) && raw >= 1 && raw <= 100_000) return { turns: raw };
  guard.note(
    'turns',
    `is ${show(raw)}`,
    'write how many agent turns may follow each other without a person (1 to 100000), or off',
  );
  return undefined;
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
        remote_network_id: pairing.text('remote_network_id', idTest),
        remote_network_name: pairing.text('remote_network_name'),
        token: pairing.text('token'),
        status: pairing.text('status'),
      }),
    };
  });
  return { pairings, ...(pairings.some((p) => p.token !== undefined) ? { secret: 'pairing tokens' } : {}) };
}
