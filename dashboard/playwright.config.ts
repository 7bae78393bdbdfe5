import { defineConfig } from '@playwright/test';
import { browser } from './tests/browser';

const port = 4610;

/** Every page against a mock of the API, whose worlds hold every state. */
export default defineConfig({
  testDir: 'tests/e2e',
  // Pictures are taken only when asked for.
  testMatch: process.env.SCREENSHOTS ? 'screenshots.ts' : '*.spec.ts',
  fullyParallel: true,
  workers: 2,
  retries: 0,
  timeout: 30_000,
  reporter: [['list']],
  use: { ...browser, baseURL: `http://127.0.0.1:${port}` },
  webServer: {
    command: 'npm run mock',
    url: `http://127.0.0.1:${port}/full/`,
    env: { MOCK_PORT: String(port) },
    reuseExistingServer: false,
  },
});
