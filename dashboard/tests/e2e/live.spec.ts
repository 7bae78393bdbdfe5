import { expect, test } from '@playwright/test';

test.describe('live', () => {
  test('shows figures that move, until they are paused', async ({ page }) => {
    await page.goto('/full/#/live');
    const figures = page.getByRole('region', { name: 'Figures of the last second' });
    await expect(figures).toContainText('E2E p95');
    await expect(figures).toContainText('tok/s');
    const throughput = page.getByRole('figure', { name: 'Throughput' });
    const before = await throughput.getByRole('button', { name: /requests/ }).textContent();
    await expect(throughput.getByRole('button', { name: /requests/ })).not.toHaveText(before ?? '');

    await page.getByRole('button', { name: 'Pause' }).click();
    await expect(page.getByText(/Paused at/)).toBeVisible();
    const still = await page
      .getByRole('group', { name: 'Series, figures of the last window', exact: true })
      .textContent();
    await page.waitForResponse(/status|alerts|targets/, { timeout: 1_000 }).catch(() => undefined);
    await expect(
      page.getByRole('group', { name: 'Series, figures of the last window', exact: true }),
    ).toHaveText(still ?? '');
    await page.getByRole('button', { name: 'Resume' }).click();
    await expect(page.getByText(/^As of/)).toBeVisible();
  });

  test('keeps filters and lines in its address', async ({ page }) => {
    await page.goto('/full/#/live');
    await page.getByRole('combobox', { name: 'Filter by model' }).selectOption('qwen3-8b');
    await page.getByRole('button', { name: 'By region' }).click();
    await page.getByRole('button', { name: 'TTFT', exact: true }).click();
    await expect(page).toHaveURL(/model=qwen3-8b/);
    await expect(page).toHaveURL(/lines=region/);
    await page.reload();
    const latency = page.getByRole('figure', { name: 'TTFT latency' });
    await expect(latency.getByRole('button', { name: /eu-central-1/ })).toBeVisible();
    await expect(latency.getByRole('button', { name: /us-east-1/ })).toHaveCount(0);
  });

  test('says what to do where a filter lets nothing pass', async ({ page }) => {
    await page.goto('/full/#/live?model=gone');
    await expect(page.getByRole('heading', { name: 'Nothing passes these filters' })).toBeVisible();
    await page.getByRole('link', { name: 'Show everything' }).click();
    await expect(page.getByRole('figure', { name: 'E2E latency' })).toBeVisible();
  });

  test('says since when its figures are old if the feed is lost, and goes on by itself', async ({
    page,
  }) => {
    await page.goto('/flaky/#/live');
    await expect(page.getByText(/^As of/)).toBeVisible();
    await expect(page.getByRole('alert')).toContainText(/The figures below are of \d\d:\d\d:\d\d/);
    await expect(page.getByText(/^As of/)).toBeVisible();
  });

  test('says that nobody answers', async ({ page }) => {
    await page.route('**/api/v1/live', (route) => route.abort());
    await page.goto('/full/#/live');
    await expect(page.getByRole('alert')).toContainText('Prony does not answer');
  });

  test('leads from a running benchmark to its page', async ({ page }) => {
    await page.goto('/full/#/live');
    await page.getByRole('link', { name: /Benchmark running/ }).click();
    await expect(page.getByRole('heading', { name: 'Soak, both chat models' })).toBeVisible();
    await expect(page.getByRole('progressbar', { name: 'Progress' })).toBeVisible();
  });
});

test.describe('a chart', () => {
  test('has its figures as a table', async ({ page }) => {
    await page.goto('/full/#/live');
    await page.getByRole('button', { name: 'Throughput as a table' }).click();
    const table = page.getByRole('group', { name: 'Throughput, figures', exact: true });
    await expect(table.getByRole('columnheader', { name: 'requests' })).toBeVisible();
    expect(await table.getByRole('row').count()).toBeGreaterThan(50);
  });

  test('is read with the arrow keys', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-doubtful');
    const plot = page.getByRole('application', { name: /^Throughput/ });
    await plot.focus();
    await page.keyboard.press('ArrowLeft');
    const told = page.getByRole('figure', { name: 'Throughput' }).locator('[aria-live]');
    await expect(told).toContainText(/requests \d+/);
    const first = await told.textContent();
    await page.keyboard.press('ArrowLeft');
    await expect(told).not.toHaveText(first ?? '');
  });

  test('hides a line on demand', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-doubtful');
    const line = page
      .getByRole('figure', { name: 'Latency' })
      .getByRole('button', { name: /^p50/ });
    await line.click();
    await expect(line).toHaveAttribute('aria-pressed', 'false');
  });
});
