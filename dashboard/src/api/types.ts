/**
 * The shapes of the management API, as they come over the wire.
 *
 * Times are RFC 3339 strings, or integers where a key ends in `_unix_ms`; a figure that nobody
 * could measure is null.
 */

export type Role = 'viewer' | 'operator' | 'admin';

export interface Status {
  version: string;
  started_at: string;
  uptime_seconds: number;
  store: {
    records: number;
    bytes: number;
    path_hint: string;
    /** Requests that wait to be kept. */
    waiting: number;
    /** Why none can be kept at this moment; null where they are. */
    problem: string | null;
  };
  auth: 'none' | 'key';
  role: Role;
}

export interface Page<Item> {
  items: Item[];
  next_cursor?: string | null;
}

/** Whether an objective was met; down is where nothing was answered. */
export type Condition = 'up' | 'degraded' | 'down' | 'unmeasured';

/** How available a target was in some time, by what canaries found. */
export interface Availability {
  window_seconds: number;
  /** Of requests answered without error and in time; null where none was sent. */
  share: number | null;
  share_low: number | null;
  share_high: number | null;
  checks: number;
  failed: number;
  /** The share of the time in which it was asked. */
  measured: number;
  objective: number;
  /** Of the failures that the objective allows; below 0 where there were more. */
  budget_left: number | null;
  condition: Condition;
}

/** A day in UTC of a target. */
export interface AvailabilityDay {
  start_unix_ms: number;
  share: number | null;
  checks: number;
  failed: number;
  measured: number;
  condition: Condition;
}

/** A time in which a target answered no round of a canary. */
export interface Downtime {
  schedule: string;
  from: string;
  /** Null where it lasts. */
  to: string | null;
  rounds: number;
  problem: string;
}

export interface TargetAvailability {
  target: string;
  /** The last hour, day, seven days and thirty days. */
  windows: Availability[];
  /** The last thirty, today's last. */
  days: AvailabilityDay[];
  downtimes: Downtime[];
}

export interface Target {
  name: string;
  provider: string;
  model: string;
  /** Null where the model runs in the server's own process. */
  url_host: string | null;
  region: string | null;
  labels: Record<string, string>;
  /** Of the last thirty days; null where no schedule asks it. */
  availability: Availability | null;
}

export interface Scenario {
  name: string;
  description: string;
  /** Null where they are made as needed. */
  prompts: number | null;
}

export type BenchmarkStatus =
  'queued' | 'running' | 'completed' | 'failed' | 'cancelled' | 'interrupted';

export type Arrivals = 'poisson' | 'constant' | 'gamma';

/** Longest a good request may take, by figure, in milliseconds. */
export interface Slo {
  ttft_ms?: number;
  tpot_ms?: number;
  e2e_ms?: number;
}

/** A server that the configuration does not name; an admin described it. */
export interface AdHocTarget {
  url: string;
  model: string;
  name: string;
  provider?: string;
  endpoint?: 'chat' | 'completions' | 'messages';
  region?: string;
  key_env?: string;
}

export interface BenchmarkRequest {
  models: (string | AdHocTarget)[];
  test_scenarios: string[];
  concurrent_users?: number | number[];
  request_rate?: number | number[];
  duration_minutes?: number;
  duration_seconds?: number;
  num_requests?: number;
  name?: string;
  ramp_up_seconds?: number;
  max_tokens?: number;
  seed?: number;
  arrivals?: Arrivals;
  burstiness?: number;
  slo?: Slo;
  store_content?: boolean;
  labels?: Record<string, string>;
}

export interface Progress {
  share: number;
  runs_done: number;
  runs_total: number;
  elapsed_seconds: number;
  remaining_seconds: number | null;
  current: { model: string; scenario: string; load: string } | null;
  completed: number;
  failed: number;
  in_flight: number;
}

export interface Benchmark {
  id: string;
  name: string;
  status: BenchmarkStatus;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  request: BenchmarkRequest;
  progress: Progress;
  error: { title: string; detail: string; hint: string } | null;
  links: { self: string; results: string };
}

export type Figure = 'ttft' | 'tpot' | 'itl' | 'e2el';
export type Lag = 'schedule_lag' | 'read_lag';
export type Percentile = 'median' | 'p90' | 'p95' | 'p99' | 'p999';
export type Statistic = 'mean' | 'std' | 'min' | 'max' | Percentile;

/** A key such as `p95_ttft_ms`. */
export type FigureKey = `${Statistic}_${Figure | Lag}_ms` | `${Statistic}_user_speed_tok_s`;

export interface Doubt {
  name: string;
  message: string;
  remedy: string;
}

export interface TokenSources {
  server: number;
  tokenizer: number;
  estimate: number;
}

export interface Settled {
  state: 'settled' | 'never' | 'too_short';
  after_s: number | null;
}

export interface Delivery {
  on_plan: boolean;
  delivered_share: number;
  overdue_share: number;
  planned_rate: number | null;
  achieved_rate: number | null;
  achieved_rate_ci95: [number, number] | null;
}

/** What a limit of requests in flight did beside a request rate. */
export interface InFlightLimit {
  limit: number;
  waited_share: number;
  median_wait_ms: number;
  p99_wait_ms: number;
  median_client_lag_ms: number;
  p99_client_lag_ms: number;
}

export type Bounds = [low: number, high: number];

/** A run's figures: an entry of `runs` in `summary.json`. */
export type RunSummary = {
  target: string;
  model: string;
  scenario: string;
  load: string;
  /** Why the run could not begin: then it has no figures. */
  error: string | null;
  convention: string;
  origin: 'planned' | 'started';
  verdict: {
    valid: boolean;
    /** The highest percentile there are answers enough for, such as `p95`. */
    highest_percentile: string | null;
    doubts: Doubt[];
  };
  window_start_unix_ns: number;
  window_end_unix_ns: number;
  duration: number | null;
  ramp_s: number | null;
  completed: number;
  failed: number;
  warmup: number;
  outside_window: number;
  /** Requests that were tried more than once, and their tries beyond the first. */
  retried: number;
  retries: number;
  retry_causes: Record<string, number>;
  mean_retrying_ms: number | null;
  error_rate: number | null;
  error_rate_ci95: Bounds | null;
  errors: Record<string, number>;
  error_samples: Record<string, string[]>;
  total_input_tokens: number;
  total_output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  reasoning_tokens: number;
  input_tokens_source: TokenSources;
  output_tokens_source: TokenSources;
  tokens_per_chunk: number | null;
  empty_answers: number;
  request_throughput: number | null;
  output_throughput: number | null;
  total_token_throughput: number | null;
  request_goodput: number | null;
  goodput_share: number | null;
  goodput_share_ci95: Bounds | null;
  ci95: Partial<Record<FigureKey, Bounds>>;
  unsupported: FigureKey[];
  connections_opened: number;
  mean_connection_ms: number | null;
  steady_state: { throughput: Settled; latency: Settled };
  delivery: Delivery | null;
  in_flight_limit: InFlightLimit | null;
  unstamped_chunk_share: number | null;
  merged_chunk_share: number | null;
  not_streamed_share: number | null;
  distinct_prompts: number | null;
  clock_step_ms: number | null;
  process: { cpu_s: number; cpu_cores: number; memory_peak_bytes: number } | null;
} & { [Key in FigureKey]: number | null } & {
  [Key in `n_${Figure | Lag | 'user_speed'}`]: number;
};

export interface Results {
  id: string;
  status: BenchmarkStatus;
  runs: RunSummary[];
}

/** Values a step of time, null where nothing was. */
export type Column = (number | null)[];

export interface Quantiles<Values> {
  p50: Values;
  p95: Values;
  p99: Values;
}

export type QuantileName = keyof Quantiles<unknown>;

export interface Timeline {
  start_unix_ms: number;
  step_ms: number;
  requests_per_second: Column;
  errors_per_second: Column;
  output_tokens_per_second: Column;
  in_flight: Column;
  ttft_ms: Quantiles<Column>;
  tpot_ms: Quantiles<Column>;
  e2e_ms: Quantiles<Column>;
  cpu_percent: Column;
  memory_mib: Column;
}

export interface RunResources {
  start_unix_ms: number;
  step_ms: number;
  sources: ResourceSource[];
}

export interface ResourceSource {
  kind: 'prony' | 'process' | 'server';
  target: string | null;
  place: number;
  /** Why it was last not seen. */
  problem: string | null;
  figures: ResourceFigure[];
}

export interface ResourceFigure {
  name: string;
  unit: string;
  gpu: number | null;
  values: Column;
}

export type DistributionMetric = 'ttft' | 'tpot' | 'itl' | 'e2e';

export interface Distribution {
  metric: DistributionMetric;
  unit: 'ms';
  /** One more than `counts`. */
  bounds: number[];
  counts: number[];
  percentiles: { quantile: number[]; value: (number | null)[] };
}

export interface HeatmapData {
  start_unix_ms: number;
  step_ms: number;
  /** One more than each row of `counts` has cells. */
  bounds_ms: number[];
  /** By time, then by bucket. */
  counts: number[][];
}

/** One request: a line of `requests.jsonl`. */
export interface RequestRecord {
  request_id: string;
  server_request_id: string | null;
  run_index: number;
  model: string;
  scenario: string;
  load: string;
  user_id: number;
  turn: number;
  vantage: string;
  warmup: boolean;
  streamed: boolean;
  attempts: number;
  origin: 'planned' | 'started';
  planned_unix_ns: number;
  started_unix_ns: number;
  sent_unix_ns: number | null;
  headers_unix_ns: number | null;
  first_token_unix_ns: number | null;
  last_token_unix_ns: number | null;
  finished_unix_ns: number;
  ttft_ms: number | null;
  e2el_ms: number | null;
  tpot_ms: number | null;
  schedule_lag_ms: number;
  /** How much of the schedule lag was a wait for a place in flight. */
  held_ms: number | null;
  /** From the start to the beginning of the last try, where there were several. */
  retrying_ms: number | null;
  headers_lag_ms: number | null;
  finished_lag_ms: number;
  read_lag_ms_max: number | null;
  connection: { resolve_ms: number; connect_ms: number; secure_ms: number | null } | null;
  max_tokens: number | null;
  input_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  reasoning_tokens: number | null;
  input_tokens_source: string;
  output_tokens_source: string;
  finish_reason: string | null;
  error: {
    kind: string;
    status: number | null;
    message: string;
    retry_after_ms: number | null;
    retryable: boolean;
  } | null;
}

/** One request with its chunks, whose arrivals are in nanoseconds after its start. */
export interface RequestDetail extends RequestRecord {
  failed_attempts: {
    kind: string;
    status: number | null;
    failed_unix_ns: number;
    pause_ms: number;
  }[];
  chunk_ns: number[];
  chunk_lag_ns: number[];
}

/** What one request asked and was answered. */
export interface RequestContent {
  request_id: string;
  prompt: { role: string | null; content: string }[];
  answer: string;
  reasoning: string;
  tool_calls: { name: string; arguments: string }[];
  is_cut: boolean;
}

export type Label = 'model' | 'provider' | 'region' | 'vantage_region' | 'scenario' | 'source';

export interface RollupSeries {
  labels: Partial<Record<Label, string>>;
  requests: Column;
  errors: Column;
  output_tokens: Column;
  cost_usd: Column;
  ttft_ms: Quantiles<Column>;
  tpot_ms: Quantiles<Column>;
  e2e_ms: Quantiles<Column>;
}

export interface Rollups {
  step_seconds: number;
  times_unix_ms: number[];
  series: RollupSeries[];
}

export type AlertState = 'pending' | 'firing' | 'resolved';
export type Severity = 'warning' | 'critical';

export interface Alert {
  id: string;
  rule: string;
  severity: Severity;
  state: AlertState;
  labels: Record<string, string>;
  value: number;
  threshold: number;
  unit: string;
  since: string;
  resolved_at: string | null;
  summary: string;
  silenced_until: string | null;
  /** The silence that lasts until then. */
  silence_id: string | null;
}

/** What a receiver is told of alerts that go together. */
export interface AlertDelivery {
  receiver: string;
  labels: Record<string, string>;
  known: number;
  told_at: string | null;
  /** How many messages in a row have failed since. */
  failures: number;
  failed_at: string | null;
  retry_at: string | null;
  error: string | null;
}

export interface AlertList {
  items: Alert[];
  deliveries: AlertDelivery[];
}

export interface AlertRule {
  name: string;
  metric: string;
  comparison: 'above' | 'below' | 'equal';
  threshold: number;
  unit: string;
  window_seconds: number;
  for_seconds: number;
  group_by: string[];
  severity: Severity;
  summary: string;
  /** Why it could not be evaluated the last time. */
  error?: string | null;
}

export interface Silence {
  id: string;
  /** Labels held against values, as in `model="small"`. */
  matchers: string[];
  until: string;
  comment: string;
}

export type LiveQuantiles = Quantiles<number | null>;

export interface LiveSeries extends Record<Label, string | null> {
  requests_per_second: number;
  errors_per_second: number;
  output_tokens_per_second: number;
  input_tokens_per_second: number;
  in_flight: number;
  spend_usd_per_hour: number | null;
  ttft_ms: LiveQuantiles | null;
  tpot_ms: LiveQuantiles | null;
  e2e_ms: LiveQuantiles | null;
}

export interface Resources {
  /** Of one core. */
  cpu_percent: number | null;
  memory_mib: number | null;
  gpu: { utilisation_percent: number; memory_mib: number; power_watts: number | null } | null;
}

export interface LiveWindow {
  at_unix_ms: number;
  interval_ms: number;
  /** Windows that this page was too slow for, since it began to listen. */
  dropped_windows: number;
  series: LiveSeries[];
  benchmarks: { id: string; progress: Progress }[];
  resources: Resources | null;
}
