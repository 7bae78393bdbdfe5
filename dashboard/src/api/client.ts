import { apiKey } from './key.svelte';
import { Problem } from './problem';
import type {
  AlertList,
  AlertRule,
  Benchmark,
  BenchmarkRequest,
  Distribution,
  DistributionMetric,
  HeatmapData,
  Page,
  RequestContent,
  RequestDetail,
  RequestRecord,
  RunResources,
  Results,
  Rollups,
  Scenario,
  Silence,
  Status,
  Target,
  TargetAvailability,
  Timeline,
} from './types';

export type Query = Record<string, string | number | null | undefined>;

/** The address of a resource, relative to the page, so that a proxy may move both. */
export function address(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return `api/v1/${path}${text && `?${text}`}`;
}

/** Sends a request with this tab's key; a refusal is thrown as a {@link Problem}. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (apiKey.value) headers.set('Authorization', `Bearer ${apiKey.value}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw Problem.unreachable();
  }
  if (response.ok) return response;
  if (response.status === 401) apiKey.refused();
  throw await Problem.from(response);
}

async function get<T>(path: string, query: Query, signal?: AbortSignal): Promise<T> {
  const response = await send(address(path, query), signal ? { signal } : {});
  return (await response.json()) as T;
}

async function post<T>(path: string, body: unknown, headers: HeadersInit = {}): Promise<T> {
  const response = await send(address(path), {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', ...headers },
  });
  return (await response.json()) as T;
}

/** A fresh idempotency key. `randomUUID` is absent where the page came over plain HTTP. */
function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const path = encodeURIComponent;

/** The resources of the management API. */
export const api = {
  status: (signal?: AbortSignal) => get<Status>('status', {}, signal),
  targets: (signal?: AbortSignal) => get<Page<Target>>('targets', {}, signal),
  availability: (signal?: AbortSignal) => get<Page<TargetAvailability>>('availability', {}, signal),
  scenarios: (signal?: AbortSignal) => get<Page<Scenario>>('scenarios', {}, signal),

  benchmarks: (query: Query, signal?: AbortSignal) =>
    get<Page<Benchmark>>('benchmarks', query, signal),
  benchmark: (id: string, signal?: AbortSignal) =>
    get<Benchmark>(`benchmarks/${path(id)}`, {}, signal),
  results: (id: string, signal?: AbortSignal) =>
    get<Results>(`benchmarks/${path(id)}/results`, {}, signal),
  timeline: (id: string, run: number, signal?: AbortSignal) =>
    get<Timeline>(`benchmarks/${path(id)}/timeline`, { run }, signal),
  resources: (id: string, run: number, signal?: AbortSignal) =>
    get<RunResources>(`benchmarks/${path(id)}/resources`, { run }, signal),
  distribution: (id: string, run: number, metric: DistributionMetric, signal?: AbortSignal) =>
    get<Distribution>(`benchmarks/${path(id)}/distribution`, { run, metric }, signal),
  heatmap: (id: string, run: number, metric: 'ttft' | 'itl', signal?: AbortSignal) =>
    get<HeatmapData>(`benchmarks/${path(id)}/heatmap`, { run, metric }, signal),
  records: (id: string, query: Query, signal?: AbortSignal) =>
    get<Page<RequestRecord>>(`benchmarks/${path(id)}/records`, query, signal),
  record: (id: string, requestId: string, signal?: AbortSignal) =>
    get<RequestDetail>(`benchmarks/${path(id)}/records/${path(requestId)}`, {}, signal),
  content: (id: string, requestId: string, signal?: AbortSignal) =>
    get<RequestContent>(`benchmarks/${path(id)}/content/${path(requestId)}`, {}, signal),

  start: (request: BenchmarkRequest) =>
    post<Benchmark>('benchmarks', request, { 'Idempotency-Key': idempotencyKey() }),
  cancel: (id: string) => send(address(`benchmarks/${path(id)}/cancel`), { method: 'POST' }),
  remove: (id: string) => send(address(`benchmarks/${path(id)}`), { method: 'DELETE' }),

  rollups: (query: Query, signal?: AbortSignal) => get<Rollups>('rollups', query, signal),

  alerts: (signal?: AbortSignal) => get<AlertList>('alerts', {}, signal),
  alertRules: (signal?: AbortSignal) => get<Page<AlertRule>>('alert-rules', {}, signal),
  silence: (matchers: string[], until: string, comment: string) =>
    post<Silence>('silences', { matchers, until, comment }),
  endSilence: (id: string) => send(address(`silences/${path(id)}`), { method: 'DELETE' }),
};
