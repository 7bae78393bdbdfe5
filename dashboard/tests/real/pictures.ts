import type { Benchmark } from '../../src/api/types';
import { expect, test } from './desk';

test.setTimeout(600_000);

/** Pictures of the pages of a real server: `SCREENSHOTS=1 npm run e2e:real`. */
test('every page, in both colours, on a desk and on a phone', async ({ page, request }) => {
  const take = async (name: string, address: string, fullPage = true): Promise<void> => {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [1280, 400]) {
        await page.setViewportSize({ width, height: width === 400 ? 860 : 900 });
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.goto(address);
        // The live feed never ends, so there is no idle network to wait for.
        await page.waitForTimeout(3_000);
        const path = `screenshots/real-${name}-${width}-${colorScheme}.png`;
        await page.screenshot({ path, fullPage });
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
  await take('live', '/#/live');
  await take('watch', `/#/benchmarks/${id}`);
  await expect.poll(async () => (await status()).status, { timeout: 300_000 }).toBe('completed');
  await take('result', `/#/benchmarks/${id}?run=3`);
  await take('distribution', `/#/benchmarks/${id}?run=3&part=distribution`);
  await take('requests', `/#/benchmarks/${id}?run=3&part=requests&sort=-e2e`);
  await take('compare', `/#/compare?runs=${[0, 1, 2, 3].map((run) => `${id}:${run}`).join(',')}`);
  await take('list', '/#/benchmarks');
  await take('form', '/#/benchmarks/new');
  await take('regions', '/#/regions');
  await take('history', '/#/history?period=15m');
  await take('alerts', '/#/alerts');
});
