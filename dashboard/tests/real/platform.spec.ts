import type { Locator, Page } from '@playwright/test';
import { expect, test } from './desk';

test.describe.configure({ mode: 'serial' });

/** Where the benchmark that the form starts is shown. */
let benchmark = '';

/** Opens a part of the first run's result. */
async function openPart(page: Page, part: string): Promise<void> {
  await page.goto(`/#/benchmarks/${benchmark}?run=0&part=${part}`);
}

/**
 * The times between so many changes of what an element says, in milliseconds, or between those that
 * come in ten seconds: taken in the page, so that nothing but the page takes time.
 */
function gapsBetweenChanges(element: Locator, count: number): Promise<number[]> {
  return element.evaluate(
    (node, count) =>
      new Promise<number[]>((resolve) => {
        const gaps: number[] = [];
        let [last, lastMs] = [node.textContent, performance.now()];
        const observer = new MutationObserver(() => {
          if (node.textContent === last) return;
          const nowMs = performance.now();
          gaps.push(nowMs - lastMs);
          [last, lastMs] = [node.textContent, nowMs];
          if (gaps.length === count) resolve(gaps);
        });
        observer.observe(node, { characterData: true, childList: true, subtree: true });
        setTimeout(() => resolve(gaps), 10_000);
      }),
    count,
  );
}

/** How old the live figures are by the browser's clock, in whole seconds: both read at one moment. */
async function secondsBehind(page: Page): Promise<number> {
  const status = page.getByText(/^As of/);
  const { text, nowMs } = await status.evaluate((node) => ({
    text: node.textContent,
    nowMs: Date.now(),
  }));
  const today = new Date(nowMs).toISOString().slice(0, 10);
  const shownMs = Date.parse(`${today}T${/\d\d:\d\d:\d\d/.exec(text)?.[0]}Z`);
  return Math.floor((nowMs - shownMs) / 1_000);
}

test('a browser is shown the live view, which says how to begin', async ({ page }) => {
  await page.goto('/');
  await expect(page).toHaveTitle('Live · Prony');
  await expect(page.getByText(/^As of/)).toBeVisible();
  await expect(page.getByRole('heading', { name: 'No traffic now' })).toBeVisible();
  await page.getByRole('link', { name: 'Start a benchmark' }).click();
  await expect(page.getByRole('heading', { name: 'New benchmark' })).toBeVisible();
});

test('an address without the hash leads to its view, and a reload stays there', async ({
  page,
}) => {
  await page.goto('/benchmarks/new?from=');
  await expect(page).toHaveURL(/\/#\/benchmarks\/new/);
  await expect(page.getByRole('checkbox', { name: /swift/ })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('checkbox', { name: /steady/ })).toBeVisible();
});

test('a benchmark from the form moves an open live view within a second', async ({
  page,
  context,
}) => {
  await page.goto('/#/live');
  await expect(page.getByRole('heading', { name: 'No traffic now' })).toBeVisible();

  const form = await context.newPage();
  await form.goto('/#/benchmarks/new');
  await form.getByRole('checkbox', { name: /swift/ }).check();
  await form.getByRole('checkbox', { name: /steady/ }).check();
  await form.getByLabel('Concurrent users').fill('8');
  await form.getByLabel('Time', { exact: true }).fill('15');
  await form.getByText('More settings').click();
  await form.getByLabel('Name').fill('Swift against steady');
  await form.getByRole('button', { name: 'Start benchmark' }).click();
  await expect(form.getByRole('progressbar', { name: 'Progress' })).toBeVisible();
  benchmark = new URL(form.url()).hash.replace('#/benchmarks/', '');
  await form.close();

  await expect(page.getByRole('link', { name: /Benchmark running/ })).toBeVisible();
  const figures = page.getByRole('region', { name: 'Figures of the last second' });
  await expect(figures).toContainText(/In flight\s*[1-9]/);
  await expect(figures).toContainText(/Throughput\s*[1-9]/);
  const gaps = await gapsBetweenChanges(figures, 5);
  expect(gaps).toHaveLength(5);
  expect(gaps.sort((a, b) => a - b)[2]).toBeLessThan(1_000);
  await expect.poll(() => secondsBehind(page)).toBeLessThanOrEqual(1);
});

test('its result has figures, a verdict and a timeline', async ({ page }) => {
  await page.goto(`/#/benchmarks/${benchmark}`);
  await expect(page.getByText('completed', { exact: true })).toBeVisible({ timeout: 45_000 });
  const runs = page.getByRole('group', { name: 'Runs', exact: true });
  await expect(runs.getByRole('row')).toHaveCount(3);
  await expect(page.getByRole('region', { name: 'Verdict' })).toBeVisible();
  await expect(page.getByRole('region', { name: 'Headline figures' })).toContainText('ms');
  await page.getByRole('button', { name: 'Throughput as a table' }).click();
  const table = page.getByRole('group', { name: 'Throughput, figures', exact: true });
  expect(await table.getByRole('row').count()).toBeGreaterThan(5);
});

test('its latencies are shown as a distribution, by percentile and over time', async ({ page }) => {
  await openPart(page, 'distribution');
  await expect(page.getByRole('figure', { name: 'TTFT distribution' })).toBeVisible();
  await expect(page.getByRole('figure', { name: 'TTFT by percentile' })).toBeVisible();
  const cells = page.getByRole('application', { name: /TTFT over time/ });
  await cells.focus();
  await page.keyboard.press('ArrowRight');
  await expect(page.getByText(/^\d[\d,]* between .* at \d\d:\d\d:\d\d$/)).toBeVisible();
  for (const metric of ['TPOT', 'ITL', 'E2E']) {
    const choice = page.getByRole('group', { name: 'Which latency', exact: true });
    await choice.getByRole('button', { name: metric }).click();
    await expect(page.getByRole('figure', { name: `${metric} distribution` })).toBeVisible();
  }
});

test('its requests are listed, slowest first, and one is taken apart', async ({ page }) => {
  await openPart(page, 'requests');
  const table = page.getByRole('group', { name: 'Requests', exact: true });
  await expect(table.getByRole('row')).toHaveCount(41);
  await page.getByRole('button', { name: 'Slowest E2E' }).click();
  await expect(page).toHaveURL(/sort=-e2e/);
  await expect(table.getByRole('row')).toHaveCount(41);
  await page.getByRole('button', { name: 'Show more' }).click();
  await expect(table.getByRole('row')).toHaveCount(81);
  await table.getByRole('button').first().click();
  await expect(page.getByRole('rowheader', { name: /to first token/ })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('rowheader', { name: /to first token/ })).toBeVisible();
});

test('what a request asked and was answered is read once that is asked for', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('/content')) asked.push(request.url());
  });
  await openPart(page, 'requests');
  const table = page.getByRole('group', { name: 'Requests', exact: true });
  await table.getByRole('button').first().click();
  const show = page.getByRole('button', { name: 'Show prompt and answer' });
  await expect(show).toBeVisible();
  expect(asked).toEqual([]);
  await show.click();
  await expect(page.getByRole('group', { name: 'Prompt', exact: true })).toContainText(/\w{3}/);
  await expect(page.getByRole('group', { name: 'Answer', exact: true })).toContainText(/\w{3}/);
  expect(asked).toHaveLength(1);
});

test('its runs are compared, and the difference is shown to be one', async ({ page }) => {
  await page.goto('/#/compare');
  await page.getByRole('combobox', { name: 'Add runs of' }).selectOption(benchmark);
  await page.getByRole('button', { name: /swift.*concurrency=8/ }).click();
  await page.getByRole('button', { name: /steady.*concurrency=8/ }).click();
  const table = page.getByRole('group', { name: 'Comparison', exact: true });
  await expect(table.getByRole('row', { name: /TTFT p50/ })).toContainText(/worse \+\d/);
  await expect(page.getByRole('figure', { name: 'Throughput against latency' })).toBeVisible();
  await expect(page.getByRole('figure', { name: 'TTFT by percentile' })).toBeVisible();
});

test('the history shows its time, with its run marked', async ({ page }) => {
  await page.goto('/#/history');
  await expect(page.getByRole('link', { name: 'Swift against steady' })).toBeVisible();
  await page.getByRole('button', { name: 'Show this time' }).first().click();
  const chart = page.getByRole('figure', { name: 'E2E latency p95' });
  await expect(chart.getByRole('button', { name: /steady/ })).toBeVisible();
  await page.getByRole('button', { name: 'E2E latency p95 as a table' }).click();
  const figures = page.getByRole('group', { name: 'E2E latency p95, figures', exact: true });
  await expect(figures.getByRole('cell', { name: /\d+ ms/ }).first()).toBeVisible();
});

test('the regions show where it went', async ({ page }) => {
  await page.goto('/#/regions');
  const matrix = page.getByRole('group', { name: 'Matrix of regions', exact: true });
  const row = matrix.getByRole('row', { name: /from eu-west/ });
  await expect(row).toContainText(/\d+\sms/);
  await expect(page.getByRole('group', { name: 'Targets', exact: true })).toContainText('swift');
});

test('an alert is read and silenced', async ({ page }) => {
  await page.goto('/#/alerts');
  const alert = page.getByRole('article').filter({ hasText: 'model steady' });
  await expect(alert).toContainText('SlowAnswers');
  await expect(alert).toContainText('critical');
  await expect(alert).toContainText(/[12]\d\d\sms\s*limit 150\sms/);
  await expect(alert).toContainText(/since \d\d:\d\d:\d\d/);
  await expect(page.getByRole('link', { name: /Alerts \d+ firing/ })).toBeVisible();
  await alert.getByRole('button', { name: 'Silence' }).click();
  await alert.getByLabel('Why').fill('it is a test');
  await alert.getByRole('button', { name: 'Silence this alert' }).click();
  await expect(alert).toContainText('silenced until');
  await page.reload();
  await expect(alert).toContainText('silenced until');
  await alert.getByRole('link', { name: 'History of that time' }).click();
  await expect(page.getByRole('figure', { name: 'E2E latency p95' })).toBeVisible();
});
