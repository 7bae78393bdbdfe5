import { token } from '../lib/theme.svelte';

/** One line of a chart over time. */
export interface ChartSeries {
  label: string;
  /** The name of a colour of the theme. */
  token: string;
  dash?: number[];
  /** A value a moment; null is a gap, undefined one that the line bridges. */
  values: (number | null | undefined)[];
  /** Whether the area below is tinted. */
  filled?: boolean;
}

/** A stretch of time that is marked behind the lines. */
export interface Band {
  fromUnixMs: number;
  toUnixMs: number;
  label: string;
  href?: string;
}

export function lineOf(values: readonly (number | null | undefined)[]): {
  last: number | null;
  low: number | null;
  high: number | null;
} {
  let last: number | null = null;
  let low: number | null = null;
  let high: number | null = null;
  for (const value of values) {
    if (value == null) continue;
    last = value;
    low = low === null ? value : Math.min(low, value);
    high = high === null ? value : Math.max(high, value);
  }
  return { last, low, high };
}

/** A colour of the theme, seen through. */
export function faint(name: string, percent: number): string {
  return `color-mix(in srgb, ${token(name)} ${percent}%, transparent)`;
}
