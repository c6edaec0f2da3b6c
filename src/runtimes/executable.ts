/** Which file to run for a CLI that is named by its command. */
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { SetupError } from './setup-error.ts';

/** A CLI that npm installs as a small launcher in front of a native program in a package of its own. */
export interface NpmCli {
  /** The package with the launcher, e.g. `@openai/codex`. */
  package: string;
  /** Packages and files in them that may hold the native program for this platform, best first. */
  native: readonly { package: string; file: string }[];
}

/**
 * The absolute path of a command: a bare name by `searchPath` (a PATH), else a path from `cwd`. Where the found file
 * is npm's launcher of that CLI, the native program behind it: a launcher between us and the agent costs a second
 * process and does not pass SIGKILL on. Throws SetupError with what to do.
 */
export function findExecutable(
  command: string,
  searchPath: string,
  advice: string,
  cli: NpmCli = { package: '', native: [] },
  cwd: string = process.cwd(),
): string {
  const found = /[\\/]/.test(command) ? path.resolve(cwd, command) : onPath(command, searchPath);
  if (found === undefined) throw new SetupError(`${command} was not found on PATH; ${advice}`, 'missing');
  if (!existsSync(found)) throw new SetupError(`${found} does not exist; ${advice}`, 'missing');
  if (!isExecutable(found)) throw new SetupError(`${found} is not an executable file; ${advice}`, 'missing');
  return nativeBehind(realpathSync(found), cli) ?? found;
}

function onPath(name: string, searchPath: string): string | undefined {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', ''] : [''];
  for (const folder of searchPath.split(path.delimiter)) {
    for (const ending of endings) {
      const file = path.join(folder || '.', name + ending);
      if (isExecutable(file)) return path.resolve(file);
    }
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function nativeBehind(file: string, cli: NpmCli): string | undefined {
  const folder = `${path.sep}node_modules${path.sep}${cli.package.replaceAll('/', path.sep)}${path.sep}`;
  if (!file.includes(folder)) return undefined;
  const require = createRequire(file);
  for (const candidate of cli.native) {
    try {
      const native = path.join(
        path.dirname(require.resolve(`${candidate.package}/package.json`)),
        candidate.file,
      );
      if (isExecutable(native)) return native;
    } catch {
      // Not this platform's package.
    }
  }
  return undefined;
}
