import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { firstLoad } from './first-load.ts';
import { precompress } from './precompress.ts';

/** Built into the server's dist folder, which serves it under /console/ with a strict Content-Security-Policy. */
export default defineConfig(({ command }) => {
  const server = process.env.MOLTNET_URL ?? 'http://127.0.0.1:8787';
  // Whatever the caller's environment says (a test runner's `test`, say), what is built is the product.
  if (command === 'build') process.env.NODE_ENV = 'production';
  return {
    root: import.meta.dirname,
    base: '/console/',
    plugins: [react(), firstLoad({ limit: 150_000 }), precompress()],
    build: {
      outDir: '../dist/console',
      emptyOutDir: true,
      target: 'es2023',
      // The policy allows no data: scripts or styles.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
    server: { proxy: { '/v1': server, '/console/picture': server } },
  };
});
