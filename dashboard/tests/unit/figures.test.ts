import { describe, expect, test } from 'vitest';
import { difference, type Estimate } from '../../src/lib/figures';
import { METRICS } from '../../src/lib/metrics';
import { seriesName, totalOf } from '../../src/lib/rollups';
import { alertValue, conditionOf, matchersOf } from '../../src/lib/alerts';
import type { Alert, Quantiles, Column, RollupSeries } from '../../src/api/types';

const estimate = (value: number | null, bounds: [number, number] | null = null): Estimate => ({
  value,
  bounds,
  supported: true,
});

describe('difference', () => {
  test.each([
    [estimate(100, [90, 110]), estimate(130, [115, 140]), 'shown'],
    [estimate(100, [90, 110]), estimate(70, [60, 89]), 'shown'],
    [estimate(100, [90, 110]), estimate(130, [110, 140]), 'none_shown'],
    [estimate(100), estimate(130, [115, 140]), 'unjudged'],
    [estimate(0, [0, 0.1]), estimate(1, [0.5, 2]), 'unknown'],
    [estimate(100, [90, 110]), estimate(null), 'unknown'],
  ])('%j and %j: %s', (base, other, kind) => expect(difference(base, other).kind).toBe(kind));

  test('of shares is in points of the whole, from 0 too', () => {
    const [none, some] = [estimate(0, [0, 0.01]), estimate(0.04, [0.02, 0.06])];
    expect(difference(none, some, true)).toEqual({ kind: 'shown', change: 0.04 });
    expect(difference(some, none, true)).toEqual({ kind: 'shown', change: -0.04 });
  });

  test('is a share of the first', () => {
    expect(difference(estimate(100), estimate(75))).toEqual({ kind: 'unjudged', change: -0.25 });
  });
});

const column = (...values: Column): Quantiles<Column> => ({
  p50: values,
  p95: values,
  p99: values,
});
const SERIES: RollupSeries = {
  labels: { model: 'm', region: 'eu' },
  requests: [10, 0, null],
  errors: [1, 0, null],
  output_tokens: [600, 0, null],
  cost_usd: [0.5, null, null],
  ttft_ms: column(120, null, 90),
  tpot_ms: column(null, null, null),
  e2e_ms: column(500, 700, null),
};

test('a total adds counts up and takes the highest percentile', () => {
  const total = totalOf(SERIES);
  expect(total).toMatchObject({ requests: 10, errors: 1, outputTokens: 600, costUsd: 0.5 });
  expect(total.ttft.p95).toBe(120);
  expect(total.tpot.p95).toBeNull();
  expect(totalOf({ ...SERIES, cost_usd: [null] }).costUsd).toBeNull();
});

test('a series is called by the labels it is grouped by', () => {
  expect(seriesName(SERIES, ['model', 'region'])).toBe('m, eu');
  expect(seriesName(SERIES, ['scenario'])).toBe('none');
  expect(seriesName(SERIES, [])).toBe('all requests');
});

test.each([
  ['requests', [1, 0, null]],
  ['errors', [0.1, null, null]],
  ['tokens', [60, 0, null]],
  ['cost', [180, null, null]],
  ['ttft', [120, null, 90]],
])('history reads %s of steps of 10 s as %j', (name, expected) => {
  const metric = METRICS.find((one) => one.name === name);
  expect(metric?.read(SERIES, 10, 'p95')).toEqual(expected);
});

test('nothing has no unit', () => {
  expect(METRICS.map(({ format }) => format(null))).toEqual(METRICS.map(() => '–'));
});

test('an alert is told in its own unit, and silenced with all of its labels', () => {
  const plain = (text: string) => text.replaceAll('\u202f', ' ');
  expect(plain(alertValue(2.84, 's'))).toBe('2.84 s');
  expect(plain(alertValue(0.05, 's'))).toBe('50 ms');
  expect(plain(alertValue(0.0164, 'share'))).toBe('1.64 %');
  expect(plain(alertValue(100, 'usd_per_hour'))).toBe('$100.00 an hour');
  const rule = {
    name: 'ErrorRate',
    metric: 'error_rate',
    comparison: 'above',
    threshold: 0.01,
    unit: 'share',
    window_seconds: 300,
    for_seconds: 120,
    group_by: [],
    severity: 'warning',
    summary: '',
  } as const;
  expect(plain(conditionOf({ ...rule, group_by: [] }))).toBe(
    'error rate over 5 min above 1 % for 2 min',
  );
  expect(conditionOf({ ...rule, group_by: [], metric: 'e2e_p95' })).toMatch(/^E2E p95 over/);
  expect(plain(conditionOf({ ...rule, group_by: [], metric: 'no_traffic' }))).toMatch(
    /^no request ended in the last \d+ min/,
  );
  const labels = { alertname: 'ErrorRate', severity: 'warning', model: 'm' };
  const alert = { rule: 'ErrorRate', labels } as unknown as Alert;
  expect(matchersOf(alert)).toEqual(['alertname="ErrorRate"', 'model="m"']);
});
