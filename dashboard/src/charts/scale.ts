/** Steps of a scale that counts: 1, 2, 5, 10 and so on. */
export const WHOLE_STEPS: readonly number[] = Array.from({ length: 10 }, (_, power) =>
  [1, 2, 5].map((step) => step * 10 ** power),
).flat();

/** Steps of a scale of bytes: round in B, KiB, MiB and so on. */
export const BYTE_STEPS: readonly number[] = Array.from({ length: 5 }, (_, power) =>
  WHOLE_STEPS.filter((step) => step < 1_000).map((step) => step * 1024 ** power),
).flat();

/** Round lengths of time, for marks at whole seconds, minutes and hours. */
export const CLOCK_STEPS_MS: readonly number[] = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400,
].map((seconds) => seconds * 1_000);

/** The least round number that is no less than `rough`. */
function roundUp(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
}

/** Round numbers from 0 to `high`, about `count` of them. */
export function ticks(high: number, count: number): number[] {
  if (!(high > 0)) return [0];
  const step = roundUp(high / count);
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, place) =>
    Number((place * step).toPrecision(12)),
  );
}

/** 1, 2, 5, 10, 20, … between two bounds; less than a decade apart, round numbers evenly. */
export function logTicks(low: number, high: number): number[] {
  if (high > low && high < 10 * low) {
    const step = roundUp((high - low) / 8);
    return ticks(high, high / step).filter((value) => value >= low);
  }
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
