import type { Column, Label, Quantiles, RollupSeries } from '../api/types';

/** A series of rollups over a whole period. */
export interface Total {
  labels: RollupSeries['labels'];
  requests: number;
  errors: number;
  outputTokens: number;
  /** Null where no price is known. */
  costUsd: number | null;
  ttft: Quantiles<number | null>;
  tpot: Quantiles<number | null>;
  e2e: Quantiles<number | null>;
}

/**
 * A series as one figure each: counts added up. Quantiles cannot be added up; asked for in one step,
 * there is only one, and where the server's steps cut the period in two, the higher stands.
 */
export function totalOf(series: RollupSeries): Total {
  const highest = ({ p50, p95, p99 }: Quantiles<Column>) => ({
    p50: highestOf(p50),
    p95: highestOf(p95),
    p99: highestOf(p99),
  });
  return {
    labels: series.labels,
    requests: sum(series.requests) ?? 0,
    errors: sum(series.errors) ?? 0,
    outputTokens: sum(series.output_tokens) ?? 0,
    costUsd: sum(series.cost_usd),
    ttft: highest(series.ttft_ms),
    tpot: highest(series.tpot_ms),
    e2e: highest(series.e2e_ms),
  };
}

/** What a series is called: the values of the labels it is grouped by. */
export function seriesName(
  { labels }: Pick<RollupSeries, 'labels'>,
  groupBy: readonly Label[],
): string {
  return groupBy.map((label) => labels[label] ?? 'none').join(', ') || 'all requests';
}

function sum(column: Column): number | null {
  const known = column.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

function highestOf(column: Column): number | null {
  const known = column.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
