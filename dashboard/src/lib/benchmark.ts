import type { Tone } from '../components/tone';
import type { Benchmark, BenchmarkRequest, BenchmarkStatus } from '../api/types';
import { plural, span } from './format';

export const STATUS_TONE: Record<BenchmarkStatus, Tone> = {
  queued: 'neutral',
  running: 'active',
  // Not green: that it ended does not say that its figures can be believed.
  completed: 'neutral',
  failed: 'bad',
  cancelled: 'neutral',
  interrupted: 'doubt',
};

/** The load of a request: "4, 16, 48 users", "12 requests/s". */
export function loadOf(request: BenchmarkRequest): string {
  if (request.concurrent_users !== undefined) {
    const users = [request.concurrent_users].flat();
    return users.length === 1 ? plural(users[0] ?? 0, 'user') : `${users.join(', ')} users`;
  }
  return `${[request.request_rate ?? []].flat().join(', ')} requests/s`;
}

/** When each run of a request ends: "45 s each", "500 requests each". */
export function endOf(request: BenchmarkRequest): string {
  const seconds = request.duration_seconds ?? (request.duration_minutes ?? NaN) * 60;
  const ends = [
    Number.isNaN(seconds) ? [] : span(seconds),
    request.num_requests === undefined ? [] : plural(request.num_requests, 'request'),
  ].flat();
  return ends.length === 0 ? '' : `${ends.join(' or ')} each`;
}

/** Whether its figures can still change. */
export function isUnderWay({ status }: Pick<Benchmark, 'status'>): boolean {
  return status === 'queued' || status === 'running';
}

export function tookSeconds({ started_at, finished_at }: Benchmark): number | null {
  if (!started_at || !finished_at) return null;
  return (new Date(finished_at).getTime() - new Date(started_at).getTime()) / 1e3;
}
