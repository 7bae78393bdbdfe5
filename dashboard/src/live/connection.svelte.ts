import { address, send } from '../api/client';
import { EventStreamParser, type StreamEvent } from '../api/event_stream';
import { Problem } from '../api/problem';
import type { LiveWindow } from '../api/types';
import { LiveHistory } from './history';

/** How long without a byte, keep-alives included, until the feed counts as lost. */
const SILENCE_MS = 20_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;

export type FeedState =
  { name: 'connecting' } | { name: 'open' } | { name: 'lost'; since: number; problem: Problem };

/**
 * The live feed, for as long as someone looks.
 *
 * Read with `fetch` and not with `EventSource`, which cannot send a key.
 */
export class LiveFeed {
  state = $state.raw<FeedState>({ name: 'connecting' });
  /** What the server has told so far; replaced as a whole with each window. */
  history = $state.raw(new LiveHistory());

  #abort = new AbortController();
  #retryMs = RETRY_MIN_MS;

  open(): void {
    void this.#run();
  }

  close(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const problem = await this.#read(signal);
      if (signal.aborted) return;
      const since = this.state.name === 'lost' ? this.state.since : Date.now();
      this.state = { name: 'lost', since, problem };
      await pause(this.#retryMs, signal);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    }
  }

  /** Reads until the stream ends, and gives the reason for it. */
  async #read(outer: AbortSignal): Promise<Problem> {
    const watch = new AbortController();
    let timer = setTimeout(() => watch.abort(), SILENCE_MS);
    try {
      const signal = AbortSignal.any([outer, watch.signal]);
      const response = await send(address('live'), { signal });
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventStreamParser();
      for (;;) {
        const part = await reader?.read();
        if (!part || part.done) return ended();
        clearTimeout(timer);
        timer = setTimeout(() => watch.abort(), SILENCE_MS);
        this.#take(parser.push(part.value));
      }
    } catch (error) {
      return error instanceof Problem ? error : Problem.unreachable();
    } finally {
      clearTimeout(timer);
    }
  }

  #take(events: StreamEvent[]): void {
    let { history } = this;
    for (const { event, data } of events) {
      if (event === 'snapshot') {
        const { windows } = JSON.parse(data) as { windows: LiveWindow[] };
        history = new LiveHistory(windows);
      } else if (event === 'window') {
        history = history.with(JSON.parse(data) as LiveWindow);
      }
    }
    if (history === this.history) return;
    this.history = history;
    this.#retryMs = RETRY_MIN_MS;
    this.state = { name: 'open' };
  }
}

function ended(): Problem {
  return new Problem(
    0,
    'Prony ended the live feed.',
    'It may be restarting; the page asks again by itself.',
  );
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
