import type { Timeline } from '../api/types';

/** Steps from which on the last may be left out. */
const FEW = 3;

/**
 * Without its last step: a run ends within it, so that what it counts a second would show as a fall
 * that no one saw.
 */
export function wholeSteps(timeline: Timeline): Timeline {
  const steps = timeline.requests_per_second.length;
  if (steps < FEW) return timeline;
  const cut = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.slice(0, steps - 1);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, cut(part)]));
  };
  return cut(timeline) as Timeline;
}
