import type { Bounds, Doubt, RequestDetail, RunSummary } from '../../src/api/types.ts';
import { loadName, type Plan } from './run.ts';
import { ascending, quantile, quantileBounds, shareBounds } from './statistics.ts';

const PERCENTILES = [
  ['median', 0.5],
  ['p90', 0.9],
  ['p95', 0.95],
  ['p99', 0.99],
  ['p999', 0.999],
] as const;

/** A run's summary, computed from its requests, as `summary.json` has it. */
export function summaryOf(plan: Plan, requests: readonly RequestDetail[]): RunSummary {
  const succeeded = requests.filter((request) => request.error === null);
  const failed = requests.length - succeeded.length;
  const inWindow = succeeded.filter(
    (request) => request.finished_unix_ns / 1e6 <= plan.startUnixMs + plan.seconds * 1e3,
  );
  const output = sum(succeeded.map((request) => request.output_tokens));
  const input = sum(succeeded.map((request) => request.input_tokens));
  const good = succeeded.filter(
    ({ ttft_ms, tpot_ms }) => (ttft_ms ?? 0) < 600 && (tpot_ms ?? 0) < 50,
  );
  const errors = countByKind(requests);
  const figures = figuresOf(requests, succeeded);
  const summary = {
    target: `https://gpu.internal/v1/chat/completions`,
    model: plan.model,
    scenario: plan.scenario,
    load: loadName(plan),
    error: plan.error ?? null,
    convention: 'prony',
    origin: 'users' in plan.load ? 'started' : 'planned',
    verdict: { valid: true, highest_percentile: null, doubts: [] as Doubt[] },
    window_start_unix_ns: plan.startUnixMs * 1e6,
    window_end_unix_ns: (plan.startUnixMs + plan.seconds * 1e3) * 1e6,
    window_ended_by: 'plan',
    duration: plan.seconds,
    duration_s: plan.seconds,
    ramp_s: 0,
    elapsed_s: plan.seconds + 1.5,
    completed: succeeded.length,
    failed,
    warmup: 0,
    outside_window: 0,
    retried: 0,
    retries: 0,
    retry_causes: {},
    mean_retrying_ms: null,
    error_rate: failed / requests.length,
    error_rate_ci95: shareBounds(failed, requests.length),
    errors,
    error_samples: samplesByKind(requests),
    total_input_tokens: input,
    total_output_tokens: output,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    reasoning_tokens: 0,
    input_tokens_source: { server: succeeded.length, tokenizer: 0, estimate: 0 },
    output_tokens_source: { server: succeeded.length, tokenizer: 0, estimate: 0 },
    tokens_per_chunk: 1,
    empty_answers: 0,
    completed_inside_window: inWindow.length,
    output_tokens_inside_window: output,
    total_tokens_inside_window: output + input,
    good_inside_window: good.length,
    request_throughput: inWindow.length / plan.seconds,
    output_throughput: output / plan.seconds,
    total_token_throughput: (output + input) / plan.seconds,
    request_goodput: good.length / plan.seconds,
    goodput_share: good.length / requests.length,
    goodput_share_ci95: shareBounds(good.length, requests.length),
    ...figures,
    connections_opened: 8,
    mean_connection_ms: 35.5,
    steady_state: {
      throughput: { state: 'settled', after_s: 1.5 },
      latency: { state: 'settled', after_s: 3 },
    },
    delivery:
      'users' in plan.load ? null : deliveryOf(plan.load.rate, requests.length, plan.seconds),
    in_flight_limit: null,
    unstamped_chunk_share: 0,
    merged_chunk_share: plan.lag ? 0.031 : 0.002,
    not_streamed_share: 0,
    short_answer_share: null,
    distinct_prompts: 75_600,
    clock_step_ms: null,
    process: { cpu_s: 0.02 * plan.seconds, cpu_cores: 0.043, memory_peak_bytes: 24_289_280 },
  } as unknown as RunSummary;
  if (plan.error !== undefined) return unbegun(summary);
  const doubts = doubtsOf(summary, plan);
  const reach = PERCENTILES.filter(([, share]) => succeeded.length >= 10 / (1 - share)).length;
  summary.verdict = {
    valid: doubts.length === 0,
    highest_percentile: ['p50', 'p90', 'p95', 'p99', 'p99.9'][reach - 1] ?? null,
    doubts,
  };
  return summary;
}

/** A run that could not begin: whatever follows from its window is null. */
function unbegun(summary: RunSummary): RunSummary {
  return {
    ...summary,
    duration: null,
    ramp_s: null,
    error_rate: null,
    error_rate_ci95: null,
    request_throughput: null,
    output_throughput: null,
    total_token_throughput: null,
    request_goodput: null,
    goodput_share: null,
    goodput_share_ci95: null,
    process: null,
    verdict: {
      valid: false,
      highest_percentile: null,
      doubts: [
        {
          name: 'too_few_samples',
          message: '0 answers are too few for any percentile: p50 takes 20, p99 1,000',
          remedy: 'send more requests or run longer',
        },
      ],
    },
  };
}

function figuresOf(requests: readonly RequestDetail[], succeeded: readonly RequestDetail[]) {
  const gaps = succeeded.flatMap(({ chunk_ns }) =>
    chunk_ns.slice(1).map((at, place) => (at - (chunk_ns[place] ?? 0)) / 1e6),
  );
  const pools: [string, string, number[]][] = [
    ['ttft', 'ms', present(succeeded.map((request) => request.ttft_ms))],
    ['tpot', 'ms', present(succeeded.map((request) => request.tpot_ms))],
    ['itl', 'ms', gaps],
    ['e2el', 'ms', present(succeeded.map((request) => request.e2el_ms))],
    ['schedule_lag', 'ms', requests.map((request) => request.schedule_lag_ms)],
    [
      'read_lag',
      'ms',
      succeeded.flatMap(({ chunk_lag_ns }) => chunk_lag_ns.map((lag) => lag / 1e6)),
    ],
    ['user_speed', 'tok_s', present(succeeded.map(({ tpot_ms }) => tpot_ms && 1e3 / tpot_ms))],
  ];
  const keys: Record<string, unknown> = {};
  const ci95: Record<string, Bounds> = {};
  const unsupported: string[] = [];
  for (const [figure, unit, values] of pools) {
    const sorted = ascending(values);
    const mean = values.length ? sum(values) / values.length : null;
    const spread = sum(values.map((value) => (value - (mean ?? 0)) ** 2)) / (values.length - 1);
    keys[`n_${figure}`] = values.length;
    keys[`mean_${figure}_${unit}`] = mean;
    keys[`std_${figure}_${unit}`] = mean === null ? null : Math.sqrt(spread);
    keys[`min_${figure}_${unit}`] = sorted[0] ?? null;
    keys[`max_${figure}_${unit}`] = sorted.at(-1) ?? null;
    for (const [name, share] of PERCENTILES) {
      const key = `${name}_${figure}_${unit}`;
      keys[key] = quantile(sorted, share);
      const bounds = quantileBounds(sorted, share);
      if (bounds) ci95[key] = bounds;
      if (values.length < 10 / (1 - share)) unsupported.push(key);
    }
  }
  return { ...keys, ci95, unsupported };
}

function doubtsOf(run: RunSummary, plan: Plan): Doubt[] {
  const doubts: Doubt[] = [];
  const total = run.completed + run.failed;
  if ((run.error_rate ?? 0) > 0.01) {
    doubts.push({
      name: 'errors',
      message: `${run.failed} of ${total} requests failed (${((run.error_rate ?? 0) * 100).toFixed(1)} %); the figures describe the others`,
      remedy:
        'look at the errors by kind; lower the load if the server is overloaded or limits the rate',
    });
  }
  if (plan.lag) {
    doubts.push({
      name: 'schedule_lag',
      message: `requests were sent late: p99 ${run.p99_schedule_lag_ms?.toFixed(1)} ms after they were due, budget 15.5 ms`,
      remedy:
        'give the client more CPU, lower the load, raise a concurrency limit that holds requests back, or spread the load over more machines',
    });
  }
  return doubts;
}

function deliveryOf(rate: number, count: number, seconds: number): RunSummary['delivery'] {
  const achieved = count / seconds;
  const reach = (1.96 * Math.sqrt(count)) / seconds;
  return {
    on_plan: true,
    delivered_share: 1,
    overdue_share: 0.001,
    planned_rate: rate,
    achieved_rate: achieved,
    achieved_rate_ci95: [achieved - reach, achieved + reach],
  };
}

function countByKind(requests: readonly RequestDetail[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { error } of requests) {
    if (error) counts[error.kind] = (counts[error.kind] ?? 0) + 1;
  }
  return counts;
}

function samplesByKind(requests: readonly RequestDetail[]): Record<string, string[]> {
  const samples: Record<string, string[]> = {};
  for (const { error } of requests) {
    if (error) samples[error.kind] = [error.message];
  }
  return samples;
}

function present(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
