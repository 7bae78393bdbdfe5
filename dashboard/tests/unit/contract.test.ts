import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Contract, type Schema } from '../real/contract';

const TYPES = fileURLToPath(new URL('../../src/api/types.ts', import.meta.url));

/** A target as a server would describe it: all right but for what a test changes. */
function target(changes: Record<string, Schema>, without: string[] = []): Schema {
  const text = { type: 'string' };
  const properties: Record<string, Schema> = {
    name: text,
    provider: text,
    model: text,
    url_host: { type: ['string', 'null'] },
    region: { oneOf: [{ type: 'null' }, text] },
    labels: { type: 'object' },
    availability: { oneOf: [{ type: 'null' }, { $ref: '#/components/schemas/Availability' }] },
    ...changes,
  };
  const required = Object.keys(properties).filter((name) => !without.includes(name));
  return { type: 'object', properties, required };
}

const number = { type: 'number' };
const figures = ['window_seconds', 'share', 'share_low', 'share_high', 'checks', 'failed'];
const properties: Record<string, Schema> = {
  ...Object.fromEntries(
    [...figures, 'measured', 'objective', 'budget_left'].map((name) => [name, number]),
  ),
  condition: { type: 'string' },
};
const availability: Schema = { type: 'object', properties, required: Object.keys(properties) };
const contract = new Contract(
  { paths: {}, components: { schemas: { Availability: availability } } },
  TYPES,
);

test('what fits has no difference', () => {
  expect(contract.differences('Target', target({}, ['region']))).toEqual([]);
});

test.each<[Schema, string]>([
  [target({ model: { type: ['string', 'null'] } }), 'Target.model may be null'],
  [target({ name: number }), 'Target.name may be number'],
  [target({}, ['labels']), 'Target.labels may be left out'],
  [{ type: 'object', properties: { name: number } }, 'Target.provider is never sent'],
  [
    target({ availability: { type: 'object', properties: { share: { type: 'string' } } } }),
    'Target.availability.share may be string',
  ],
])('a difference is told: %#', (schema, told) => {
  expect(contract.differences('Target', schema)).toContain(told);
});

test('what is neither described nor known is an error', () => {
  expect(contract.differences('Nothing', {})).toEqual(['Nothing: no such type']);
  expect(() => contract.answer('nothing')).toThrow('GET nothing');
  expect(() => contract.component('Nothing')).toThrow('no schema Nothing');
});
