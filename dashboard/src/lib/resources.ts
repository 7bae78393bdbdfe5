import type { ResourceFigure, ResourceSource, RunResources } from '../api/types';
import { BYTE_STEPS, WHOLE_STEPS } from '../charts/scale';
import type { ChartSeries } from '../charts/series';
import { bytes, compact, latencyText, number } from './format';
import { lookBeside } from './palette';

/** What is drawn together: figures of one unit that one reads against each other. */
interface Plan {
  title: string;
  note?: string;
  names: string[];
}

const PLANS: Plan[] = [
  {
    title: 'CPU',
    note: '100 % is one core; a client near its limit measures itself',
    names: ['cpu', 'group_cpu', 'group_throttled'],
  },
  {
    title: 'CPU of the machine',
    note: 'Of all processors together; stolen is what other machines took',
    names: ['machine_cpu', 'machine_stolen'],
  },
  { title: 'Memory', names: ['memory', 'group_memory'] },
  { title: 'Network', names: ['received', 'sent', 'loopback'] },
  { title: 'Requests in the server', names: ['requests_running', 'requests_waiting'] },
  { title: 'Cache', names: ['kv_cache_usage', 'prefix_cache_hits'] },
  { title: 'Tokens in the server', names: ['input_tokens', 'output_tokens'] },
  { title: 'Preemptions', names: ['preemptions'] },
  {
    title: 'Latency as the server sees it',
    note: 'Means of what the server measured',
    names: ['ttft', 'queue_time', 'e2e'],
  },
  { title: 'Time between tokens as the server sees it', names: ['itl'] },
  { title: 'GPU utilization', names: ['gpu_utilization', 'gpu_tensor_active'] },
  { title: 'GPU memory', names: ['gpu_memory'] },
  { title: 'GPU power', names: ['gpu_power'] },
  { title: 'GPU clocks', names: ['gpu_sm_clock', 'gpu_memory_clock'] },
  { title: 'GPU temperature', names: ['gpu_temperature'] },
];

/** Units whose scales are not marked at every round number. */
const STEPS: Partial<Record<string, readonly number[]>> = {
  'bytes/s': BYTE_STEPS,
  count: WHOLE_STEPS,
};

/** A chart of what was seen of one source. */
export interface ResourceChart {
  title: string;
  note?: string;
  series: ChartSeries[];
  format: (value: number | null | undefined) => string;
  steps?: readonly number[];
}

/** The charts of a source, those that it has figures for. */
export function chartsOf(source: ResourceSource): ResourceChart[] {
  return PLANS.flatMap(({ title, note, names }) => {
    const figures = names.flatMap((name) => source.figures.filter((one) => one.name === name));
    const unit = figures[0]?.unit;
    if (unit === undefined) return [];
    const series = figures.map((figure, place) => ({
      ...lookBeside(place),
      label: labelOf(figure),
      values: figure.values,
      filled: figures.length === 1,
    }));
    const steps = STEPS[unit];
    return [
      { title: `${title} · ${ownerOf(source)}`, note, series, format: formatOf(unit), steps },
    ];
  });
}

/** Whose figures these are. */
export function ownerOf({ kind, target, place }: ResourceSource): string {
  if (kind === 'prony') return 'Prony';
  if (kind === 'process') return `process of ${target}`;
  return place === 0 ? `${target}` : `${target}, server ${place + 1}`;
}

function labelOf({ name, gpu }: ResourceFigure): string {
  const words = name.replace(/^gpu_/, '').replaceAll('_', ' ');
  return gpu === null ? words : `${words}, GPU ${gpu}`;
}

function formatOf(unit: string): ResourceChart['format'] {
  switch (unit) {
    case 'percent':
      return (value) => `${number(value)} %`;
    case 'bytes/s':
      return (value) => (value == null ? number(value) : `${bytes(value)}/s`);
    case '1/s':
      return (value) => `${compact(value)}/s`;
    case 'ms':
      return latencyText;
    case 'count':
      return (value) => number(value);
    default:
      return (value) => `${number(value)} ${unit}`;
  }
}

/** The moments at which the steps start. */
export function timesOf({ start_unix_ms, step_ms, sources }: RunResources): number[] {
  const steps = sources.flatMap(({ figures }) => figures)[0]?.values.length ?? 0;
  return Array.from({ length: steps }, (_, place) => start_unix_ms + place * step_ms);
}
