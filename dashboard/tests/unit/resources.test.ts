import { expect, test } from 'vitest';
import type { RunResources } from '../../src/api/types';
import { chartsOf, ownerOf, timesOf } from '../../src/lib/resources';

const figure = (name: string, unit: string, gpu: number | null = null) => ({
  name,
  unit,
  gpu,
  values: [1, null],
});

const seen: RunResources = {
  start_unix_ms: 5_000,
  step_ms: 1_000,
  sources: [
    {
      kind: 'prony',
      target: null,
      place: 0,
      problem: null,
      figures: [
        figure('cpu', 'percent'),
        figure('gpu_power', 'W', 0),
        figure('gpu_power', 'W', 1),
        figure('unheard_of', 'percent'),
      ],
    },
    { kind: 'server', target: 'vllm', place: 1, problem: 'refused', figures: [] },
  ],
};

test('a source has the charts that it has figures for, and a line for each GPU', () => {
  const charts = chartsOf(seen.sources[0]!);
  expect(charts.map(({ title }) => title)).toEqual(['CPU · Prony', 'GPU power · Prony']);
  expect(charts[1]!.series.map(({ label }) => label)).toEqual(['power, GPU 0', 'power, GPU 1']);
  expect(charts[1]!.format(300)).toBe('300 W');
  expect(chartsOf(seen.sources[1]!)).toEqual([]);
});

test('each source says whose it is', () => {
  expect(seen.sources.map(ownerOf)).toEqual(['Prony', 'vllm, server 2']);
  expect(timesOf(seen)).toEqual([5_000, 6_000]);
  expect(timesOf({ ...seen, sources: [] })).toEqual([]);
});
