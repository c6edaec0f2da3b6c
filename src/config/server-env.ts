/** The environment over the server's file (wire.md 10.1): trimmed, blank is absent, later storage variables win. */
import { parseFlag, urlTest, idTest, networkIdTest, orList, type Test } from './check.ts';
import type { ConfigIssue } from './issues.ts';
import { listenTest, measurementTest, STORAGE_KINDS, type StorageDraft } from './server-fields.ts';
import type { ServerConfig } from './types.ts';

export const SERVER_VARIABLES = [
  'MOLTNET_LISTEN_ADDR',
  'MOLTNET_NETWORK_ID',
  'MOLTNET_NETWORK_NAME',
  'MOLTNET_ALLOW_HUMAN_INGRESS',
  'MOLTNET_ALLOW_DIRECT_MESSAGES',
  'MOLTNET_DEBUG_EVENTS',
  'MOLTNET_CONSOLE_ANALYTICS_PROVIDER',
  'MOLTNET_CONSOLE_ANALYTICS_MEASUREMENT_ID',
  'MOLTNET_PAIRINGS_JSON',
  'MOLTNET_STORAGE_KIND',
  'MOLTNET_JSON_PATH',
  'MOLTNET_DATA_PATH',
  'MOLTNET_SQLITE_PATH',
  'MOLTNET_POSTGRES_DSN',
] as const;
type Variable = (typeof SERVER_VARIABLES)[number];

/** Changes config and storage in place; adds every mistake to issues. */
export function applyServerEnvironment(
  config: ServerConfig,
  storage: StorageDraft,
  env: NodeJS.ProcessEnv,
  issues: ConfigIssue[],
): void {
  const wrong = (key: Variable, problem: string, fix?: string): void => {
    issues.push({ file: 'environment', key, problem, ...(fix === undefined ? {} : { fix }) });
  };
  const text = (key: Variable, test?: Test): string | undefined => {
    const value = env[key]?.trim() || undefined;
    const bad = value === undefined ? undefined : test?.(value);
    if (bad) wrong(key, bad.problem, bad.fix);
    return bad ? undefined : value;
  };
  const flag = (key: Variable): boolean | undefined => {
    const value = text(key);
    if (value === undefined) return undefined;
    const parsed = parseFlag(value);
    if (parsed === undefined) wrong(key, `is ${JSON.stringify(value)}`, 'write true or false');
    return parsed;
  };

  const { network, server } = config;
  server.listen_addr = text('MOLTNET_LISTEN_ADDR', listenTest) ?? server.listen_addr;
  network.id = text('MOLTNET_NETWORK_ID', networkIdTest) ?? network.id;
  network.name = text('MOLTNET_NETWORK_NAME') ?? network.name;
  server.human_ingress = flag('MOLTNET_ALLOW_HUMAN_INGRESS') ?? server.human_ingress;
  server.direct_messages = flag('MOLTNET_ALLOW_DIRECT_MESSAGES') ?? server.direct_messages;
  server.debug_events = flag('MOLTNET_DEBUG_EVENTS') ?? server.debug_events;

  const provider =
    text('MOLTNET_CONSOLE_ANALYTICS_PROVIDER', (v) =>
      v === 'google' ? undefined : { problem: `is ${JSON.stringify(v)}`, fix: 'write google' },
    ) ?? server.analytics?.provider;
  const measurement =
    text('MOLTNET_CONSOLE_ANALYTICS_MEASUREMENT_ID', measurementTest) ?? server.analytics?.measurement_id;
  if (provider !== undefined && measurement !== undefined)
    server.analytics = { provider, measurement_id: measurement };
  else if (provider !== undefined)
    wrong('MOLTNET_CONSOLE_ANALYTICS_PROVIDER', 'is set without a measurement id', 'set both or none');
  else if (measurement !== undefined)
    wrong('MOLTNET_CONSOLE_ANALYTICS_MEASUREMENT_ID', 'is set without a provider', 'set both or none');

  const pairings = text('MOLTNET_PAIRINGS_JSON');
  if (pairings !== undefined)
    config.pairings = readPairings(pairings, (problem, fix) => wrong('MOLTNET_PAIRINGS_JSON', problem, fix));

  const kind = text('MOLTNET_STORAGE_KIND', (v) =>
    STORAGE_KINDS.includes(v as 'sqlite')
      ? undefined
      : { problem: `is ${JSON.stringify(v)}`, fix: `write ${orList(STORAGE_KINDS)}` },
  );
  const imply = (
    value: string | undefined,
    implied: 'json' | 'sqlite' | 'postgres',
    key: keyof StorageDraft,
  ): void => {
    if (value === undefined) return;
    Object.assign(storage, { [key]: value });
    if (kind === undefined) storage.kind = implied;
  };
  imply(text('MOLTNET_JSON_PATH'), 'json', 'json_path');
  imply(text('MOLTNET_DATA_PATH'), 'json', 'json_path');
  imply(text('MOLTNET_SQLITE_PATH'), 'sqlite', 'sqlite_path');
  imply(text('MOLTNET_POSTGRES_DSN'), 'postgres', 'postgres_dsn');
  if (kind !== undefined) storage.kind = kind as (typeof STORAGE_KINDS)[number];
}

function readPairings(
  json: string,
  wrong: (problem: string, fix?: string) => void,
): ServerConfig['pairings'] {
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch {
    wrong('is not JSON', 'write a JSON array of pairings');
    return [];
  }
  if (!Array.isArray(list)) {
    wrong('is not a JSON array', 'write [{"id":"…","remote_base_url":"https://…"}]');
    return [];
  }
  return list.flatMap((item: unknown, index) => {
    const entry = (item ?? {}) as Record<string, unknown>;
    const own = (key: string): string | undefined =>
      typeof entry[key] === 'string' && entry[key].trim() !== '' ? entry[key].trim() : undefined;
    const [id, url] = [own('id'), own('remote_base_url')];
    const badId = id === undefined ? { problem: 'has no id', fix: undefined } : idTest(id);
    const badUrl =
      url === undefined
        ? { problem: 'has no remote_base_url', fix: undefined }
        : urlTest('http', 'https')(url);
    for (const bad of [badId, badUrl]) if (bad) wrong(`pairing ${index + 1} ${bad.problem}`, bad.fix);
    if (id === undefined || url === undefined) return [];
    const rest = Object.fromEntries(
      ['remote_network_id', 'remote_network_name', 'token', 'status'].flatMap((key) =>
        own(key) === undefined ? [] : [[key, own(key)!]],
      ),
    );
    return [{ id, remote_base_url: url.replace(/\/+$/, ''), ...rest }];
  });
}
