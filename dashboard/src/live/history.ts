import type { Column, Label, LiveSeries, LiveWindow, QuantileName } from '../api/types';
import { groupBy } from '../lib/group';

/** How far back windows are kept. */
export const KEPT_MS = 120_000;

/** The longest pause between two answers that a line of latencies bridges. */
const BRIDGE_MS = 2_000;

/** How much of the past a rate is averaged over: a window of 200 ms holds too few requests. */
export const RATE_MS = 1_000;

export type RateKey =
  | 'requests_per_second'
  | 'errors_per_second'
  | 'output_tokens_per_second'
  | 'input_tokens_per_second'
  | 'in_flight';

export type LatencyKey = 'ttft_ms' | 'tpot_ms' | 'e2e_ms';

/** Series that are shown as one line, by the value of the label that they share. */
export interface Line {
  name: string;
  /** How many of the server's series it holds. */
  members: number;
  values: (number | null | undefined)[];
}

/** A latency as of now, and whose it is where the server has several series. */
export interface Reading {
  value: number | null;
  of: string | null;
}

/** The last two minutes of the live feed. */
export class LiveHistory {
  readonly windows: readonly LiveWindow[];

  constructor(windows: readonly LiveWindow[] = []) {
    this.windows = windows;
  }

  with(window: LiveWindow): LiveHistory {
    const oldest = window.at_unix_ms - KEPT_MS;
    const kept = this.windows.filter(({ at_unix_ms }) => at_unix_ms > oldest);
    return new LiveHistory([...kept, window]);
  }

  /** Windows since `spanMs` before the last, of series that pass every filter. */
  view(spanMs: number, filters: Partial<Record<Label, string>>): LiveView {
    const last = this.windows.at(-1);
    const since = (last?.at_unix_ms ?? 0) - spanMs;
    const wanted = Object.entries(filters) as [Label, string][];
    const passes = (series: LiveSeries) => wanted.every(([name, value]) => series[name] === value);
    return new LiveView(
      this.windows
        .filter(({ at_unix_ms }) => at_unix_ms > since)
        .map((window) => ({ ...window, series: window.series.filter(passes) })),
    );
  }

  /** Every value that a label has had. */
  valuesOf(label: Label): string[] {
    const values = new Set<string>();
    for (const { series } of this.windows) {
      for (const { [label]: value } of series) if (value) values.add(value);
    }
    return [...values].sort();
  }
}

/** A part of the history, as columns. */
export class LiveView {
  readonly windows: readonly LiveWindow[];

  constructor(windows: readonly LiveWindow[]) {
    this.windows = windows;
  }

  get times(): number[] {
    return this.windows.map(({ at_unix_ms }) => at_unix_ms);
  }

  /** Windows that this page was too slow for, since it began to listen. */
  get dropped(): number {
    return this.windows.at(-1)?.dropped_windows ?? 0;
  }

  /** A rate over all series, a value a window, each the mean of {@link RATE_MS} before it. */
  rate(key: RateKey): Column {
    return this.#smoothed(this.windows.map(({ series }) => sumOf(series, key)));
  }

  /** The same, a line for each value of `label`. */
  rates(key: RateKey, label: Label): Line[] {
    return this.#lines(label, (series) => sumOf(series, key)).map((line) => ({
      ...line,
      values: this.#smoothed(line.values.map((value) => value ?? 0)),
    }));
  }

  /**
   * A latency's quantile, a line for each value of `label`. Quantiles of several series cannot be
   * joined into one, so a line of several shows the highest.
   */
  latencies(key: LatencyKey, quantile: QuantileName, label: Label): Line[] {
    const highest = (series: readonly LiveSeries[]) => highestOf(series, key, quantile).value;
    return this.#lines(label, highest).map((line) => ({
      ...line,
      values: bridged(line.values, this.#bridge),
    }));
  }

  /** A latency's quantiles of the highest series of each window. */
  highest(key: LatencyKey, quantile: QuantileName): (number | null | undefined)[] {
    const values = this.windows.map(({ series }) => highestOf(series, key, quantile).value);
    return bridged(values, this.#bridge);
  }

  /** The last window's highest latency that is not older than what a line bridges. */
  latest(key: LatencyKey, quantile: QuantileName): Reading {
    const last = this.windows.at(-1);
    for (const window of this.windows.toReversed()) {
      if (window.at_unix_ms < (last?.at_unix_ms ?? 0) - BRIDGE_MS) break;
      const reading = highestOf(window.series, key, quantile);
      if (reading.value !== null) return reading;
    }
    return { value: null, of: null };
  }

  /** What an hour costs; null where no series has a price. */
  get spend(): Column {
    return this.windows.map(({ series }) => {
      const known = series.flatMap(({ spend_usd_per_hour }) => spend_usd_per_hour ?? []);
      return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
    });
  }

  /** Failed requests of all that ended, over {@link RATE_MS}. */
  get errorShare(): Column {
    const requests = this.rate('requests_per_second');
    return this.rate('errors_per_second').map((errors, place) => {
      const total = requests[place] ?? 0;
      return total > 0 ? (errors ?? 0) / total : null;
    });
  }

  /** How many windows without an answer a line bridges. */
  get #bridge(): number {
    return BRIDGE_MS / (this.windows.at(-1)?.interval_ms ?? BRIDGE_MS);
  }

  #lines(label: Label, value: (series: readonly LiveSeries[]) => number | null): Line[] {
    const names = new Map<string, number>();
    const rows = this.windows.map(({ series }) => {
      const groups = groupBy(series, (one) => one[label] ?? 'none');
      for (const [name, group] of groups) {
        names.set(name, Math.max(names.get(name) ?? 0, group.length));
      }
      return groups;
    });
    return [...names].sort().map(([name, members]) => ({
      name,
      members,
      values: rows.map((groups) => {
        const group = groups.get(name);
        return group ? value(group) : null;
      }),
    }));
  }

  #smoothed(values: readonly number[]): number[] {
    const width = Math.max(1, Math.round(RATE_MS / (this.windows.at(-1)?.interval_ms ?? RATE_MS)));
    let sum = 0;
    return values.map((value, place) => {
      sum += value - (place >= width ? (values[place - width] ?? 0) : 0);
      return Math.max(0, sum) / Math.min(place + 1, width);
    });
  }
}

function sumOf(series: readonly LiveSeries[], key: RateKey): number {
  return series.reduce((sum, one) => sum + one[key], 0);
}

function highestOf(
  series: readonly LiveSeries[],
  key: LatencyKey,
  quantile: QuantileName,
): Reading {
  let highest: Reading = { value: null, of: null };
  for (const one of series) {
    const value = one[key]?.[quantile] ?? null;
    if (value !== null && value > (highest.value ?? -1)) highest = { value, of: one.model };
  }
  return highest;
}

/**
 * Marks gaps of at most `longest` values as such that a line may bridge: undefined in place of
 * null, as uPlot has it.
 */
export function bridged(
  values: readonly (number | null | undefined)[],
  longest: number,
): (number | null | undefined)[] {
  const result = [...values];
  let start = 0;
  while (start < result.length) {
    if (result[start] != null) {
      start += 1;
      continue;
    }
    let end = start;
    while (end < result.length && result[end] == null) end += 1;
    if (end - start <= longest) result.fill(undefined, start, end);
    start = end;
  }
  return result;
}
