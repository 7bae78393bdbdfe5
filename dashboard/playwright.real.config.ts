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
  timeout: 120_000,
  // A machine that does other things besides is slow, and nothing waits longer than it must.
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: { ...browser, trace: 'retain-on-failure' },
});
