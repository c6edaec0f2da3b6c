import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { NODE_FILES, SERVER_FILES } from '../../config/discover.ts';
import { ConfigError, type ConfigIssue } from '../../config/issues.ts';
import { loadBridgeConfig, loadNodeConfig } from '../../config/node.ts';
import { runtimeDefinition, RUNTIMES } from '../../runtimes/registry.ts';
import type { NodeConfig } from '../../config/types.ts';
import { loadServerConfig } from '../../config/server.ts';
import { readSource } from '../../config/yaml-source.ts';
import type { Command, Io } from '../command.ts';
import { bindWarning } from '../bind-warning.ts';
import { Failure } from '../failure.ts';

type Kind = 'server' | 'node' | 'bridge' | 'client';

export const command: Command = {
  usage: 'validate [path]',
  summary: 'check files without running anything',
  flags: [],
  positionals: 1,
  details:
    'The path is a file, or a folder whose server and node files are checked. The environment counts, as it does at start.',
  async run({ positionals }, io) {
    const at = path.resolve(io.cwd, positionals[0] ?? '.');
    if (!existsSync(at)) throw new Failure(`${positionals[0]} does not exist`);
    const files: [Kind, string][] = statSync(at).isDirectory() ? filesOf(at) : [[kindOf(at), at]];
    if (files.length === 0)
      throw new Failure(
        `${at} has no server file (${SERVER_FILES.join(', ')}) and no node file (${NODE_FILES.join(', ')})`,
        { hint: 'make them with: moltnet init' },
      );
    const issues: ConfigIssue[] = [];
    for (const [kind, file] of files) {
      try {
        await check(kind, file, io);
        await io.out(`validated ${file}\n`);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        issues.push(...error.issues);
      }
    }
    if (issues.length > 0) throw new ConfigError(issues);
  },
};

function filesOf(dir: string): [Kind, string][] {
  const first = (names: readonly string[]): string | undefined =>
    names.map((name) => path.join(dir, name)).find((file) => existsSync(file));
  const [server, node] = [first(SERVER_FILES), first(NODE_FILES)];
  return [
    ...(server === undefined ? [] : [['server', server] as [Kind, string]]),
    ...(node === undefined ? [] : [['node', node] as [Kind, string]]),
  ];
}

/** By its version, else by its name, else by what stands in it; a server file when nothing tells. */
function kindOf(file: string): Kind {
  const read = readSource(file).value;
  const value = (typeof read === 'object' && read !== null ? read : {}) as Record<string, unknown>;
  const version = typeof value['version'] === 'string' ? value['version'] : '';
  if (version.startsWith('moltnet.node.') || (NODE_FILES as readonly string[]).includes(path.basename(file)))
    return 'node';
  if (version.startsWith('moltnet.bridge.')) return 'bridge';
  if (version.startsWith('moltnet.client.') || version.startsWith('spawnfile.')) return 'client';
  if (version.startsWith('moltnet.v') || (SERVER_FILES as readonly string[]).includes(path.basename(file)))
    return 'server';
  return 'attachments' in value ? 'node' : 'server';
}

/** What each agent may do that its runtime alone would not let it. */
function sayOpenings({ attachments }: NodeConfig, io: Io): void {
  for (const { agent, runtime } of attachments) {
    const opened = runtimeDefinition(runtime.kind)?.opens?.(runtime);
    if (opened !== undefined) io.err(`moltnet: ${agent.id} (${runtime.kind}) ${opened}\n`);
  }
}

async function check(kind: Kind, file: string, io: Io): Promise<void> {
  if (kind === 'node') sayOpenings(loadNodeConfig({ cwd: io.cwd, env: io.env, path: file }, RUNTIMES), io);
  else if (kind === 'bridge') sayOpenings(loadBridgeConfig(file, io, RUNTIMES), io);
  else if (kind === 'client') (await import('../../config/client.ts')).readClientFile(file);
  else {
    const config = loadServerConfig({ cwd: io.cwd, env: io.env, path: file });
    const warning = bindWarning(config);
    if (warning !== undefined) io.err(`moltnet: ${file}: ${warning}\n`);
  }
}
