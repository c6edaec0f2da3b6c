import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { firstLoad } from './first-load.ts';
import { precompress } from './precompress.ts';

/** Built into the server's dist folder, which serves it under /console/ with a strict Content-Security-Policy. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  plugins: [react(), firstLoad({ limit: 150_000 }), precompress()],
  build: {
    outDir: '../dist/console',
    emptyOutDir: true,
    target: 'es2023',
    // The policy allows no data: scripts or styles, and data: images only where they are small anyway.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: { proxy: { '/v1': process.env.MOLTNET_URL ?? 'http://127.0.0.1:8787' } },
});
