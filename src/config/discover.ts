/** Which file a configuration is read from (wire.md 10). */
import { statSync } from 'node:fs';
import path from 'node:path';
import { configError } from './issues.ts';

/** Where a command runs: what relative paths and the environment mean to it. */
export interface Where {
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** A file named on the command line; then nothing is searched for. */
  path?: string;
}

export const SERVER_FILES = ['Moltnet', 'moltnet.yaml', 'moltnet.yml', 'moltnet.json'] as const;
export const NODE_FILES = [
  'MoltnetNode',
  'moltnet-node.yaml',
  'moltnet-node.yml',
  'moltnet-node.json',
] as const;
export const CLIENT_FILES = ['.moltnet/config.json', '.spawnfile/moltnet.json'] as const;

export interface Found {
  /** Absolute. */
  file: string;
  /** As a person would name it: relative when it is below the working folder. */
  shown: string;
}

/**
 * The file named on the command line, else by the variable, else the first of the names that exists in the working
 * folder; undefined when there is none. A file that is named must exist.
 */
export function discover(where: Where, variable: string, names: readonly string[]): Found | undefined {
  const named = where.path ?? (where.env[variable]?.trim() || undefined);
  if (named !== undefined) {
    const found = foundAt(where.cwd, named);
    const source = where.path === undefined ? `${variable} names ${found.shown}, which` : found.shown;
    const kind = kindOf(found.file);
    if (kind === undefined)
      throw configError(
        source,
        'does not exist',
        where.path === undefined ? `unset ${variable} or correct it` : 'check the path',
      );
    if (kind === 'folder') throw configError(source, 'is a folder', 'name the file in it');
    return found;
  }
  for (const name of names) {
    if (kindOf(path.join(where.cwd, name)) === 'file') return foundAt(where.cwd, name);
  }
  return undefined;
}

export function foundAt(cwd: string, name: string): Found {
  const file = path.resolve(cwd, name);
  const relative = path.relative(cwd, file);
  return {
    file,
    shown: relative === '' || relative.startsWith('..') || path.isAbsolute(relative) ? file : relative,
  };
}

function kindOf(file: string): 'file' | 'folder' | undefined {
  try {
    return statSync(file).isDirectory() ? 'folder' : 'file';
  } catch {
    return undefined;
  }
}
