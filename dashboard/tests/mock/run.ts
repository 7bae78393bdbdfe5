import type { RequestDetail } from '../../src/api/types.ts';
import { Random } from './random.ts';
import { profileOf, type Profile } from './world.ts';

/** What a simulated run was asked to do. */
export interface Plan {
  seed: string;
  index: number;
  model: string;
  scenario: string;
  load: { users: number } | { rate: number };
  startUnixMs: number;
  seconds: number;
  /** Adds to the model's own share of failures. */
  extraErrors?: number;
  /** Scales the client's lags. */
  lag?: number;
  maxRequests?: number;
  /** Why it could not begin. */
  error?: string;
}

const NANOS = 1_000_000;
const FAILURES = [
  { kind: 'rate_limited', status: 429, message: 'Rate limit reached for requests', retry: 1_000 },
  {
    kind: 'overloaded',
    status: 503,
    message: 'The server is overloaded; try again later',
    retry: 2_000,
  },
  { kind: 'timeout', status: null, message: 'no answer within 60 s', retry: null },
  {
    kind: 'truncated',
    status: 200,
    message: 'the stream ended without a finish reason',
    retry: null,
  },
] as const;

const OUTPUT_TOKENS: Record<string, number> = {
  short_queries: 48,
  long_documents: 120,
  code_generation: 160,
};

export function loadName({ load }: Plan): string {
  return 'users' in load ? `concurrency=${load.users}` : `rate=${load.rate}/s`;
}

/** Every request of a run, in the order of their starts. */
export function requestsOf(plan: Plan): RequestDetail[] {
  if (plan.error !== undefined) return [];
  const random = new Random(plan.seed);
  const profile = profileOf(plan.model);
  const end = plan.seconds * 1e3;
  const requests: RequestDetail[] = [];
  const most = plan.maxRequests ?? 4_000;
  const issue = (planned: number, user: number, users: number) => {
    const request = oneRequest(plan, profile, random, requests.length, planned, user, users);
    requests.push(request);
    return request;
  };
  if ('users' in plan.load) {
    const { users } = plan.load;
    const ready = Array.from({ length: users }, () => random.between(0, 40));
    while (requests.length < most) {
      const user = ready.indexOf(Math.min(...ready));
      const planned = ready[user] as number;
      if (planned >= end) break;
      const request = issue(planned, user, users);
      ready[user] = planned + (request.finished_unix_ns - request.planned_unix_ns) / NANOS + 0.2;
    }
  } else {
    const { rate } = plan.load;
    let planned = 0;
    for (;;) {
      planned += (-Math.log(1 - random.unit()) / rate) * 1e3;
      if (planned >= end || requests.length >= most) break;
      issue(planned, requests.length, rate * 0.9);
    }
  }
  return requests;
}

function oneRequest(
  plan: Plan,
  profile: Profile,
  random: Random,
  index: number,
  plannedMs: number,
  user: number,
  users: number,
): RequestDetail {
  const crowd = 1 + (users / profile.knee) ** 1.6;
  const drift = 1 + 0.12 * Math.sin(plannedMs / 9_000) + (plannedMs < 2_500 ? 0.25 : 0);
  const prefill = plan.scenario === 'long_documents' ? 4.2 : 1;
  const ttft = random.lognormal(profile.ttftMs * prefill * crowd * drift, 0.28);
  const lag = random.lognormal(0.09, 0.7) * (plan.lag ?? 1);
  const failure = random.chance(profile.errorShare + (plan.extraErrors ?? 0))
    ? random.pick(FAILURES)
    : null;
  const tokens = Math.max(
    4,
    Math.round(random.lognormal(OUTPUT_TOKENS[plan.scenario] ?? 64, 0.35)),
  );
  const gap = profile.tpotMs * (1 + (users / profile.knee) * 0.45) * drift;

  const planned = (plan.startUnixMs + plannedMs) * NANOS;
  const started = planned + Math.round(lag * NANOS);
  const origin = 'users' in plan.load ? started : planned;
  const late = started - origin;
  const chunks: number[] = [];
  let at = ttft * NANOS;
  for (let token = 0; token < tokens && !(failure && failure.kind !== 'truncated'); token += 1) {
    chunks.push(Math.round(at));
    const stall = random.chance(0.004) ? random.between(3, 9) : 1;
    at += random.lognormal(gap, 0.22) * stall * NANOS;
    if (failure && token > tokens / 2) break;
  }
  const last = chunks.at(-1);
  const spent = last ?? (failure?.kind === 'timeout' ? 60_000 : random.between(4, 30)) * NANOS;
  const finished = started + Math.round(spent) + 140_000;
  const isDone = failure === null;
  const first = chunks[0];
  return {
    request_id: `${hex(random)}-${index}`,
    server_request_id: failure ? null : `req_${index.toString().padStart(8, '0')}`,
    run_index: plan.index,
    model: plan.model,
    scenario: plan.scenario,
    load: loadName(plan),
    user_id: user,
    turn: 0,
    vantage: 'client',
    warmup: false,
    streamed: true,
    attempts: 1,
    origin: 'users' in plan.load ? 'started' : 'planned',
    planned_unix_ns: planned,
    started_unix_ns: started,
    sent_unix_ns: started + 62_000,
    headers_unix_ns: failure?.kind === 'timeout' ? null : started + (first ?? spent) * 0.82,
    first_token_unix_ns: first === undefined ? null : started + first,
    last_token_unix_ns: last === undefined ? null : started + last,
    finished_unix_ns: finished,
    ttft_ms: isDone && first !== undefined ? (late + first) / NANOS : null,
    e2el_ms: isDone ? (finished - origin) / NANOS : null,
    tpot_ms:
      isDone && chunks.length > 1
        ? ((last ?? 0) - (first ?? 0)) / NANOS / (chunks.length - 1)
        : null,
    schedule_lag_ms: lag,
    held_ms: null,
    retrying_ms: null,
    headers_lag_ms: 0.04,
    finished_lag_ms: 0.06,
    read_lag_ms_max: random.lognormal(0.12, 0.6) * (plan.lag ?? 1),
    connection: index < 8 ? { resolve_ms: 0.4, connect_ms: 11.2, secure_ms: 23.9 } : null,
    max_tokens: 256,
    input_tokens: plan.scenario === 'long_documents' ? 2_040 : Math.round(random.between(12, 60)),
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    output_tokens: chunks.length,
    reasoning_tokens: null,
    input_tokens_source: 'server',
    output_tokens_source: 'server',
    finish_reason: isDone ? 'stop' : null,
    error: failure && {
      kind: failure.kind,
      status: failure.status,
      message: failure.message,
      retry_after_ms: failure.retry,
      retryable: failure.kind !== 'truncated',
    },
    failed_attempts: [],
    chunk_ns: chunks,
    chunk_lag_ns: chunks.map(() => Math.round(random.lognormal(45_000, 0.6) * (plan.lag ?? 1))),
  };
}

function hex(random: Random): string {
  return Array.from({ length: 16 }, () => Math.floor(random.unit() * 16).toString(16)).join('');
}
