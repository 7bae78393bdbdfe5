import type { Column, QuantileName, RollupSeries } from '../api/types';
import { compact, latencyText, NONE, number, percent, usd } from './format';

/** A figure that history can show. */
export interface HistoryMetric {
  name: string;
  label: string;
  /** Whether it is a latency, of which a percentile must be chosen. */
  isLatency: boolean;
  note: string;
  /** The columns that the server is asked for. */
  columns: string;
  read: (series: RollupSeries, stepSeconds: number, quantile: QuantileName) => Column;
  format: (value: number | null | undefined) => string;
}

function latency(name: 'ttft' | 'tpot' | 'e2e', label: string, note: string): HistoryMetric {
  return {
    name,
    label,
    isLatency: true,
    note,
    columns: `${name}_ms`,
    read: (series, _step, quantile) => series[`${name}_ms`][quantile],
    format: latencyText,
  };
}

const each = (column: Column, change: (value: number) => number): Column =>
  column.map((value) => (value === null ? null : change(value)));

type Format = HistoryMetric['format'];

/** A format with what it is a figure of; nothing is not so much a second. */
function per(format: Format, unit: string): Format {
  return (value) => (value == null ? NONE : format(value) + unit);
}

export const METRICS: readonly HistoryMetric[] = [
  latency('e2e', 'E2E latency', 'from the request to the end of its answer'),
  latency('ttft', 'TTFT', 'time to first token'),
  latency('tpot', 'TPOT', 'time per output token after the first'),
  {
    name: 'requests',
    label: 'Requests',
    isLatency: false,
    note: 'that ended, a second',
    columns: 'requests',
    read: ({ requests }, step) => each(requests, (count) => count / step),
    format: per(number, '/s'),
  },
  {
    name: 'errors',
    label: 'Error rate',
    isLatency: false,
    note: 'failed requests, of all that ended',
    columns: 'requests,errors',
    read: ({ requests, errors }) =>
      errors.map((count, place) => {
        const total = requests[place];
        return count === null || !total ? null : count / total;
      }),
    format: percent,
  },
  {
    name: 'tokens',
    label: 'Output tokens',
    isLatency: false,
    note: 'a second',
    columns: 'output_tokens',
    read: ({ output_tokens }, step) => each(output_tokens, (count) => count / step),
    format: per(compact, '/s'),
  },
  {
    name: 'cost',
    label: 'Cost',
    isLatency: false,
    note: 'an hour, at the prices in force',
    columns: 'cost_usd',
    read: ({ cost_usd }, step) => each(cost_usd, (cost) => (cost / step) * 3_600),
    format: per(usd, '/h'),
  },
];
