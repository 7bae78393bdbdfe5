import { expect, test } from '@playwright/test';

test.describe('the list', () => {
  test('is filtered, and the filter survives a reload', async ({ page }) => {
    await page.goto('/full/#/benchmarks');
    await expect(page.getByRole('link', { name: /Sweep before the upgrade/ })).toBeVisible();
    await page.getByRole('combobox', { name: 'Filter by status' }).selectOption('failed');
    await expect(page.getByRole('link', { name: /Sweep before the upgrade/ })).toHaveCount(0);
    await page.reload();
    await expect(page.getByRole('link', { name: /First try of the new gateway/ })).toBeVisible();
    await expect(page.getByRole('link', { name: /Sweep before the upgrade/ })).toHaveCount(0);
  });

  test('offers to start the first', async ({ page }) => {
    await page.goto('/empty/#/benchmarks');
    await page.getByRole('link', { name: 'Start the first' }).click();
    await expect(page.getByRole('heading', { name: 'New benchmark' })).toBeVisible();
    await expect(page.getByText('No target is configured')).toBeVisible();
  });

  test('does not offer a viewer what a viewer may not do', async ({ page }) => {
    await page.goto('/viewer/#/benchmarks');
    await expect(page.getByRole('link', { name: /Sweep before the upgrade/ })).toBeVisible();
    await expect(page.getByRole('link', { name: 'New benchmark' })).toHaveCount(0);
    await page.goto('/viewer/#/benchmarks/new');
    await expect(
      page.getByRole('heading', { name: 'Your key may not start benchmarks' }),
    ).toBeVisible();
  });
});

test.describe('the form', () => {
  test('starts a benchmark, which is watched until it has figures', async ({ page }) => {
    await page.goto('/full/#/benchmarks/new');
    await page.getByRole('checkbox', { name: /qwen3-8b/ }).check();
    await page.getByLabel('Concurrent users').fill('2, 4');
    await page.getByLabel('Time', { exact: true }).fill('2');
    await page.getByText('More settings').click();
    await page.getByLabel('Name').fill('From the form');
    await expect(page.getByText('2 runs')).toBeVisible();

    const sent = page.waitForRequest((request) => request.method() === 'POST');
    await page.getByRole('button', { name: 'Start benchmark' }).click();
    const request = await sent;
    expect(request.headers()['idempotency-key']).toMatch(/^[0-9a-f]{32}$/);
    expect(request.postDataJSON()).toEqual({
      models: ['qwen3-8b'],
      test_scenarios: ['short_queries'],
      concurrent_users: [2, 4],
      duration_seconds: 2,
      name: 'From the form',
    });
    await expect(page.getByRole('heading', { name: 'From the form' })).toBeVisible();
    await expect(page.getByRole('progressbar', { name: 'Progress' })).toBeVisible();
    await expect(page.getByRole('region', { name: 'Verdict' })).toBeVisible({ timeout: 15_000 });
    await expect(page.getByRole('progressbar', { name: 'Progress' })).toHaveCount(0, {
      timeout: 15_000,
    });
    await expect(
      page.getByRole('group', { name: 'Runs', exact: true }).getByRole('row'),
    ).toHaveCount(3);
  });

  test('marks what is wrong, and goes there', async ({ page }) => {
    await page.goto('/full/#/benchmarks/new');
    await page.getByRole('checkbox', { name: /qwen3-8b/ }).check();
    const users = page.getByLabel('Concurrent users');
    await users.fill('many');
    await page.getByRole('button', { name: 'Start benchmark' }).click();
    await expect(users).toHaveAttribute('aria-invalid', 'true');
    await expect(users).toBeFocused();
    await expect(page.getByText('“many” is no number.')).toBeVisible();
  });

  test('shows what the server refuses at its field', async ({ page }) => {
    await page.goto('/full/#/benchmarks/new');
    await page.getByRole('checkbox', { name: /qwen3-8b/ }).check();
    await page.getByText('More settings').click();
    await page.getByLabel('Longest answer').fill('999999');
    await page.getByRole('button', { name: 'Start benchmark' }).click();
    await expect(page.getByText('at most 100,000')).toBeVisible();
    await expect(page.getByRole('alert')).toContainText('Correct the fields that are marked.');
  });

  test('begins with a benchmark that is repeated', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-doubtful');
    await page.getByRole('link', { name: 'Repeat' }).click();
    await expect(page.getByRole('checkbox', { name: /gpt-4o-mini/ })).toBeChecked();
    await expect(page.getByLabel('Requests a second')).toHaveValue('12');
    await expect(page.getByLabel('TTFT')).toHaveValue('600');
  });
});

test.describe('a result', () => {
  test('says first whether it can be believed, and what to do', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-doubtful');
    const verdict = page.getByRole('region', { name: 'Verdict' });
    await expect(verdict).toContainText('Doubtful');
    await expect(verdict).toContainText('schedule lag');
    await expect(verdict).toContainText('give the client more CPU');
    await expect(
      page.getByRole('group', { name: 'Latency percentiles', exact: true }),
    ).toContainText('~');
  });

  test('changes run and part by its address', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-sweep');
    await page.getByRole('button', { name: /qwen3-8b.*concurrency=48/ }).click();
    await expect(page.getByRole('region', { name: 'Verdict' })).toContainText('Valid');
    await page.getByRole('button', { name: 'Distribution' }).click();
    await expect(page).toHaveURL(/run=6.*part=distribution|part=distribution.*run=6/);
    await expect(page.getByRole('figure', { name: 'TTFT distribution' })).toBeVisible();
    await page.getByRole('button', { name: 'ITL', exact: true }).first().click();
    await expect(page.getByRole('figure', { name: 'ITL by percentile' })).toBeVisible();
  });

  test('has a heatmap that the keyboard reads', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-doubtful?part=distribution');
    const cells = page.getByRole('application', { name: /TTFT over time/ });
    await cells.focus();
    await page.keyboard.press('ArrowRight');
    await expect(page.getByText(/^\d[\d,]* between .* at \d\d:\d\d:\d\d$/)).toBeVisible();
  });

  test('lists requests, worst first, and takes one apart', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-doubtful?part=requests');
    await page.getByRole('button', { name: 'Slowest E2E' }).click();
    await expect(page).toHaveURL(/sort=-e2e/);
    const table = page.getByRole('group', { name: 'Requests', exact: true });
    await expect(table.getByRole('row')).toHaveCount(41);
    await page.getByRole('button', { name: 'Show more' }).click();
    await expect(table.getByRole('row')).toHaveCount(81);
    await table.getByRole('button').first().click();
    await expect(page.getByRole('rowheader', { name: /to first token/ })).toBeVisible();
    await page.reload();
    await expect(page.getByRole('rowheader', { name: /to first token/ })).toBeVisible();
    await page.getByRole('button', { name: 'Close' }).click();
    await expect(page.getByRole('rowheader', { name: /to first token/ })).toHaveCount(0);
  });

  test('shows what a request asked and was answered, as text', async ({ page }) => {
    const open = async (world: string, benchmark: string) => {
      await page.goto(`/${world}/#/benchmarks/${benchmark}?part=requests`);
      const table = page.getByRole('group', { name: 'Requests', exact: true });
      await table.getByRole('button').first().click();
      await expect(page.getByRole('rowheader', { name: /to first token/ })).toBeVisible();
    };
    const show = page.getByRole('button', { name: 'Show prompt and answer' });
    await open('full', 'b-doubtful');
    await show.click();
    await expect(page.getByText('Is <b>this</b> bold & why?')).toBeVisible();
    const answer = page.getByRole('group', { name: 'Answer', exact: true });
    const { height } = (await answer.boundingBox())!;
    expect(height).toBeLessThanOrEqual(320);
    await expect(page.getByText('A part is missing')).toBeVisible();
    await page.getByRole('button', { name: 'Hide prompt and answer' }).click();
    await expect(answer).toHaveCount(0);

    await open('full', 'b-sweep');
    await show.click();
    await expect(page.getByText('were not asked to be kept')).toContainText('store_content');
    await open('viewer', 'b-doubtful');
    await expect(page.getByText('for operators and admins to read')).toBeVisible();
    await expect(show).toHaveCount(0);
  });

  test('leads from its errors to the failed requests', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-doubtful');
    await page.getByRole('button', { name: 'Show failed requests' }).click();
    const table = page.getByRole('group', { name: 'Requests', exact: true });
    await expect(table).toContainText('rate limited');
    await expect(table.getByRole('cell', { name: 'stop' })).toHaveCount(0);
  });

  test('of a benchmark that failed says why and what to do', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-failed');
    await expect(page.getByRole('alert')).toContainText('The target does not answer');
    await expect(page.getByRole('alert')).toContainText('prony.toml');
    await expect(page.getByRole('heading', { name: 'No run ended' })).toBeVisible();
  });

  test('of a run that could not begin says why, and shows no figure', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-unbegun');
    await expect(page.getByRole('alert')).toContainText('was refused');
    await expect(page.getByText('did not begin')).toBeVisible();
    await expect(page.getByRole('region', { name: 'Verdict' })).toHaveCount(0);
    await expect(page.getByRole('region', { name: 'Headline figures' })).toHaveCount(0);
    await page.getByRole('button', { name: /qwen3-8b/ }).click();
    await expect(page.getByRole('region', { name: 'Headline figures' })).toBeVisible();
  });

  test('is saved as JSON', async ({ page }) => {
    await page.goto('/full/#/benchmarks/b-doubtful');
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'JSON' }).click();
    expect((await download).suggestedFilename()).toBe('b-doubtful.json');
  });

  test('that is gone says so', async ({ page }) => {
    await page.goto('/full/#/benchmarks/nothing');
    await expect(page.getByRole('alert')).toContainText('There is no benchmark nothing.');
  });
});

test('a benchmark that waits is cancelled, and another deleted', async ({ page }) => {
  // In a world of its own: it changes what the others look at.
  await page.goto('/changing/#/benchmarks/b-queued');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('cancelled', { exact: true })).toBeVisible();
  page.on('dialog', (dialog) => dialog.accept());
  await page.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('heading', { name: 'Benchmarks' })).toBeVisible();
  await expect(page.getByRole('link', { name: /Nightly/ })).toBeVisible();
  await expect(page.getByRole('link', { name: /Long documents at 64 users/ })).toHaveCount(0);
});
