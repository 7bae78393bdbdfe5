/** Round numbers from 0 to `high`, about `count` of them. */
export function ticks(high: number, count: number): number[] {
  if (!(high > 0)) return [0];
  const rough = high / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, place) =>
    Number((place * step).toPrecision(12)),
  );
}

/** 1, 2, 5, 10, 20, … between two bounds. */
export function logTicks(low: number, high: number): number[] {
  const result: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of [1, 2, 5]) {
      const value = Number((factor * 10 ** power).toPrecision(12));
      if (value >= low && value <= high) result.push(value);
    }
  }
  return result;
}

/** Where `value` lies between two bounds on a logarithmic scale: 0 at `low`, 1 at `high`. */
export function logShare(value: number, low: number, high: number): number {
  return high > low ? Math.log(value / low) / Math.log(high / low) : 0.5;
}

/**
 * Where a quantile lies on the axis of a percentile curve, which gives each nine the same room:
 * 0 at p0, 1 at p90, 2 at p99, 3 at p99.9.
 */
export function nines(quantile: number): number {
  return Math.log10(1 / (1 - quantile));
}

/** "p50", "p99.9". */
export function quantileLabel(quantile: number): string {
  return `p${Number((quantile * 100).toPrecision(6))}`;
}
