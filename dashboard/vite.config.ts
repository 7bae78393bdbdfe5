import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { compress } from './build/compress';
import { land } from './build/land';

/** The server that `npm run dev` asks: a `prony serve`, or the mock of the tests. */
const server = process.env.PRONY_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  // Relative, so that the pages also work behind a proxy that puts them under a path of its own.
  base: './',
  plugins: [land(), svelte(), compress()],
  build: { target: 'es2022', chunkSizeWarningLimit: 200, reportCompressedSize: true },
  server: { proxy: { '/api': server } },
  test: { include: ['tests/unit/**/*.test.ts'] },
});
