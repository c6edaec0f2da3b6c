import { build } from 'vite';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import { firstLoad } from '../../console/first-load.ts';

const root = fileURLToPath(new URL('../../console', import.meta.url));
const once = (limit: number) =>
  build({
    root,
    configFile: false,
    logLevel: 'silent',
    mode: 'production',
    plugins: [firstLoad({ limit })],
    build: { write: false },
  });

it('CON-15 a first load over its limit fails the build, and ours is under it', async () => {
  vi.stubEnv('NODE_ENV', 'production');
  await expect(once(20_000)).rejects.toThrow(/first-load: \d+ bytes of compressed script, more than 20000/);
  await expect(once(150_000)).resolves.toBeDefined();
});
