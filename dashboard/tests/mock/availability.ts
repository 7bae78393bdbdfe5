import type { Availability, Condition, TargetAvailability } from '../../src/api/types.ts';

const DAY_MS = 86_400_000;
/** One a minute. */
const CHECKS_A_DAY = 1_440;
/** Today, as the availability of mock targets has it. */
const TODAY_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS;
/** Failures of each target's days, the oldest first; null where nobody asked. */
const FAILURES: readonly (readonly (number | null)[] | null)[] = [0, 1, 2, 3].map((place) => {
  if (place === 3) return null;
  return Array.from({ length: 30 }, (_, day) => {
    if (place === 2) return day < 6 ? null : day === 17 ? CHECKS_A_DAY : day === 18 ? 40 : 0;
    return place === 0 && day === 22 ? 27 : day % 11 === 5 && place === 0 ? 1 : 0;
  });
});

function measuredOf(failures: readonly (number | null)[], objective: number) {
  const known = failures.filter((failed) => failed !== null);
  const [checks, failed] = [known.length * CHECKS_A_DAY, known.reduce((sum, one) => sum + one, 0)];
  const share = checks === 0 ? null : 1 - failed / checks;
  const condition: Condition =
    share === null ? 'unmeasured' : share === 0 ? 'down' : share < objective ? 'degraded' : 'up';
  return { share, checks, failed, measured: known.length / failures.length, condition };
}

function windowOf(seconds: number, failures: readonly (number | null)[]): Availability {
  const objective = 0.999;
  const { share, ...measured } = measuredOf(failures, objective);
  const half =
    share === null ? 0 : 1.96 * Math.sqrt((share * (1 - share) + 1e-6) / measured.checks);
  return {
    window_seconds: seconds,
    share,
    share_low: share === null ? null : Math.max(0, share - half),
    share_high: share === null ? null : Math.min(1, share + half),
    ...measured,
    objective,
    budget_left: share === null ? null : 1 - (1 - share) / (1 - objective),
  };
}

/** What canaries found of the target at a place in the settings; null where none asks it. */
export function availabilityOf(target: string, place: number): TargetAvailability | null {
  const failures = FAILURES[place];
  if (!failures) return null;
  const startOf = (day: number) => TODAY_MS - (29 - day) * DAY_MS;
  return {
    target,
    windows: [
      windowOf(3_600, failures.slice(-1)),
      windowOf(86_400, failures.slice(-1)),
      windowOf(604_800, failures.slice(-7)),
      windowOf(2_592_000, failures),
    ],
    days: failures.map((one, day) => ({
      start_unix_ms: startOf(day),
      ...measuredOf([one], 0.999),
    })),
    downtimes: failures
      .flatMap((failed, day) =>
        failed !== null && failed > 20
          ? {
              schedule: 'canary',
              from: new Date(startOf(day) + 9 * 3_600_000).toISOString(),
              to: new Date(startOf(day) + 9 * 3_600_000 + failed * 60_000).toISOString(),
              rounds: failed,
              problem: `${target} with short_queries under concurrency=1: all 1 requests failed, most often: connection refused`,
            }
          : [],
      )
      .toReversed(),
  };
}
