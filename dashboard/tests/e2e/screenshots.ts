import { test } from '@playwright/test';
import { VIEWS } from './views';

/** Pictures of every view, for people to look at: `SCREENSHOTS=1 npm run e2e`. */
for (const theme of ['light', 'dark'] as const) {
  for (const width of [1280, 400]) {
    for (const [name, address] of VIEWS) {
      test(`${name} ${width} ${theme}`, async ({ page }) => {
        await page.setViewportSize({ width, height: width === 400 ? 800 : 900 });
        await page.emulateMedia({ colorScheme: theme });
        await page.goto(address);
        // The live feed never ends, so there is no idle network to wait for.
        await page.waitForTimeout(2_500);
        const path = `screenshots/${name}-${width}-${theme}.png`;
        await page.screenshot({ path, fullPage: true });
      });
    }
  }
}
