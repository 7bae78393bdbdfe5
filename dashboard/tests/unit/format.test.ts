import { describe, expect, test } from 'vitest';
import * as format from '../../src/lib/format';

/** The thin space between a number and its unit, as an ordinary one. */
const plain = (text: string) => text.replaceAll('\u202f', ' ');

describe('number', () => {
  test.each([
    [null, '–'],
    [NaN, '–'],
    [0, '0'],
    [5, '5'],
    [0.0433, '0.0433'],
    [1.004, '1.00'],
    [9.999, '10.00'],
    [12.34, '12.3'],
    [123.4, '123'],
    [999.6, '1,000'],
    [1234.5, '1,235'],
    [-2.345, '-2.35'],
  ])('%s is %s', (value, expected) => expect(format.number(value)).toBe(expected));
});

test.each([
  [null, '–'],
  [0.25, '0.250 ms'],
  [431.43, '431 ms'],
  [9_999, '9,999 ms'],
  [10_500, '10.5 s'],
])('a latency of %s ms is %s', (ms, expected) =>
  expect(plain(format.latencyText(ms))).toBe(expected),
);

test.each([
  [null, '–'],
  [0, '0 %'],
  [0.00042, '0.04 %'],
  [0.0254, '2.54 %'],
  [0.1, '10 %'],
  [0.9231, '92.3 %'],
  [1, '100 %'],
])('a share of %s is %s', (share, expected) => expect(plain(format.percent(share))).toBe(expected));

test.each([
  [null, '–'],
  [0, '$0.00'],
  [1234.5, '$1,234.50'],
  [0.5, '$0.50'],
  [0.0125, '$0.013'],
  [0.0000126, '$0.000013'],
])('%s dollars are %s', (value, expected) => expect(format.usd(value)).toBe(expected));

test.each([
  [0, '0 s'],
  [0.34, '0.3 s'],
  [7.25, '7.3 s'],
  [59.6, '1 min'],
  [90, '1 min 30 s'],
  [3_600, '1 h'],
  [3_661, '1 h 1 min'],
  [273_600, '3 d 4 h'],
])('%s seconds are %s', (seconds, expected) => expect(plain(format.span(seconds))).toBe(expected));

test.each([
  [2_000, 'just now'],
  [42_000, '42 s ago'],
  [125_000, '2 min ago'],
  [7_200_000, '2 h ago'],
  [172_800_000, '2 d ago'],
])('%s ms before now is %s', (before, expected) =>
  expect(plain(format.ago(1e12 - before, 1e12))).toBe(expected),
);

test('counts keep their size in few characters', () => {
  expect(plain(format.compact(9_876))).toBe('9,876');
  expect(plain(format.compact(12_345))).toBe('12.3 k');
  expect(plain(format.compact(3_020_000))).toBe('3.02 M');
  expect(plain(format.bytes(311_427_072))).toBe('297 MiB');
  expect(format.plural(1, 'run')).toBe('1 run');
  expect(format.plural(1_200, 'run')).toBe('1,200 runs');
});
