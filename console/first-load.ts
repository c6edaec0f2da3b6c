import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/**
 * Fails the build when the script of the first load (the entry and what it imports statically) is over `limit` bytes
 * compressed, so that the console stays quick to open.
 */
export function firstLoad(options: { limit: number }): Plugin {
  return {
    name: 'first-load',
    apply: 'build',
    generateBundle(_, bundle) {
      const entry = Object.values(bundle).find((file) => file.type === 'chunk' && file.isEntry);
      if (entry?.type !== 'chunk') return this.error('first-load: the build has no entry chunk');
      const seen = new Set([entry.fileName]);
      let bytes = 0;
      for (const name of seen) {
        const chunk = bundle[name];
        if (chunk?.type !== 'chunk') continue;
        bytes += gzipSync(chunk.code).length;
        for (const imported of chunk.imports) seen.add(imported);
      }
      if (bytes > options.limit) {
        this.error(
          `first-load: ${bytes} bytes of compressed script, more than ${options.limit}. Load the new part lazily.`,
        );
      }
      this.info(`first load: ${(bytes / 1000).toFixed(1)} kB of compressed script`);
    },
  };
}
