import { expect, test } from 'vitest';
import { parseRefs, refText, shortLoad } from '../../src/lib/compare';
import { link, parseLocation } from '../../src/lib/location';

test('a link is read back as what it was made of', () => {
  const path = ['benchmarks', 'ä/b?c'];
  const query = { run: '2', model: 'a&b=c #1' };
  expect(parseLocation(link(path, query))).toEqual({ path, query });
});

test('filters without a value are left out', () => {
  expect(link(['live'], { model: '', region: null, span: undefined })).toBe('#/live');
});

test('what people type is read as far as it goes', () => {
  expect(parseLocation('')).toEqual({ path: [], query: {} });
  expect(parseLocation('#/benchmarks/100%')).toEqual({ path: ['benchmarks', '100%'], query: {} });
});

test('runs to compare are read from an address and written to it', () => {
  const refs = parseRefs('b-1:0,b-1:0,nonsense,b:2:3,b-1:');
  expect(refs).toEqual([
    { id: 'b-1', index: 0 },
    { id: 'b:2', index: 3 },
  ]);
  expect(refs.map(refText)).toEqual(['b-1:0', 'b:2:3']);
});

test.each([
  ['concurrency=1', '1 user'],
  ['concurrency=48', '48 users'],
  ['rate=2.5/s', '2.5 req/s'],
  ['rate=40/s,max=4', '40 req/s'],
  ['replay', 'replay'],
])('the load %s is %s', (load, expected) => expect(shortLoad(load)).toBe(expected));
