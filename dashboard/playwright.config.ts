import { defineConfig } from '@playwright/test';

const port = 4610;

export default defineConfig({
  testDir: 'tests/e2e',
  // Pictures are taken only when asked for.
  testMatch: process.env.SCREENSHOTS ? 'screenshots.ts' : '*.spec.ts',
  fullyParallel: true,
  workers: 2,
  retries: 0,
  timeout: 30_000,
  reporter: [['list']],
  use: {
    baseURL: `http://127.0.0.1:${port}`,
    viewport: { width: 1280, height: 900 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  webServer: {
    command: 'npm run mock',
    url: `http://127.0.0.1:${port}/full/`,
    env: { MOCK_PORT: String(port) },
    reuseExistingServer: false,
  },
});
