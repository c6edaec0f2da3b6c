import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The folder with the `moltnet` launcher, for the PATH of agents: `bin` of the package, two levels up in source and
 * one in the build. Undefined when it is not there (another packaging): then PATH must have it.
 */
export function launcherFolder(): string | undefined {
  return ['../../bin', '../bin']
    .map((relative) => fileURLToPath(new URL(relative, import.meta.url)))
    .find((folder) => existsSync(`${folder}/moltnet`));
}
