import { expect, test } from 'vitest';
import { customPeriod, PERIODS, periodUntil, stepSeconds } from '../../src/lib/period';

const NOW = Date.UTC(2026, 10, 24, 13, 37, 11, 250);

test.each(PERIODS)(
  '%s has no more points than the server gives, and ends on a step',
  (name, _, seconds) => {
    const period = periodUntil(NOW, name);
    const step = stepSeconds(period);
    expect(period.toUnixMs - period.fromUnixMs).toBe(seconds * 1e3);
    expect(seconds / step).toBeLessThanOrEqual(400);
    expect(period.toUnixMs % (step * 1e3)).toBe(0);
    expect(period.toUnixMs).toBeGreaterThanOrEqual(NOW);
  },
);

test('any length has a step, up to years', () => {
  const year = 31_557_600_000;
  expect(
    (10 * year) / 1e3 / stepSeconds({ fromUnixMs: 0, toUnixMs: 10 * year }),
  ).toBeLessThanOrEqual(400);
  expect(stepSeconds({ fromUnixMs: 0, toUnixMs: 30_000 })).toBe(1);
});

test.each([
  ['2026-11-24T10:00:00Z', '2026-11-24T11:00:00Z', 3_600_000],
  ['2026-11-24T11:00:00Z', '2026-11-24T10:00:00Z', null],
  ['yesterday', '2026-11-24T10:00:00Z', null],
  [undefined, undefined, null],
])('from %s to %s lasts %s ms', (from, to, length) => {
  const period = customPeriod(from, to);
  expect(period && period.toUnixMs - period.fromUnixMs).toBe(length);
});
