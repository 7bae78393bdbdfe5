import { expect, test } from 'vitest';
import type { Timeline } from '../../src/api/types';
import { wholeSteps } from '../../src/lib/timeline';

function timeline(values: number[]): Timeline {
  const quantiles = { p50: values, p95: values, p99: values };
  return {
    start_unix_ms: 1_000,
    step_ms: 1_000,
    requests_per_second: values,
    errors_per_second: values,
    output_tokens_per_second: values,
    in_flight: values,
    ttft_ms: quantiles,
    tpot_ms: quantiles,
    e2e_ms: quantiles,
    cpu_percent: values,
    memory_mib: values,
  };
}

test('the step within which a run ends is left out', () => {
  expect(wholeSteps(timeline([5, 6, 7, 2]))).toEqual(timeline([5, 6, 7]));
});

test('of a run too short for that, everything is shown', () => {
  expect(wholeSteps(timeline([5, 2]))).toEqual(timeline([5, 2]));
});
