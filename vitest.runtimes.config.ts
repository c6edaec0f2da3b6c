import { defineConfig } from 'vitest/config';

/** `npm run test:runtimes`: the real `codex` and `claude` against a local mock model server. */
export default defineConfig({
  test: {
    include: ['test/runtimes/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 600_000,
    hookTimeout: 120_000,
    // As in vitest.config.ts.
    retry: process.env['CI'] ? 1 : 0,
  },
});
