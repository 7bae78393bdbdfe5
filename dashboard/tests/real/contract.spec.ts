import { fileURLToPath } from 'node:url';
import { Contract, type Document } from './contract';
import { expect, test } from './desk';

const TYPES = fileURLToPath(new URL('../../src/api/types.ts', import.meta.url));

/**
 * What the document cannot say better: a benchmark's request is described as it may be sent, and a
 * window without what is counted for each watcher.
 */
const KNOWN = /^Benchmark\.request\.|^LiveWindow\.dropped_windows /;

test('what pages read is what the server says it sends', async ({ request }) => {
  const document = (await (await request.get('/api/v1/openapi.json')).json()) as Document;
  const contract = new Contract(document, TYPES);
  const differences = [
    contract.differences('Status', contract.answer('status')),
    contract.differences('Target', contract.entry('targets')),
    contract.differences('TargetAvailability', contract.entry('availability')),
    contract.differences('Scenario', contract.entry('scenarios')),
    contract.differences('Benchmark', contract.entry('benchmarks')),
    contract.differences('Results', contract.answer('benchmarks/{id}/results')),
    contract.differences('Timeline', contract.answer('benchmarks/{id}/timeline')),
    contract.differences('RunResources', contract.answer('benchmarks/{id}/resources')),
    contract.differences('Distribution', contract.answer('benchmarks/{id}/distribution')),
    contract.differences('HeatmapData', contract.answer('benchmarks/{id}/heatmap')),
    contract.differences('RequestRecord', contract.entry('benchmarks/{id}/records')),
    contract.differences('RequestContent', contract.entry('benchmarks/{id}/content')),
    contract.differences('Rollups', contract.answer('rollups')),
    contract.differences('AlertList', contract.answer('alerts')),
    contract.differences('AlertRule', contract.entry('alert-rules')),
    contract.differences('LiveWindow', contract.component('LiveWindow')),
  ].flat();
  expect(differences.filter((told) => !KNOWN.test(told))).toEqual([]);
});
