import { expect, test } from 'vitest';
import { placeOf } from '../../src/lib/geography';

test('a region is found with and without its number, and no other is made up', () => {
  expect(placeOf('EU-West-1')).toEqual(placeOf('eu-west'));
  expect(placeOf('europe-west')).toEqual(placeOf('europe-west1'));
  expect(placeOf('eu-west-2')).not.toEqual(placeOf('eu-west'));
  expect(placeOf('lab')).toBeUndefined();
});
