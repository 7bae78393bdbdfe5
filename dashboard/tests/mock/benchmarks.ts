import type {
  Benchmark,
  BenchmarkRequest,
  BenchmarkStatus,
  Progress,
  RequestDetail,
  RunSummary,
} from '../../src/api/types.ts';
import { modelNames } from '../../src/lib/benchmark_form.ts';
import { loadName, requestsOf, type Plan } from './run.ts';
import { summaryOf } from './summary.ts';

const MINUTE = 60_000;

/** A benchmark and what its runs do. */
export interface Entry {
  id: string;
  request: BenchmarkRequest;
  plans: Plan[];
  createdAt: number;
  /** How it stands where that does not follow from the time that passed. */
  fixed?: { status: BenchmarkStatus; runsDone: number; error?: Benchmark['error'] };
}

/** The benchmarks of the mock, newest first, and those that are started meanwhile. */
export class Benchmarks {
  readonly #entries: Entry[];
  readonly #requests = new Map<Plan, RequestDetail[]>();
  readonly #summaries = new Map<Plan, RunSummary>();
  readonly #seen = new Map<string, string>();

  constructor(entries: Entry[]) {
    this.#entries = entries;
  }

  list(now: number): Benchmark[] {
    return this.#entries.map((entry) => benchmarkOf(entry, now));
  }

  find(id: string): Entry | undefined {
    return this.#entries.find((entry) => entry.id === id);
  }

  /** Starts one, or gives the one that the same key has started. */
  start(request: BenchmarkRequest, key: string, now: number): Entry {
    const known = this.find(this.#seen.get(key) ?? '');
    if (known) return known;
    const id = `b-${(now % 1e8).toString(36)}`;
    const entry = { id, request, createdAt: now, plans: plansOf(id, request, now) };
    this.#seen.set(key, id);
    this.#entries.unshift(entry);
    return entry;
  }

  cancel(entry: Entry, now: number): void {
    entry.fixed = { status: 'cancelled', runsDone: benchmarkOf(entry, now).progress.runs_done };
  }

  remove(entry: Entry): void {
    this.#entries.splice(this.#entries.indexOf(entry), 1);
  }

  /** The plans of the runs that have ended. */
  done(entry: Entry, now: number): Plan[] {
    return entry.plans.slice(0, benchmarkOf(entry, now).progress.runs_done);
  }

  requests(plan: Plan): RequestDetail[] {
    const known = this.#requests.get(plan);
    if (known) return known;
    const made = requestsOf(plan);
    this.#requests.set(plan, made);
    return made;
  }

  summary(plan: Plan): RunSummary {
    const known = this.#summaries.get(plan);
    if (known) return known;
    const made = summaryOf(plan, this.requests(plan));
    this.#summaries.set(plan, made);
    return made;
  }
}

export function benchmarkOf(entry: Entry, now: number): Benchmark {
  const { id, request, fixed } = entry;
  const progress = progressOf(entry, now);
  const queued = fixed?.status === 'queued';
  const running = progress.runs_done < progress.runs_total;
  const status = fixed?.status ?? (running ? 'running' : 'completed');
  const spent = entry.plans
    .slice(0, progress.runs_done)
    .reduce((sum, plan) => sum + plan.seconds, 0);
  const at = (unixMs: number) => new Date(unixMs).toISOString();
  return {
    id,
    name: request.name ?? `${modelNames(request)[0]} under load`,
    status,
    created_at: at(entry.createdAt),
    started_at: queued ? null : at(entry.createdAt + 300),
    finished_at: queued || status === 'running' ? null : at(entry.createdAt + 300 + spent * 1e3),
    request,
    progress,
    error: fixed?.error ?? null,
    links: {
      self: `/api/v1/benchmarks/${id}`,
      results: `/api/v1/benchmarks/${id}/results`,
    },
  };
}

export function progressOf({ plans, createdAt, fixed }: Entry, now: number): Progress {
  const total = plans.reduce((sum, plan) => sum + plan.seconds, 0);
  let left = fixed
    ? plans.slice(0, fixed.runsDone).reduce((sum, plan) => sum + plan.seconds, 0)
    : Math.max(0, (now - createdAt - 300) / 1e3);
  const elapsed = Math.min(left, total);
  let done = 0;
  for (const plan of plans) {
    if (left < plan.seconds) break;
    left -= plan.seconds;
    done += 1;
  }
  const current = fixed ? undefined : plans[done];
  return {
    share: total === 0 ? 0 : elapsed / total,
    runs_done: done,
    runs_total: plans.length,
    elapsed_seconds: elapsed,
    remaining_seconds: current ? total - elapsed : null,
    current: current
      ? { model: current.model, scenario: current.scenario, load: loadName(current) }
      : null,
    completed: Math.round(elapsed * 17.6),
    failed: Math.round(elapsed * 0.06),
    in_flight: current && 'users' in current.load ? current.load.users : 0,
  };
}

/** Each model with each scenario under each load. */
function plansOf(id: string, request: BenchmarkRequest, startUnixMs: number): Plan[] {
  const users = [request.concurrent_users ?? []].flat().map((count) => ({ users: count }));
  const rates = [request.request_rate ?? []].flat().map((rate) => ({ rate }));
  const seconds = request.duration_seconds ?? (request.duration_minutes ?? 0.5) * 60;
  const plans: Plan[] = [];
  for (const model of modelNames(request)) {
    for (const scenario of request.test_scenarios) {
      for (const load of [...users, ...rates]) {
        const index = plans.length;
        const start = startUnixMs + index * seconds * 1e3;
        plans.push({
          seed: `${id}/${index}`,
          index,
          model,
          scenario,
          load,
          startUnixMs: start,
          seconds,
          ...(request.num_requests === undefined ? {} : { maxRequests: request.num_requests }),
        });
      }
    }
  }
  return plans;
}

/** Its first run could not begin. */
function withUnbegun(entry: Entry): Entry {
  const [first, ...rest] = entry.plans;
  const error = 'connecting to gpu-1.internal:8000 was refused';
  return first ? { ...entry, plans: [{ ...first, error }, ...rest] } : entry;
}

/** The benchmarks that the mock begins with. */
export function firstEntries(now: number): Entry[] {
  const make = (
    id: string,
    minutesAgo: number,
    request: BenchmarkRequest,
    fixed?: Entry['fixed'],
    change: Partial<Plan> = {},
  ): Entry => {
    const createdAt = now - minutesAgo * MINUTE;
    const plans = plansOf(id, request, createdAt).map((plan) => ({ ...plan, ...change }));
    return { id, request, createdAt, plans, ...(fixed ? { fixed } : {}) };
  };
  const slo = { ttft_ms: 600, tpot_ms: 50 };
  return [
    make(
      'b-queued',
      0.1,
      {
        name: 'Long documents at 64 users',
        models: ['qwen3-8b'],
        test_scenarios: ['long_documents'],
        concurrent_users: 64,
        duration_minutes: 10,
      },
      { status: 'queued', runsDone: 0 },
    ),
    make('b-running', 12, {
      name: 'Soak, both chat models',
      models: ['llama-3.3-70b', 'qwen3-8b'],
      test_scenarios: ['short_queries'],
      concurrent_users: 24,
      duration_minutes: 20,
      slo,
    }),
    make('b-sweep', 95, {
      name: 'Sweep before the upgrade',
      models: ['llama-3.3-70b', 'qwen3-8b'],
      test_scenarios: ['short_queries'],
      concurrent_users: [4, 16, 48, 96],
      duration_seconds: 45,
      ramp_up_seconds: 2,
      seed: 7,
      slo,
      labels: { build: 'vllm-0.11' },
    }),
    make(
      'b-doubtful',
      230,
      {
        name: 'Nightly, from a shared machine',
        models: ['gpt-4o-mini'],
        test_scenarios: ['short_queries', 'code_generation'],
        request_rate: 12,
        duration_seconds: 40,
        arrivals: 'poisson',
        slo,
      },
      undefined,
      { extraErrors: 0.034, lag: 210 },
    ),
    withUnbegun(
      make('b-unbegun', 700, {
        name: 'After the restart',
        models: ['llama-3.3-70b', 'qwen3-8b'],
        test_scenarios: ['short_queries'],
        concurrent_users: 8,
        duration_seconds: 20,
      }),
    ),
    make(
      'b-failed',
      1_500,
      {
        name: 'First try of the new gateway',
        models: ['llama-3.3-70b'],
        test_scenarios: ['short_queries'],
        concurrent_users: 8,
        num_requests: 200,
      },
      {
        status: 'failed',
        runsDone: 0,
        error: {
          title: 'The target does not answer',
          detail: 'Connecting to gpu-1.internal:8000 was refused 3 times.',
          hint: 'Check that the server runs and that its port is the one in prony.toml.',
        },
      },
    ),
    make(
      'b-interrupted',
      4_400,
      {
        name: 'Engine overnight',
        models: ['smollm2-135m'],
        test_scenarios: ['short_queries', 'code_generation'],
        concurrent_users: 8,
        duration_seconds: 30,
      },
      {
        status: 'interrupted',
        runsDone: 1,
        error: {
          title: 'Prony stopped while this ran',
          detail:
            'The process ended 31 s after the benchmark began; what was measured until then is kept.',
          hint: 'Start it again to measure the rest.',
        },
      },
    ),
    make(
      'b-cancelled',
      7_300,
      {
        models: ['qwen3-8b'],
        test_scenarios: ['long_documents'],
        request_rate: [2, 4],
        duration_seconds: 30,
      },
      { status: 'cancelled', runsDone: 1 },
    ),
  ];
}
