import { describe, expect, test } from 'vitest';
import { placeLabels } from '../../src/charts/labels';
import { ramp } from '../../src/charts/ramp';
import {
  BYTE_STEPS,
  logShare,
  logTicks,
  nines,
  quantileLabel,
  ticks,
} from '../../src/charts/scale';
import { HUES, lookBeside, lookOf, shareLook } from '../../src/lib/palette';
import { timelineOf } from '../../src/lib/request_timeline';
import type { RequestDetail } from '../../src/api/types';

test('ticks are round numbers', () => {
  expect(ticks(97, 5)).toEqual([0, 20, 40, 60, 80]);
  expect(ticks(0.3, 3)).toEqual([0, 0.1, 0.2, 0.3]);
  expect(ticks(0, 5)).toEqual([0]);
  expect(logTicks(0.9, 25)).toEqual([1, 2, 5, 10, 20]);
  expect(logTicks(45, 165)).toEqual([60, 80, 100, 120, 140, 160]);
  expect(logTicks(7.9, 9)).toEqual([8, 8.2, 8.4, 8.6, 8.8, 9]);
  expect(logTicks(5, 5)).toEqual([5]);
});

test('scales put their ends at 0 and 1, and each nine as far as the last', () => {
  expect([1, 10, 100].map((value) => logShare(value, 1, 100))).toEqual([0, 0.5, 1]);
  expect([0, 0.9, 0.99].map((quantile) => Math.round(nines(quantile) * 1e6) / 1e6)).toEqual([
    0, 1, 2,
  ]);
  expect([0.5, 0.95, 0.999].map(quantileLabel)).toEqual(['p50', 'p95', 'p99.9']);
});

test('a ramp begins and ends with its first and last colour', () => {
  expect(ramp(['#000000', '#ff0000', '#ffffff'], 5)).toEqual([
    '#000000',
    '#800000',
    '#ff0000',
    '#ff8080',
    '#ffffff',
  ]);
});

test('a scale of bytes is round in each of its units', () => {
  expect(BYTE_STEPS).toContain(100 * 1024);
  expect(BYTE_STEPS).not.toContain(1_000);
  expect(BYTE_STEPS).toEqual([...BYTE_STEPS].sort((a, b) => a - b));
});

test('what is no model takes the colours that models are given last', () => {
  const looks = Array.from({ length: HUES * 2 }, (_, place) => lookBeside(place));
  expect(looks[0]?.token).toBe('accent');
  expect(looks[1]?.token).toBe(`series-${HUES - 1}`);
  expect(new Set(looks.map((look) => JSON.stringify(look))).size).toBe(HUES * 2);
});

describe('placeLabels', () => {
  const place = (marks: { name: string; x: number; y: number }[]) =>
    placeLabels(marks, 400, 200, 10);

  test('takes the right where nothing is in the way', () => {
    expect(place([{ name: 'a', x: 50, y: 50 }])[0]?.anchor).toBe('start');
  });

  test('stays inside', () => {
    expect(place([{ name: 'far-east', x: 390, y: 50 }])[0]?.anchor).toBe('end');
  });

  test('covers no other label, and leaves out what has no room', () => {
    const crowd = Array.from({ length: 12 }, (_, at) => ({
      name: `region-${at}`,
      x: 200 + at,
      y: 100,
    }));
    const placed = place(crowd);
    expect(placed.length).toBeGreaterThan(0);
    expect(placed.length).toBeLessThan(crowd.length);
  });
});

test('a model keeps its look, a target has its model’s, and what shares a colour differs in dash', () => {
  shareLook('target-1', 'model-1');
  expect(lookOf('target-1')).toEqual(lookOf('model-1'));
  const looks = Array.from({ length: HUES * 2 }, (_, at) => lookOf(`other-${at}`));
  expect(lookOf('other-3')).toEqual(looks[3]);
  expect(new Set(looks.map((look) => JSON.stringify(look))).size).toBe(HUES * 2);
});

describe('timelineOf', () => {
  const record = {
    origin: 'started',
    schedule_lag_ms: 2,
    held_ms: null,
    retrying_ms: null,
    planned_unix_ns: 1e9,
    started_unix_ns: 1e9 + 2e6,
    sent_unix_ns: 1e9 + 3e6,
    headers_unix_ns: 1e9 + 40e6,
    first_token_unix_ns: 1e9 + 52e6,
    last_token_unix_ns: 1e9 + 92e6,
    finished_unix_ns: 1e9 + 93e6,
    chunk_ns: [50e6, 60e6, 90e6],
  } as RequestDetail;

  test('tells stages one after another from when the request was due', () => {
    const { stages, totalMs } = timelineOf(record);
    expect(stages.map(({ name, fromMs, toMs }) => [name, fromMs, toMs])).toEqual([
      ['waiting', 0, 2],
      ['sending', 2, 3],
      ['to headers', 3, 40],
      ['to first token', 40, 52],
      ['generating', 52, 92],
      ['ending', 92, 93],
    ]);
    expect(totalMs).toBe(93);
  });

  test('places chunks after the start, whatever latency counts from', () => {
    for (const origin of ['planned', 'started'] as const) {
      const timeline = timelineOf({ ...record, origin });
      expect(timeline).toMatchObject({ chunksMs: [52, 62, 92], gapsMs: [10, 30] });
    }
  });

  test('tells a wait for a place apart from the client’s lag, and tries from the last', () => {
    const retried = {
      ...record,
      held_ms: 1.5,
      retrying_ms: 30,
      sent_unix_ns: 1e9 + 33e6,
    };
    expect(
      timelineOf(retried)
        .stages.slice(0, 4)
        .map(({ name, toMs }) => [name, toMs]),
    ).toEqual([
      ['held', 1.5],
      ['waiting', 2],
      ['retrying', 32],
      ['sending', 33],
    ]);
  });

  test('leaves out what a failed request did not reach', () => {
    const failed = {
      ...record,
      headers_unix_ns: null,
      first_token_unix_ns: null,
      last_token_unix_ns: null,
      chunk_ns: [],
    } as RequestDetail;
    expect(timelineOf(failed).stages.map(({ name }) => name)).toEqual([
      'waiting',
      'sending',
      'ending',
    ]);
  });
});
