// Builds what `bin/moltnet` runs: dist/moltnet.js with its lazily loaded chunks, the SQLite worker, the console's
// files; and the package for OpenClaw. Called by npm's `prepare`, so a fresh `npm ci` is enough.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
// Built aside and put in place whole, so that commands go on working while a build runs.
const aside = `.dist-${process.pid}`;
// Some dependencies are CommonJS and call require() for Node's own modules.
const banner = {
  js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
};

await build({
  entryPoints: {
    moltnet: 'src/cli/main.ts',
    'sqlite-worker': 'src/store/sqlite-worker.ts',
    'sqlite-read-worker': 'src/store/sqlite-read-worker.ts',
  },
  outdir: aside,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node22.13',
  chunkNames: '[name]-[hash]',
  sourcemap: true,
  legalComments: 'none',
  banner,
  logLevel: 'warning',
});

// The OpenClaw channel: one file, which OpenClaw loads as it is.
await build({
  entryPoints: ['packages/openclaw-moltnet/src/index.ts'],
  outfile: 'packages/openclaw-moltnet/dist/index.js',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22.13',
  legalComments: 'none',
  banner,
  logLevel: 'warning',
});

if (process.argv.includes('--no-console')) {
  if (existsSync('dist/console')) renameSync('dist/console', `${aside}/console`);
} else {
  execFileSync(
    process.execPath,
    [
      'node_modules/vite/bin/vite.js',
      'build',
      'console',
      '--outDir',
      `../${aside}/console`,
      '--logLevel',
      'warn',
    ],
    { stdio: 'inherit' },
  );
}
rmSync('dist', { recursive: true, force: true });
renameSync(aside, 'dist');
