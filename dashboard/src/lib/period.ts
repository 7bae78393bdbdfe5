/** A stretch of the past, ending now or at a given moment. */
export interface Period {
  fromUnixMs: number;
  toUnixMs: number;
}

/** Periods that end now, by what stands for them in an address. */
export const PERIODS = [
  ['15m', '15 min', 900],
  ['1h', '1 h', 3_600],
  ['6h', '6 h', 21_600],
  ['24h', '24 h', 86_400],
  ['7d', '7 d', 604_800],
  ['30d', '30 d', 2_592_000],
] as const;

export type PeriodName = (typeof PERIODS)[number][0];

/** Steps that divide an hour or a day. */
const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400,
];

/** Points that a chart shows well; the server gives at most 1,000. */
const POINTS_MAX = 400;

/** The smallest step with which a period has no more points than a chart shows well. */
export function stepSeconds({ fromUnixMs, toUnixMs }: Period): number {
  const seconds = (toUnixMs - fromUnixMs) / 1e3;
  return STEPS.find((step) => seconds / step <= POINTS_MAX) ?? Math.ceil(seconds / POINTS_MAX);
}

/** The period that `name` stands for, its ends on whole steps so that answers can be kept. */
export function periodUntil(now: number, name: PeriodName): Period {
  const seconds = PERIODS.find(([known]) => known === name)?.[2] ?? 3_600;
  const step = stepSeconds({ fromUnixMs: 0, toUnixMs: seconds * 1e3 }) * 1e3;
  const toUnixMs = Math.ceil(now / step) * step;
  return { fromUnixMs: toUnixMs - seconds * 1e3, toUnixMs };
}

/** The period between two moments of an address; null where they are none. */
export function customPeriod(from: string | undefined, to: string | undefined): Period | null {
  const fromUnixMs = Date.parse(from ?? '');
  const toUnixMs = Date.parse(to ?? '');
  return toUnixMs - fromUnixMs >= 1_000 ? { fromUnixMs, toUnixMs } : null;
}
