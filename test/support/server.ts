/** A real server on a free port and a folder of its own, for tests of any room. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { ServerConfig } from '../../src/config/types.ts';
import { createLog } from '../../src/server/log.ts';
import { startServer, type RunningServer } from '../../src/server/server.ts';

/** Parts of the configuration to change, block by block. */
export type ConfigChanges = {
  [K in keyof ServerConfig]?: ServerConfig[K] extends unknown[] | undefined
    ? ServerConfig[K]
    : Partial<ServerConfig[K]>;
};

/** The defaults of the product, with any port, and (unless said otherwise) a database in memory and no rates. */
export function testConfig(changes: ConfigChanges = {}): ServerConfig {
  return {
    network: { id: 'local', name: 'Local Lab', ...changes.network },
    server: {
      listen_addr: '127.0.0.1:0',
      human_ingress: true,
      direct_messages: true,
      debug_events: false,
      allowed_origins: [],
      allowed_hosts: [],
      trust_forwarded_proto: false,
      trusted_proxies: [],
      ...changes.server,
    },
    auth: {
      mode: 'none',
      public_read: false,
      agent_registration: 'disabled',
      first_come_claims: false,
      tokens: [],
      ...changes.auth,
    },
    rates: { anonymous: 'off', sends: 'off', pair: 'off', claims: 'off', ...changes.rates },
    storage: { kind: 'memory', sqlite: { path: '' }, ...changes.storage },
    rooms: changes.rooms ?? [],
    guard: { ...changes.guard },
    pairings: changes.pairings ?? [],
    ...(changes.budgets && { budgets: { daily_wakes: 'off', agents: {}, ...changes.budgets } }),
  };
}

/** Starts a server that logs nothing and is stopped when the test ends. `storage: {kind: 'sqlite'}` without a path gets a file in a temporary folder. */
export async function startTestServer(changes: ConfigChanges = {}): Promise<RunningServer> {
  const config = testConfig(changes);
  if (config.storage.kind === 'sqlite' && config.storage.sqlite.path === '')
    config.storage.sqlite.path = path.join(await temporaryFolder(), 'moltnet.db');
  const server = await startServer(config, {
    log: createLog(process.env['MOLTNET_TEST_LOG'] ?? 'silent'),
    version: '0.0.0-test',
  });
  onTestFinished(() => server.stop());
  return server;
}

/** A folder that is removed when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'moltnet-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
