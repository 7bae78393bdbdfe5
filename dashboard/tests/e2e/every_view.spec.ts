import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { VIEWS } from './views';

/** Waits until a view has said what it has to say. */
async function settled(page: Page): Promise<void> {
  await expect(page.getByRole('heading').first()).toBeVisible();
  await expect(page.getByRole('status').filter({ hasText: '…' })).toHaveCount(0, {
    timeout: 15_000,
  });
}

for (const [name, address] of VIEWS) {
  test.describe(name, () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`is usable by everyone, in ${colorScheme} colours`, async ({ page }) => {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.goto(address);
        if (name !== 'locked') await settled(page);
        const { violations } = await new AxeBuilder({ page })
          .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'])
          .analyze();
        const told = violations.map(({ id, nodes }) => [
          id,
          nodes
            .slice(0, 3)
            .map(({ html, failureSummary }) => `${html.slice(0, 160)}\n${failureSummary}`),
        ]);
        expect(told).toEqual([]);
      });
    }

    test('fits a phone', async ({ page }) => {
      await page.setViewportSize({ width: 400, height: 800 });
      await page.goto(address);
      if (name !== 'locked') await settled(page);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow).toBe(0);
    });

    test('throws nothing', async ({ page }) => {
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(String(error)));
      await page.goto(address);
      if (name !== 'locked') await settled(page);
      expect(errors).toEqual([]);
    });
  });
}
