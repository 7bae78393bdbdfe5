import type { RunSummary } from '../api/types';

/** A run by its benchmark and its place in it. */
export interface RunRef {
  id: string;
  index: number;
}

export interface ComparedRun {
  ref: RunRef;
  /** What people call its benchmark. */
  benchmark: string;
  run: RunSummary;
}

/** Reads `b1:0,b2:3`; what has not this form is left out, for people may edit addresses. */
export function parseRefs(text: string | undefined): RunRef[] {
  const refs: RunRef[] = [];
  for (const part of (text ?? '').split(',')) {
    const [, id, index] = /^(.+):(\d+)$/.exec(part) ?? [];
    if (id === undefined || refs.some((ref) => refText(ref) === part)) continue;
    refs.push({ id, index: Number(index) });
  }
  return refs;
}

export function refText({ id, index }: RunRef): string {
  return `${id}:${index}`;
}

/** A load in the fewest words: "48 users", "12 req/s". */
export function shortLoad(load: string): string {
  const size = loadSize(load);
  if (load.startsWith('concurrency=')) return `${size} ${size === 1 ? 'user' : 'users'}`;
  return load.startsWith('rate=') ? `${size} req/s` : load;
}

/** How much load a run was put under, in the order of its sweep: the number in `concurrency=8`. */
export function loadSize(load: string): number {
  return Number(/=([\d.]+)/.exec(load)?.[1] ?? 0);
}
