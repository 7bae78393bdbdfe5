import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@playwright/test';

const FIRST_LOAD_MAX_BYTES = 200 * 1024;
const DIST = new URL('../../dist/', import.meta.url).pathname;

test('the first view loads no more than 200 KiB, gzipped', async ({ page }) => {
  const sizes = new Map<string, Promise<number>>();
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (pathname.includes('/api/')) return;
    sizes.set(
      pathname,
      response.body().then((body) => gzipSync(body).length),
    );
  });
  await page.goto('/full/');
  await expect(page.getByRole('figure', { name: 'E2E latency' })).toBeVisible();
  const total = (await Promise.all(sizes.values())).reduce((sum, size) => sum + size, 0);
  console.log(`first load: ${(total / 1024).toFixed(1)} KiB gzipped in ${sizes.size} files`);
  expect(sizes.size).toBeGreaterThan(3);
  expect(total).toBeLessThanOrEqual(FIRST_LOAD_MAX_BYTES);
});

test('what is built asks no other host, and holds nothing of the mock', () => {
  for (const name of readdirSync(DIST, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(js|css|html)$/.test(name)) continue;
    const text = readFileSync(join(DIST, name), 'utf8');
    expect(text, name).not.toContain('prony-test-key');
    expect(text, name).not.toContain('llama-3.3-70b');
    const hosts = text.match(/https?:\/\/[\w.-]+/g) ?? [];
    // Names of XML's vocabularies and of Svelte's error pages: nothing is loaded from there.
    const loaded = hosts.filter((host) => !/www\.w3\.org|svelte\.dev/.test(host));
    expect(loaded, name).toEqual([]);
  }
});
