import type { RequestDetail } from '../api/types';

/** A stretch of one request's life, in milliseconds after it was due. */
export interface Stage {
  name: string;
  fromMs: number;
  toMs: number;
  token: string;
  /** What happens in it. */
  meaning: string;
}

/** One request as stages and chunks, in milliseconds after it was due. */
export interface RequestTimeline {
  stages: Stage[];
  chunksMs: number[];
  gapsMs: number[];
  totalMs: number;
}

export function timelineOf(record: RequestDetail): RequestTimeline {
  const due = record.planned_unix_ns;
  const ms = (unixNs: number | null) => (unixNs === null ? null : (unixNs - due) / 1e6);
  // Not from the wall-clock times, which have lost nanoseconds as numbers.
  const started = record.schedule_lag_ms;
  const finished = ms(record.finished_unix_ns) ?? 0;
  const first = ms(record.first_token_unix_ns);
  const last = ms(record.last_token_unix_ns);
  const headers = ms(record.headers_unix_ns);
  const sent = ms(record.sent_unix_ns);
  const lastTry = record.retrying_ms === null ? null : started + record.retrying_ms;

  const marks: [name: string, to: number | null, token: string, meaning: string][] = [
    ['held', record.held_ms, 'series-4', 'waiting for a place among those in flight'],
    ['waiting', started, 'quantile-95', 'the client’s own lag, from when it was due'],
    ['retrying', lastTry, 'series-1', 'failed tries and the pauses after them'],
    ['sending', sent, 'series-7', 'writing the request'],
    ['to headers', headers, 'series-5', 'the server has begun to answer'],
    ['to first token', first, 'series-0', 'queue and prefill'],
    ['generating', last, 'series-2', 'from first to last token'],
    ['ending', finished, 'series-7', 'from last token to the end of the answer'],
  ];
  const stages: Stage[] = [];
  let at = 0;
  for (const [name, to, token, meaning] of marks) {
    if (to === null || to <= at) continue;
    stages.push({ name, fromMs: at, toMs: to, token, meaning });
    at = to;
  }

  const chunksMs = record.chunk_ns.map((nanos) => started + nanos / 1e6);
  const gapsMs = chunksMs.slice(1).map((chunk, place) => chunk - (chunksMs[place] ?? 0));
  return { stages, chunksMs, gapsMs, totalMs: Math.max(finished, at) };
}
