/** The storage that a server file names, for commands that work on it without a server. */
import path from 'node:path';
import { discover, SERVER_FILES } from '../config/discover.ts';
import { loadServerConfig } from '../config/server.ts';
import type { ServerConfig } from '../config/types.ts';
import type { OpenStoreOptions } from '../store/open.ts';
import type { Args, Flag, Io } from './command.ts';
import { Failure } from './failure.ts';

export const STORAGE_FLAGS: readonly Flag[] = [
  {
    name: 'config',
    value: 'FILE',
    what: 'server file, whose network and storage it is about',
    fallback: '$MOLTNET_CONFIG, Moltnet, moltnet.yaml, .yml, .json, else defaults',
  },
];

/** Throws ConfigError for a file with mistakes, and a Failure for a storage that keeps nothing. */
export function storageOf(args: Args, io: Io): { config: ServerConfig; options: OpenStoreOptions } {
  const file = args.text('config');
  const found = discover(
    { cwd: io.cwd, env: io.env, ...(file === undefined ? {} : { path: file }) },
    'MOLTNET_CONFIG',
    SERVER_FILES,
  );
  const config = loadServerConfig({
    cwd: io.cwd,
    env: io.env,
    ...(found === undefined ? {} : { path: found.file }),
  });
  const { kind, sqlite, postgres } = config.storage;
  if (kind === 'memory')
    throw new Failure('storage.kind is memory, which keeps nothing', {
      hint: 'name a server file with a storage: --config FILE',
    });
  const networkId = config.network.id;
  if (kind === 'postgres')
    return { config, options: { kind, networkId, ...(postgres && { dsn: postgres.dsn }) } };
  return { config, options: { kind, path: path.resolve(io.cwd, sqlite.path), networkId } };
}
