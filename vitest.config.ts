import { defineConfig } from 'vitest/config';

/** The whole suite, `npm test`. The real agent CLIs stand apart: vitest.runtimes.config.ts. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'console/src/**/*.test.{ts,tsx}'],
    exclude: ['**/node_modules/**', 'test/runtimes/**'],
    pool: 'forks',
    // More than the two cores: the tests wait for real processes, disks and sockets more than they compute.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // In CI a test that fails is run once more, and is told as `retry x1`: find out why, it may be a fault.
    retry: process.env['CI'] ? 1 : 0,
  },
});
