import { copyFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import type { Benchmark, BenchmarkRequest, Results } from '../../src/api/types';
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
 * documentation shows are taken anew too, but only if every run they show is valid, which takes a
 * machine with nothing else to do.
 */
test('every page, in both colours, on a desk and on a phone', async ({ page, request }) => {
  const shown: [taken: string, path: string][] = [];
  const take = async (name: string, address: string, isShown = false): Promise<void> => {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [1280, 400]) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.goto(address);
        await fit(page, width);
        const path = `screenshots/real-${name}-${width}-${colorScheme}.png`;
        await page.screenshot({ path });
        if (isShown && width === 1280) shown.push([path, `${SHOWN}/${name}-${colorScheme}.png`]);
      }
    }
  };
  const start = async (asked: Partial<BenchmarkRequest>): Promise<string> => {
    const data = { models: ['swift', 'steady'], test_scenarios: ['short_queries'], ...asked };
    const answer = await request.post('/api/v1/benchmarks', { data });
    return ((await answer.json()) as Benchmark).id;
  };
  const benchmark = async (id: string): Promise<Benchmark> =>
    (await (await request.get(`/api/v1/benchmarks/${id}`)).json()) as Benchmark;

  const watched = await start({ name: 'Nightly', concurrent_users: [4, 8], duration_seconds: 25 });
  await expect
    .poll(async () => (await benchmark(watched)).progress.runs_done, { timeout: 120_000 })
    .toBeGreaterThan(0);
  await take('live', '/#/live', true);
  await take('watch', `/#/benchmarks/${watched}`);
  await page.goto('about:blank');
  await request.post(`/api/v1/benchmarks/${watched}/cancel`);

  // Nothing is drawn while it is measured: a browser takes what the client needs.
  const id = await start({
    name: 'Before the upgrade',
    concurrent_users: [2, 8],
    duration_seconds: 40,
    slo: { ttft_ms: 120, e2e_ms: 400 },
  });
  await expect
    .poll(async () => (await benchmark(id)).status, { timeout: 300_000, intervals: [5_000] })
    .toBe('completed');
  const results = await request.get(`/api/v1/benchmarks/${id}/results`);
  const { runs } = (await results.json()) as Results;
  expect(runs.flatMap(({ verdict }) => verdict.doubts)).toEqual([]);

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
  for (const [taken, path] of shown) await copyFile(taken, path);
});
