import { readFileSync } from 'node:fs';

/** Of the package: package.json stands one folder above the build, and two above this source. */
export const VERSION: string = read('../package.json') ?? read('../../package.json') ?? 'unknown';

function read(relative: string): string | undefined {
  try {
    const manifest = JSON.parse(readFileSync(new URL(relative, import.meta.url), 'utf8')) as {
      name?: string;
      version?: string;
    };
    return manifest.name === 'moltnet' ? manifest.version : undefined;
  } catch {
    return undefined;
  }
}
