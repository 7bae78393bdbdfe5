import { Problem } from '../api/problem';

/** What was asked of the server: not there yet, there, or refused. */
export interface Resource<T> {
  readonly data: T | undefined;
  readonly problem: Problem | undefined;
  /** Whether an answer is awaited. What was there before stays shown meanwhile. */
  readonly loading: boolean;
  reload(): void;
}

interface Options<T> {
  /** How long after an answer to ask again; null for never. */
  refreshMs?: (data: T | undefined) => number | null;
}

/** How long after a refusal to ask again by itself. */
const RETRY_MS = 3_000;

/**
 * Asks for something as long as the component that calls this lives, and anew whenever what `load`
 * reads changes. An answer that comes after a newer question is dropped.
 */
export function resource<T>(
  load: (signal: AbortSignal) => Promise<T> | null,
  { refreshMs = () => null }: Options<T> = {},
): Resource<T> {
  let data = $state.raw<T>();
  let problem = $state.raw<Problem>();
  let loading = $state(true);
  let round = $state(0);

  $effect(() => {
    void round;
    const abort = new AbortController();
    const asked = load(abort.signal);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (delay: number | null) => {
      if (delay !== null) timer = setTimeout(() => (round += 1), delay);
    };
    loading = asked !== null;
    asked?.then(
      (answer) => {
        if (abort.signal.aborted) return;
        [data, problem, loading] = [answer, undefined, false];
        again(refreshMs(answer));
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        [problem, loading] = [error, false];
        again(isPassing(error) ? RETRY_MS : null);
      },
    );
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  });

  return {
    get data() {
      return data;
    },
    get problem() {
      return problem;
    },
    get loading() {
      return loading;
    },
    reload() {
      round += 1;
    },
  };
}

function isPassing({ status }: Problem): boolean {
  return status === 0 || status === 429 || status >= 500;
}
