import type { Label, LiveQuantiles, LiveSeries, LiveWindow } from '../../src/api/types.ts';
import { progressOf, type Entry } from './benchmarks.ts';
import { Random } from './random.ts';
import { PROFILES, type Profile } from './world.ts';

export const INTERVAL_MS = 200;
export const SNAPSHOT_WINDOWS = 120;

/** The window that ends at `at`: the same whenever it is asked for. */
export function windowAt(at: number, running: Entry[]): LiveWindow {
  const place = Math.floor(at / INTERVAL_MS);
  const random = new Random(place);
  return {
    at_unix_ms: place * INTERVAL_MS,
    interval_ms: INTERVAL_MS,
    dropped_windows: 0,
    series: PROFILES.slice(0, 3).map((profile, kind) => seriesAt(profile, kind, place, random)),
    benchmarks: running.map((entry) => ({ id: entry.id, progress: progressOf(entry, at) })),
    resources: {
      cpu_percent: 7 + 2 * Math.sin(place / 40) + random.between(0, 2),
      memory_mib: 46 + random.between(0, 0.6),
      gpu: null,
    },
  };
}

function seriesAt(profile: Profile, kind: number, place: number, random: Random): LiveSeries {
  const wave = 1 + 0.18 * Math.sin(place / 55 + kind * 2) + 0.06 * Math.sin(place / 9 + kind);
  const mean = [26, 61, 9][kind]! / wave;
  const count = Math.max(0, Math.round(mean * 0.2 + random.normal() * Math.sqrt(mean * 0.2)));
  const failed = random.chance(profile.errorShare * mean * 0.4) ? 1 : 0;
  const tokens = count * random.between(44, 58);
  const quantiles = (base: number): LiveQuantiles | null => {
    if (count === 0) return null;
    const p50 = base * wave * random.lognormal(1, 0.06);
    const p95 = p50 * random.lognormal(1.5, 0.1);
    return { p50, p95, p99: Math.max(p95, p95 * random.lognormal(1.2, 0.1)) };
  };
  const labels: Record<Label, string> = {
    model: profile.model,
    provider: profile.provider,
    region: profile.region,
    vantage_region: 'us-east-1',
    scenario: 'short_queries',
    source: kind === 2 ? 'canary' : 'benchmark',
  };
  return {
    ...labels,
    requests_per_second: count / 0.2,
    errors_per_second: failed / 0.2,
    output_tokens_per_second: tokens / 0.2,
    input_tokens_per_second: (count * 36) / 0.2,
    in_flight: Math.round([24, 24, 4][kind]! * (0.94 + 0.06 * wave)),
    spend_usd_per_hour:
      profile.usdPerMtok === null ? null : ((mean * 50 * profile.usdPerMtok) / 1e6) * 3_600,
    ttft_ms: quantiles(profile.ttftMs * 1.3),
    tpot_ms: quantiles(profile.tpotMs * 1.1),
    e2e_ms: quantiles(profile.ttftMs * 1.3 + profile.tpotMs * 52),
  };
}
