import { defineConfig } from '@playwright/test';
import { browser } from './tests/browser';

/** The pages that are in the program, served by it, while it tests simulated models. */
export default defineConfig({
  testDir: 'tests/real',
  // Pictures are taken only when asked for.
  testMatch: process.env.SCREENSHOTS ? 'pictures.ts' : '*.spec.ts',
  // One server, whose benchmarks run one after another.
  workers: 1,
  retries: 0,
  timeout: 60_000,
  reporter: [['list']],
  use: { ...browser, trace: 'retain-on-failure' },
});
