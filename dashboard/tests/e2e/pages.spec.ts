import { expect, test } from '@playwright/test';
import { KEY } from '../mock/server';

test.describe('compare', () => {
  test('holds runs against the first, and calls a difference one only where it is shown', async ({
    page,
  }) => {
    await page.goto('/full/#/compare');
    await expect(page.getByRole('heading', { name: 'Choose runs to compare' })).toBeVisible();
    await page.getByRole('combobox', { name: 'Add runs of' }).selectOption('b-sweep');
    await page.getByRole('button', { name: /llama-3.3-70b.*concurrency=48/ }).click();
    await page.getByRole('button', { name: /qwen3-8b.*concurrency=48/ }).click();
    await expect(page).toHaveURL(/runs=b-sweep%3A2%2Cb-sweep%3A6/);
    const table = page.getByRole('group', { name: 'Comparison', exact: true });
    await expect(table.getByRole('row', { name: /TTFT p50/ })).toContainText(/better −\d/);
    await expect(table.getByRole('row', { name: /Errors/ })).toContainText('none shown');
    await expect(page.getByRole('figure', { name: 'Throughput against latency' })).toBeVisible();
    await expect(page.getByRole('figure', { name: 'TTFT by percentile' })).toBeVisible();
  });

  test('shows models by their traffic', async ({ page }) => {
    await page.goto('/full/#/compare');
    await page.getByRole('button', { name: 'Models by traffic' }).click();
    const row = page
      .getByRole('group', { name: 'Models', exact: true })
      .getByRole('row', { name: /gpt-4o-mini/ });
    await expect(row).toContainText('$');
    await row.getByRole('link').click();
    await expect(page).toHaveURL(/history\?model=gpt-4o-mini/);
  });
});

test('every page says that records cannot be kept', async ({ page }) => {
  for (const name of ['live', 'benchmarks', 'alerts']) {
    await page.goto(`/stuck/#/${name}`);
    const note = page.getByRole('alert').filter({ hasText: 'Records cannot be kept' });
    await expect(note).toContainText('no space left');
    await expect(note).toContainText('8,192 records wait');
  }
});

test.describe('regions', () => {
  test('shows every pair in a matrix, on a map and in a table', async ({ page }) => {
    await page.goto('/full/#/regions');
    const matrix = page.getByRole('group', { name: 'Matrix of regions', exact: true });
    await expect(matrix.getByRole('row', { name: /from eu-west-1/ })).toContainText(/\d+\sms/);
    await page.getByRole('button', { name: 'Traffic' }).click();
    await expect(page.getByRole('figure', { name: 'Traffic between regions' })).toBeVisible();
    await page.getByRole('button', { name: 'Traffic between regions as a table' }).click();
    await expect(page.getByRole('rowheader', { name: 'us-east-1 → us-west-2' })).toBeVisible();
  });

  test('tells availability with the time it means', async ({ page }) => {
    await page.goto('/full/#/regions');
    const row = page
      .getByRole('group', { name: 'Targets', exact: true })
      .getByRole('row', { name: /llama/ });
    await expect(row).toContainText('99.931');
    await expect(row).toContainText('30');
  });

  test('tells how available targets were day by day, and when they were down', async ({ page }) => {
    await page.goto('/full/#/regions');
    const figure = page.getByRole('figure', { name: 'Availability' });
    await expect(
      figure.getByRole('img', { name: 'gpt-4o-mini, 30 days: 22 days objective met' }),
    ).toBeVisible();
    await expect(figure.getByText('for 1 d, 1,440 rounds of canary')).toBeVisible();
    await page.getByRole('button', { name: 'Availability as a table' }).click();
    const row = figure.getByRole('row', { name: /llama/ });
    await expect(row).toContainText('99.931');
    await expect(row).toContainText('31 %');
  });
});

test.describe('history', () => {
  test('shows any figure over any time, with runs marked', async ({ page }) => {
    await page.goto('/full/#/history');
    await expect(page.getByRole('figure', { name: 'E2E latency p95' })).toBeVisible();
    await expect(page.getByRole('link', { name: 'Sweep before the upgrade' })).toBeVisible();
    await page.getByRole('combobox', { name: 'Figure' }).selectOption('Error rate');
    await page.getByRole('button', { name: '7 d' }).click();
    await page.getByRole('button', { name: 'Region', exact: true }).click();
    await page.reload();
    const chart = page.getByRole('figure', { name: 'Error rate' });
    await expect(chart.getByRole('button', { name: /us-west-2/ })).toBeVisible();
    await expect(page.getByRole('button', { name: '7 d' })).toHaveAttribute('aria-pressed', 'true');
  });

  test('looks closer where the reader draws', async ({ page }) => {
    await page.goto('/full/#/history');
    const plot = page.getByRole('application', { name: /E2E latency p95/ });
    const box = await plot.boundingBox();
    if (!box) throw new Error('the chart has no place on the page');
    await page.mouse.move(box.x + 300, box.y + 100);
    await page.mouse.down();
    await page.mouse.move(box.x + 500, box.y + 100, { steps: 5 });
    await page.mouse.up();
    await expect(page).toHaveURL(/from=2\d{3}-/);
    await expect(page.getByText(/a point every\s+\d+\s(s|min)$/)).toBeVisible();
    await expect(page.getByText(/a point every\s+5\smin/)).toHaveCount(0);
  });

  test('goes to the time of a benchmark', async ({ page }) => {
    await page.goto('/full/#/history');
    await page.getByRole('button', { name: 'Show this time' }).last().click();
    await expect(page).toHaveURL(/from=/);
    await expect(page.getByText('a point every 1')).toBeVisible();
  });
});

test.describe('alerts', () => {
  test('are silenced with a reason', async ({ page }) => {
    await page.goto('/changing/#/alerts');
    const alert = page.getByRole('article').filter({ hasText: 'HighLatency' });
    await alert.getByRole('button', { name: 'Silence' }).click();
    await alert.getByRole('button', { name: 'Silence this alert' }).click();
    await expect(alert).toContainText('Say why');
    await alert.getByLabel('Why').fill('known, being fixed');
    const sent = page.waitForRequest((request) => request.method() === 'POST');
    await alert.getByRole('button', { name: 'Silence this alert' }).click();
    expect((await sent).postDataJSON()).toMatchObject({
      matchers: ['alertname="HighLatency"', 'model="llama-3.3-70b"'],
      comment: 'known, being fixed',
    });
    await expect(alert).toContainText('silenced until');
    await alert.getByRole('button', { name: 'End the silence' }).click();
    await expect(alert.getByRole('button', { name: 'Silence' })).toBeVisible();
  });

  test('say which receiver cannot be told of them', async ({ page }) => {
    await page.goto('/full/#/alerts');
    const notice = page.getByRole('status').filter({ hasText: 'on-call cannot be told' });
    await expect(notice).toContainText('Connection refused');
    await expect(notice).toContainText('6 tries failed');
    const table = page.getByRole('group', { name: 'Receivers of alerts', exact: true });
    await expect(table.getByRole('row', { name: /team-channel/ })).toContainText('told');
  });

  test('lead to the history of their time', async ({ page }) => {
    await page.goto('/full/#/alerts');
    await page.getByRole('article').filter({ hasText: 'ErrorRate' }).getByRole('link').click();
    await expect(page.getByRole('figure', { name: 'Error rate' })).toBeVisible();
  });

  test('are not silenced by a viewer', async ({ page }) => {
    await page.goto('/viewer/#/alerts');
    await expect(page.getByRole('article').first()).toBeVisible();
    await expect(page.getByRole('button', { name: 'Silence' })).toHaveCount(0);
  });
});

test.describe('the frame', () => {
  test('asks for a key where one is needed, and keeps it for the tab', async ({ page }) => {
    await page.goto('/locked/#/live');
    const dialog = page.getByRole('dialog', { name: 'An API key is needed' });
    await dialog.getByLabel('API key').fill('wrong');
    await dialog.getByRole('button', { name: 'Use this key' }).click();
    await expect(dialog).toContainText('did not accept');
    await dialog.getByLabel('API key').fill(KEY);
    await dialog.getByRole('button', { name: 'Use this key' }).click();
    await expect(page.getByText(/^As of/)).toBeVisible();
    await expect(page.getByText('operator')).toBeVisible();
    await page.reload();
    await expect(page.getByText(/^As of/)).toBeVisible();
  });

  test('keeps the colours that were chosen', async ({ page }) => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.goto('/full/#/alerts');
    const root = page.locator('html');
    await expect(root).toHaveAttribute('data-theme', 'dark');
    await page.getByRole('button', { name: 'Colours: As the system' }).click();
    await expect(root).toHaveAttribute('data-theme', 'light');
    await page.reload();
    await expect(root).toHaveAttribute('data-theme', 'light');
  });

  test('is walked through by keyboard', async ({ page }) => {
    await page.goto('/full/#/alerts');
    await expect(page.getByRole('article').first()).toBeVisible();
    await page.keyboard.press('Tab');
    await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(page.getByRole('main')).toBeFocused();
  });

  test('says what it does not have', async ({ page }) => {
    await page.goto('/full/#/nowhere');
    await expect(page.getByRole('heading', { name: 'There is no such page' })).toBeVisible();
  });
});
