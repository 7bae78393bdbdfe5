import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import type { Benchmark } from '../../src/api/types';
import { expect, test } from './desk';

test.setTimeout(600_000);

/** The folder of the pictures that the documentation shows. */
const SHOWN = fileURLToPath(new URL('../../../docs/images', import.meta.url));

/** Gives a page the height of what is in it, so that what is as high as the window is so too. */
async function fit(page: Page, width: number): Promise<void> {
  await page.setViewportSize({ width, height: width === 400 ? 860 : 900 });
  // The live feed never ends, so there is no idle network to wait for.
  await page.waitForTimeout(3_000);
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height });
  await page.waitForTimeout(500);
}

/**
 * Pictures of the pages of a real server: `SCREENSHOTS=1 npm run e2e:real`. Those that the
 * documentation shows are taken anew too; a machine with nothing else to do measures what is valid.
 */
test('every page, in both colours, on a desk and on a phone', async ({ page, request }) => {
  const take = async (name: string, address: string, isShown = false): Promise<void> => {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [1280, 400]) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.goto(address);
        await fit(page, width);
        await page.screenshot({ path: `screenshots/real-${name}-${width}-${colorScheme}.png` });
        if (isShown && width === 1280) {
          await page.screenshot({ path: `${SHOWN}/${name}-${colorScheme}.png` });
        }
      }
    }
  };
  const asked = {
    name: 'Before the upgrade',
    models: ['swift', 'steady'],
    test_scenarios: ['short_queries'],
    concurrent_users: [2, 8],
    duration_seconds: 40,
    slo: { ttft_ms: 120, e2e_ms: 400 },
  };
  const answer = await request.post('/api/v1/benchmarks', { data: asked });
  const { id } = (await answer.json()) as Benchmark;
  const status = async (): Promise<Benchmark> =>
    (await (await request.get(`/api/v1/benchmarks/${id}`)).json()) as Benchmark;
  await expect
    .poll(async () => (await status()).progress.runs_done, { timeout: 120_000 })
    .toBeGreaterThan(0);
  await take('live', '/#/live', true);
  await take('watch', `/#/benchmarks/${id}`);
  await expect.poll(async () => (await status()).status, { timeout: 300_000 }).toBe('completed');
  await take('overview', `/#/benchmarks/${id}?run=3`);
  await take('result', `/#/benchmarks/${id}?run=3&part=distribution`, true);
  await take('requests', `/#/benchmarks/${id}?run=3&part=requests&sort=-e2e`);
  await take(
    'compare',
    `/#/compare?runs=${[0, 1, 2, 3].map((run) => `${id}:${run}`).join(',')}`,
    true,
  );
  await take('list', '/#/benchmarks');
  await take('form', '/#/benchmarks/new');
  await take('regions', '/#/regions', true);
  await take('history', '/#/history?period=15m');
  await take('alerts', '/#/alerts');
});
