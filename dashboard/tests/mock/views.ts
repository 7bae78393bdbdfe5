import type {
  Distribution,
  DistributionMetric,
  HeatmapData,
  RequestDetail,
  RunResources,
  Timeline,
} from '../../src/api/types.ts';
import { Random } from './random.ts';
import type { Plan } from './run.ts';
import { ascending, quantile, quantileColumns } from './statistics.ts';

const NANOS = 1e6;

export function timelineOf(plan: Plan, requests: readonly RequestDetail[]): Timeline {
  const steps = Math.ceil(plan.seconds);
  const lists = () => Array.from({ length: steps }, (): number[] => []);
  const zeros = () => Array.from({ length: steps }, () => 0);
  const [ttft, tpot, e2e] = [lists(), lists(), lists()];
  const [ended, failed, tokens, inFlight] = [zeros(), zeros(), zeros(), zeros()];
  const stepOf = (nanos: number) => Math.floor((nanos / NANOS - plan.startUnixMs) / 1e3);
  for (const request of requests) {
    const [start, end] = [stepOf(request.started_unix_ns), stepOf(request.finished_unix_ns)];
    for (let step = start; step <= Math.min(end, steps - 1); step += 1) inFlight[step]! += 1;
    if (end >= steps) continue;
    ended[end]! += 1;
    if (request.error) failed[end]! += 1;
    tokens[end]! += request.output_tokens;
    if (request.ttft_ms !== null) ttft[end]!.push(request.ttft_ms);
    if (request.tpot_ms !== null) tpot[end]!.push(request.tpot_ms);
    if (request.e2el_ms !== null) e2e[end]!.push(request.e2el_ms);
  }
  const random = new Random(plan.seed);
  const most = 'users' in plan.load ? plan.load.users : Infinity;
  return {
    start_unix_ms: plan.startUnixMs,
    step_ms: 1_000,
    requests_per_second: ended,
    errors_per_second: failed,
    output_tokens_per_second: tokens,
    in_flight: inFlight.map((count) => Math.min(count, most)),
    ttft_ms: quantileColumns(ttft),
    tpot_ms: quantileColumns(tpot),
    e2e_ms: quantileColumns(e2e),
    cpu_percent: ended.map((count) => 2 + count * 0.11 + random.between(0, 1.5)),
    memory_mib: ended.map((_, step) => 21 + Math.min(step, 6) * 0.4 + random.between(0, 0.2)),
  };
}

/** What a client and a server like vLLM would have taken. */
export function resourcesOf(plan: Plan, timeline: Timeline): RunResources {
  const { start_unix_ms, step_ms, in_flight, output_tokens_per_second: tokens } = timeline;
  const random = new Random(`${plan.seed} resources`);
  const figure = (name: string, unit: string, values: (number | null)[]) => ({
    name,
    unit,
    gpu: name.startsWith('gpu_') ? 0 : null,
    values,
  });
  const busy = in_flight.map((count) => Math.min(1, (count ?? 0) / 48));
  return {
    start_unix_ms,
    step_ms,
    sources: [
      {
        kind: 'prony',
        target: null,
        place: 0,
        problem: null,
        figures: [
          figure('cpu', 'percent', timeline.cpu_percent),
          figure('memory', 'MiB', timeline.memory_mib),
        ],
      },
      {
        kind: 'server',
        target: plan.model,
        place: 0,
        problem: null,
        figures: [
          figure(
            'requests_running',
            'count',
            in_flight.map((count) => Math.min(count ?? 0, 32)),
          ),
          figure(
            'requests_waiting',
            'count',
            in_flight.map((count) => Math.max((count ?? 0) - 32, 0)),
          ),
          figure(
            'kv_cache_usage',
            'percent',
            busy.map((share) => 12 + 70 * share),
          ),
          figure('output_tokens', '1/s', tokens),
          figure(
            'gpu_utilization',
            'percent',
            busy.map((share) => 60 + 38 * share),
          ),
          figure(
            'gpu_power',
            'W',
            busy.map((share) => 240 + 380 * share + random.between(0, 9)),
          ),
        ],
      },
    ],
  };
}

export function distributionOf(
  requests: readonly RequestDetail[],
  metric: DistributionMetric,
): Distribution {
  const sorted = ascending(valuesOf(requests, metric).map(([, value]) => value));
  const shares = [
    0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999,
  ];
  const bounds = boundsFor(sorted, 36);
  return {
    metric,
    unit: 'ms',
    bounds,
    counts: countsIn(bounds, sorted),
    percentiles: { quantile: shares, value: shares.map((share) => quantile(sorted, share)) },
  };
}

export function heatmapOf(
  plan: Plan,
  requests: readonly RequestDetail[],
  metric: 'ttft' | 'itl',
): HeatmapData {
  const steps = Math.ceil(plan.seconds);
  const values = valuesOf(requests, metric);
  const bounds = boundsFor(ascending(values.map(([, value]) => value)), 28);
  const columns = Array.from({ length: steps }, (): number[] => []);
  for (const [unixNanos, value] of values) {
    columns[Math.floor((unixNanos / NANOS - plan.startUnixMs) / 1e3)]?.push(value);
  }
  return {
    start_unix_ms: plan.startUnixMs,
    step_ms: 1_000,
    bounds_ms: bounds,
    counts: columns.map((column) => countsIn(bounds, column)),
  };
}

/** Each value with the moment at which it was known. */
function valuesOf(
  requests: readonly RequestDetail[],
  metric: DistributionMetric,
): [unixNanos: number, value: number][] {
  return requests
    .filter(({ error }) => error === null)
    .flatMap((request): [number, number][] => {
      if (metric === 'itl') {
        const { chunk_ns } = request;
        return chunk_ns
          .slice(1)
          .map((at, place) => [
            request.started_unix_ns + at,
            (at - (chunk_ns[place] ?? 0)) / NANOS,
          ]);
      }
      const value = { ttft: request.ttft_ms, tpot: request.tpot_ms, e2e: request.e2el_ms }[metric];
      return value === null ? [] : [[request.finished_unix_ns, value]];
    });
}

/** Buckets that widen by a constant ratio, as a histogram's of a fixed relative error do. */
function boundsFor(sorted: readonly number[], buckets: number): number[] {
  const low = (sorted[0] ?? 1) * 0.98;
  const high = (sorted.at(-1) ?? 10) * 1.02;
  return Array.from({ length: buckets + 1 }, (_, place) => low * (high / low) ** (place / buckets));
}

function countsIn(bounds: readonly number[], values: readonly number[]): number[] {
  const counts = bounds.slice(1).map(() => 0);
  for (const value of values) {
    const place = bounds.findIndex((bound) => bound > value) - 1;
    if (place >= 0) counts[place]! += 1;
  }
  return counts;
}
