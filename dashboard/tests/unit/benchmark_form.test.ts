import { describe, expect, test } from 'vitest';
import {
  BLANK,
  fieldOf,
  requestOf,
  runsOf,
  secondsOf,
  valuesOf,
  type FormValues,
} from '../../src/lib/benchmark_form';
import type { BenchmarkRequest } from '../../src/api/types';

const of = (change: Partial<FormValues>) => requestOf({ ...BLANK, models: ['m'], ...change });
const errorsOf = (change: Partial<FormValues>) => {
  const result = of(change);
  return 'errors' in result ? result.errors : {};
};

describe('requestOf', () => {
  test('says nothing of what was left empty', () => {
    expect(of({})).toEqual({
      request: {
        models: ['m'],
        test_scenarios: ['short_queries'],
        concurrent_users: 8,
        duration_seconds: 60,
      },
    });
  });

  test('makes a sweep of several loads', () => {
    expect(of({ users: '4, 16 64' })).toMatchObject({ request: { concurrent_users: [4, 16, 64] } });
    expect(of({ loadKind: 'rate', rates: '0.5;2' })).toMatchObject({
      request: { request_rate: [0.5, 2], arrivals: 'poisson' },
    });
  });

  test('sends burstiness only with the arrivals that have one', () => {
    const typed = { loadKind: 'rate', burstiness: '0.5' } as const;
    expect(of({ ...typed, arrivals: 'gamma' })).toMatchObject({ request: { burstiness: 0.5 } });
    expect(of({ ...typed, arrivals: 'constant' })).not.toMatchObject({
      request: { burstiness: 0.5 },
    });
  });

  test.each<[Partial<FormValues>, keyof FormValues]>([
    [{ models: [] }, 'models'],
    [{ scenarios: [] }, 'scenarios'],
    [{ users: '' }, 'users'],
    [{ users: '2.5' }, 'users'],
    [{ users: '8, x' }, 'users'],
    [{ users: '0' }, 'users'],
    [{ loadKind: 'rate', rates: '0' }, 'rates'],
    [{ durationSeconds: '' }, 'durationSeconds'],
    [{ endKind: 'requests', requests: 'many' }, 'requests'],
    [{ maxTokens: '-1' }, 'maxTokens'],
    [{ ttftMs: '0' }, 'ttftMs'],
    [{ labels: 'team' }, 'labels'],
  ])('refuses %j at the field %s', (change, field) => {
    expect(Object.keys(errorsOf(change))).toEqual([field]);
  });
});

test.each<BenchmarkRequest>([
  { models: ['m'], test_scenarios: ['s'], concurrent_users: 8, duration_seconds: 60 },
  {
    models: ['m', 'n'],
    test_scenarios: ['s', 't'],
    request_rate: [0.5, 2],
    num_requests: 500,
    name: 'a name',
    ramp_up_seconds: 2,
    max_tokens: 64,
    seed: 0,
    arrivals: 'gamma',
    burstiness: 0.5,
    slo: { ttft_ms: 200, e2e_ms: 5_000 },
    labels: { team: 'chat', build: '7' },
  },
])('a request is made again by the form that it fills: %j', (request) => {
  expect(requestOf(valuesOf(request))).toEqual({ request });
});

test('minutes are shown as seconds', () => {
  const values = valuesOf({
    models: ['m'],
    test_scenarios: ['s'],
    concurrent_users: 1,
    duration_minutes: 1.5,
  });
  expect(values.durationSeconds).toBe('90');
});

test('counts runs, and their time where it is known', () => {
  const request = { models: ['m', 'n'], test_scenarios: ['s', 't'], concurrent_users: [1, 2, 4] };
  expect(runsOf(request)).toBe(12);
  expect(secondsOf({ ...request, duration_minutes: 0.5 })).toBe(360);
  expect(secondsOf({ ...request, num_requests: 100 })).toBeNull();
});

test.each([
  ['/max_tokens', 'maxTokens'],
  ['/models/0', 'models'],
  ['#/slo/ttft_ms', 'ttftMs'],
  ['/unknown', undefined],
])('the pointer %s means the field %s', (pointer, field) => expect(fieldOf(pointer)).toBe(field));
