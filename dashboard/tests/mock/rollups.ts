import type { Column, Label, Quantiles, Rollups, RollupSeries } from '../../src/api/types.ts';
import { groupBy as grouped } from '../../src/lib/group.ts';
import { Random } from './random.ts';
import { PROFILES, SCENARIOS, VANTAGES, type Profile } from './world.ts';

const DAY = 86_400_000;
const MOST_POINTS = 1_000;

/** Kilometres of glass between a vantage and a region, as milliseconds of delay. */
const DISTANCE_MS: Record<string, number> = {
  'us-east-1/us-east-1': 2,
  'us-east-1/eu-central-1': 92,
  'us-east-1/us-west-2': 66,
  'us-east-1/ap-southeast-1': 220,
  'eu-west-1/us-east-1': 74,
  'eu-west-1/eu-central-1': 24,
  'eu-west-1/us-west-2': 134,
  'eu-west-1/ap-southeast-1': 176,
  'ap-northeast-1/us-east-1': 158,
  'ap-northeast-1/eu-central-1': 226,
  'ap-northeast-1/us-west-2': 98,
  'ap-northeast-1/ap-southeast-1': 69,
};

interface Cell {
  labels: Record<Label, string>;
  profile: Profile;
  weight: number;
  distance: number;
}

function cells(): Cell[] {
  return PROFILES.flatMap((profile) =>
    VANTAGES.flatMap((vantage, place) =>
      SCENARIOS.map((scenario, kind) => ({
        labels: {
          model: profile.model,
          provider: profile.provider,
          region: profile.region,
          vantage_region: vantage,
          scenario: scenario.name,
          source: kind === 2 ? 'canary' : 'benchmark',
        },
        profile,
        weight: [1, 0.6, 0.3][place]! * [1, 0.3, 0.5][kind]!,
        distance: DISTANCE_MS[`${vantage}/${profile.region}`] ?? 40,
      })),
    ),
  );
}

/** What the store keeps of the past, generated: it has a day's rhythm, noise and one incident. */
export function rollups(query: URLSearchParams): Rollups {
  const from = Number(query.get('from_unix_ms'));
  const to = Number(query.get('to_unix_ms'));
  const step = Number(query.get('step_seconds'));
  const points = Math.max(1, Math.ceil((to - from) / (step * 1e3)));
  if (points > MOST_POINTS) throw new RangeError(`${points} points, at most ${MOST_POINTS}`);
  const times = Array.from({ length: points }, (_, place) => from + place * step * 1e3);
  const groupBy = (query.get('group_by') ?? '').split(',').filter(Boolean) as Label[];
  const wanted = cells().filter((cell) =>
    Object.entries(cell.labels).every(([name, value]) => {
      const filter = query.get(name);
      return !filter || filter === value;
    }),
  );
  const groups = grouped(wanted, (cell) => groupBy.map((name) => cell.labels[name]).join('|'));
  return {
    step_seconds: step,
    times_unix_ms: times,
    series: [...groups.values()].map((group) => seriesOf(group, groupBy, times, step)),
  };
}

function seriesOf(group: Cell[], groupBy: Label[], times: number[], step: number): RollupSeries {
  const first = group[0] as Cell;
  const random = new Random(groupBy.map((name) => first.labels[name]).join('|'));
  const weight = group.reduce((sum, cell) => sum + cell.weight, 0);
  const distance = group.reduce((sum, cell) => sum + cell.distance * cell.weight, 0) / weight;
  const price = first.profile.usdPerMtok;
  const requests = times.map((time) =>
    Math.round(weight * 0.9 * step * rhythm(time) * random.between(0.9, 1.1)),
  );
  const spike = (time: number) => (isIncident(first, time) ? 1 : 0);
  const latency = (base: number, perQuantile: [number, number, number]): Quantiles<Column> => {
    const column = (scale: number) =>
      times.map((time, place) =>
        requests[place] === 0
          ? null
          : base *
            scale *
            (0.9 + 0.25 * rhythm(time)) *
            (1 + 1.8 * spike(time)) *
            random.lognormal(1, 0.03 * scale),
      );
    return {
      p50: column(perQuantile[0]),
      p95: column(perQuantile[1]),
      p99: column(perQuantile[2]),
    };
  };
  return {
    labels: Object.fromEntries(groupBy.map((name) => [name, first.labels[name]])),
    requests,
    errors: times.map((time, place) =>
      Math.round(
        (requests[place] ?? 0) *
          (first.profile.errorShare + 0.09 * spike(time)) *
          random.between(0, 2),
      ),
    ),
    output_tokens: requests.map((count) => count * 62),
    cost_usd: requests.map((count) => (price === null ? null : (count * 62 * price) / 1e6)),
    ttft_ms: latency(first.profile.ttftMs + distance, [1, 1.7, 2.3]),
    tpot_ms: latency(first.profile.tpotMs, [1, 1.2, 1.5]),
    e2e_ms: latency(first.profile.ttftMs + distance + 60 * first.profile.tpotMs, [1, 1.5, 1.9]),
  };
}

/** Between 0.4 at night and 1.6 by day, UTC. */
function rhythm(unixMs: number): number {
  return 1 - 0.6 * Math.cos((2 * Math.PI * (unixMs - 3.5 * 3_600_000)) / DAY);
}

/** The 70B model was slow for 40 minutes, some hours ago. */
function isIncident(cell: Cell, unixMs: number): boolean {
  const minutesAgo = (Date.now() - unixMs) / 60_000;
  return cell.profile.region === 'us-east-1' && minutesAgo > 310 && minutesAgo < 350;
}
