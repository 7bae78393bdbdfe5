import type { Bounds, Column, Quantiles } from '../../src/api/types.ts';

/** The value below which a share of `sorted` lies. */
export function quantile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null;
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
}

export function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

/** Order statistics that hold a quantile in 95 of 100 samples; null where n is too small. */
export function quantileBounds(sorted: readonly number[], share: number): Bounds | null {
  const n = sorted.length;
  const reach = 1.96 * Math.sqrt(n * share * (1 - share));
  const low = Math.floor(n * share - reach);
  const high = Math.ceil(n * share + reach);
  return low < 0 || high >= n ? null : [sorted[low] as number, sorted[high] as number];
}

/** Wilson's interval. */
export function shareBounds(hits: number, total: number): Bounds {
  if (total === 0) return [0, 1];
  const z = 1.96;
  const share = hits / total;
  const scale = 1 + z ** 2 / total;
  const middle = (share + z ** 2 / (2 * total)) / scale;
  const reach = (z * Math.sqrt((share * (1 - share)) / total + z ** 2 / (4 * total ** 2))) / scale;
  return [Math.max(0, middle - reach), Math.min(1, middle + reach)];
}

export function quantileColumns(buckets: readonly number[][]): Quantiles<Column> {
  const sorted = buckets.map(ascending);
  const column = (share: number) => sorted.map((values) => quantile(values, share));
  return { p50: column(0.5), p95: column(0.95), p99: column(0.99) };
}
