import type { Bounds, Figure, FigureKey, Lag, Percentile, RunSummary } from '../api/types';

export const FIGURES: readonly (readonly [figure: Figure, label: string, meaning: string])[] = [
  ['ttft', 'TTFT', 'Time to first token'],
  ['tpot', 'TPOT', 'Time per output token after the first'],
  ['itl', 'ITL', 'Gap between successive chunks with tokens'],
  ['e2el', 'E2E', 'Time to the end of the answer'],
];

export const PERCENTILES: readonly (readonly [percentile: Percentile, label: string])[] = [
  ['median', 'p50'],
  ['p90', 'p90'],
  ['p95', 'p95'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
];

/** A percentile of a run with what says how far to trust it. */
export interface Estimate {
  value: number | null;
  /** Where it lies, 95 times of 100; null where too few values say so. */
  bounds: Bounds | null;
  /** Whether there are enough values for it. */
  supported: boolean;
}

export function estimate(run: RunSummary, figure: Figure | Lag, percentile: Percentile): Estimate {
  const key: FigureKey = `${percentile}_${figure}_ms`;
  return {
    value: run[key],
    bounds: run.ci95[key] ?? null,
    supported: !run.unsupported.includes(key),
  };
}

/** Two runs' figures side by side: whether the second differs from the first. */
export type Difference =
  | { kind: 'unknown' }
  /** There are no intervals to judge by. */
  | { kind: 'unjudged'; change: number }
  /** The intervals meet. */
  | { kind: 'none_shown'; change: number }
  /** They do not. */
  | { kind: 'shown'; change: number };

/**
 * Compares two figures by their 95 % intervals. That they do not meet is a stricter demand than a
 * test of the difference makes, so a difference shown is one; of a small one it may say too little.
 * What is a share changes by so much of the whole, anything else by so much of what it was.
 */
export function difference(base: Estimate, other: Estimate, isShare = false): Difference {
  if (base.value === null || other.value === null) return { kind: 'unknown' };
  if (base.value === 0 && !isShare) return { kind: 'unknown' };
  const change = isShare ? other.value - base.value : other.value / base.value - 1;
  if (!base.bounds || !other.bounds) return { kind: 'unjudged', change };
  const apart = other.bounds[0] > base.bounds[1] || other.bounds[1] < base.bounds[0];
  return { kind: apart ? 'shown' : 'none_shown', change };
}
