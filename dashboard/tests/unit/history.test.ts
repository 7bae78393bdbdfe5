import { describe, expect, test } from 'vitest';
import type { LiveSeries, LiveWindow } from '../../src/api/types';
import { bridged, KEPT_MS, LiveHistory } from '../../src/live/history';

function series(model: string, change: Partial<LiveSeries> = {}): LiveSeries {
  return {
    model,
    provider: 'vllm',
    region: 'eu',
    vantage_region: 'us',
    scenario: 'short_queries',
    source: 'benchmark',
    requests_per_second: 0,
    errors_per_second: 0,
    output_tokens_per_second: 0,
    input_tokens_per_second: 0,
    in_flight: 0,
    spend_usd_per_hour: null,
    ttft_ms: null,
    tpot_ms: null,
    e2e_ms: null,
    ...change,
  };
}

function window(at: number, all: LiveSeries[], dropped = 0): LiveWindow {
  return {
    at_unix_ms: at,
    interval_ms: 200,
    dropped_windows: dropped,
    series: all,
    benchmarks: [],
    resources: null,
  };
}

const quantiles = (p95: number) => ({ p50: p95 / 2, p95, p99: p95 * 2 });
const viewOf = (windows: LiveWindow[]) => new LiveHistory(windows).view(KEPT_MS, {});

describe('LiveHistory', () => {
  test('forgets what is older than it keeps', () => {
    const history = new LiveHistory([window(0, []), window(1_000, [])]).with(
      window(KEPT_MS + 500, []),
    );
    expect(history.windows.map(({ at_unix_ms }) => at_unix_ms)).toEqual([1_000, KEPT_MS + 500]);
  });

  test('shows the span asked for, of the series that pass every filter', () => {
    const both = [series('a', { in_flight: 1 }), series('b', { in_flight: 2, region: 'us' })];
    const history = new LiveHistory([window(0, both), window(10_000, both)]);
    const view = history.view(5_000, { region: 'us' });
    expect(view.times).toEqual([10_000]);
    expect(view.windows[0]?.series.map(({ model }) => model)).toEqual(['b']);
  });

  test('names every value a label has had', () => {
    const history = new LiveHistory([window(0, [series('b')]), window(200, [series('a')])]);
    expect(history.valuesOf('model')).toEqual(['a', 'b']);
  });
});

describe('LiveView', () => {
  test('adds rates up over series and averages them over a second', () => {
    const rate = (requests_per_second: number) => [
      series('a', { requests_per_second }),
      series('b', { requests_per_second }),
    ];
    const view = viewOf(
      [5, 0, 0, 0, 0, 10].map((value, place) => window(place * 200, rate(value))),
    );
    expect(view.rate('requests_per_second')).toEqual([10, 5, 10 / 3, 2.5, 2, 4]);
  });

  test('never joins percentiles of several series: the highest stands, and says whose it is', () => {
    const view = viewOf([
      window(0, [
        series('a', { ttft_ms: quantiles(100) }),
        series('b', { ttft_ms: quantiles(300) }),
      ]),
    ]);
    expect(view.latest('ttft_ms', 'p95')).toEqual({ value: 300, of: 'b' });
    expect(view.latencies('ttft_ms', 'p95', 'region')).toEqual([
      { name: 'eu', members: 2, values: [300] },
    ]);
    expect(view.latencies('ttft_ms', 'p95', 'model').map(({ values }) => values)).toEqual([
      [100],
      [300],
    ]);
  });

  test('a latency of long ago is not the latest', () => {
    const answered = [series('a', { ttft_ms: quantiles(100) })];
    const windows = [window(0, answered), window(1_000, [series('a')])];
    expect(viewOf(windows).latest('ttft_ms', 'p95').value).toBe(100);
    const later = [...windows, window(3_000, [series('a')])];
    expect(viewOf(later).latest('ttft_ms', 'p95').value).toBeNull();
  });

  test('has no error rate where nothing ended, and no spend where no price is known', () => {
    const view = viewOf([
      window(0, [series('a')]),
      window(200, [
        series('a', { requests_per_second: 8, errors_per_second: 2, spend_usd_per_hour: 1.5 }),
      ]),
    ]);
    expect(view.errorShare).toEqual([null, 0.25]);
    expect(view.spend).toEqual([null, 1.5]);
  });

  test('takes the windows left out as the server counts them: since the beginning', () => {
    expect(viewOf([window(0, [], 2), window(200, [], 3)]).dropped).toBe(3);
    expect(viewOf([]).dropped).toBe(0);
  });
});

test.each([
  [[1, null, 2], 1, [1, undefined, 2]],
  [[1, null, null, 2], 1, [1, null, null, 2]],
  [[null, 1, null], 5, [undefined, 1, undefined]],
  [[], 5, []],
])('of %j, gaps up to %s are bridged', (values, longest, expected) =>
  expect(bridged(values, longest)).toEqual(expected),
);
