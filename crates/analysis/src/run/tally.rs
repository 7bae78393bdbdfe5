//! What is only counted of a run's measured requests, each kind of count by itself.

use std::time::Duration;

use domain::{Connection, Exchange, Failure, FailureKind, FinishReason, Outcome, Timeline};

use crate::metrics::is_reasoning_hidden;
use crate::summary::{Connections, ErrorCount, InFlightLimit, Retries};
use crate::{Proportion, Recorder};

/// How many different messages are kept of each kind of failure.
const SAMPLES_MAX: usize = 3;

/// A number for each kind of failure, in the order of [`FailureKind::ALL`].
type ByKind<T> = [T; FailureKind::ALL.len()];

fn place(kind: FailureKind) -> usize {
    FailureKind::ALL.iter().position(|one| *one == kind).expect("ALL has every kind")
}

/// Warm-up requests, by what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct WarmUp {
    pub(super) requests: u64,
    kinds: ByKind<u64>,
}

impl WarmUp {
    /// Counts one more.
    pub fn count(&mut self, outcome: &Outcome) {
        self.requests += 1;
        if let Outcome::Failure(failure) = outcome {
            self.kinds[place(failure.kind)] += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.kinds.iter_mut().zip(other.kinds).for_each(|(count, more)| *count += more);
    }

    pub(super) fn errors(&self) -> Vec<(FailureKind, u64)> {
        numbers(self.kinds)
    }
}

/// The kinds of failure of which there are any, with their numbers.
fn numbers(kinds: ByKind<u64>) -> Vec<(FailureKind, u64)> {
    FailureKind::ALL.into_iter().zip(kinds).filter(|(_, count)| *count > 0).collect()
}

/// Answers that came to their end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answers {
    pub(super) completed: u64,
    /// Those that came all at once.
    whole: u64,
    /// Those that ended by themselves before their limit.
    short: u64,
    /// Those in which no token came, or none was counted.
    empty: u64,
    streamed_tokens: u64,
    streamed_chunks: u64,
}

impl Answers {
    pub(super) fn count(&mut self, exchange: &Exchange, finish: FinishReason) {
        let (chunks, output) = (exchange.timeline.chunks.len() as u64, exchange.usage.output);
        self.completed += 1;
        self.whole += u64::from(!exchange.streamed);
        let is_below = exchange.max_tokens.is_some_and(|limit| output < limit);
        self.short += u64::from(is_below && finish != FinishReason::Length);
        self.empty += u64::from(chunks == 0 || output.count() == 0);
        if exchange.streamed && chunks > 0 && !is_reasoning_hidden(exchange) {
            self.streamed_tokens = self.streamed_tokens.saturating_add(output.count());
            self.streamed_chunks += chunks;
        }
    }

    pub(super) const fn whole(&self) -> Proportion {
        Proportion { hits: self.whole, total: self.completed }
    }

    pub(super) const fn short(&self) -> Proportion {
        Proportion { hits: self.short, total: self.completed }
    }

    pub(super) const fn empty(&self) -> Proportion {
        Proportion { hits: self.empty, total: self.completed }
    }

    pub(super) fn tokens_per_chunk(&self) -> Option<f64> {
        (self.streamed_chunks > 0)
            .then(|| self.streamed_tokens as f64 / self.streamed_chunks as f64)
    }
}

/// Requests that failed for good.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    pub(super) failed: u64,
    kinds: ByKind<(u64, Vec<String>)>,
}

impl Errors {
    pub(super) fn count(&mut self, failure: &Failure) {
        self.failed += 1;
        let (count, samples) = &mut self.kinds[place(failure.kind)];
        *count += 1;
        if samples.len() < SAMPLES_MAX && !samples.contains(&failure.message) {
            samples.push(failure.message.clone());
        }
    }

    pub(super) fn by_kind(self) -> Vec<ErrorCount> {
        FailureKind::ALL
            .into_iter()
            .zip(self.kinds)
            .filter(|(_, (count, _))| *count > 0)
            .map(|(kind, (count, samples))| ErrorCount { kind, count, samples })
            .collect()
    }
}

/// Requests that were tried more than once, whatever became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retried {
    requests: u64,
    attempts: u64,
    kinds: ByKind<u64>,
    retrying: Duration,
}

impl Retried {
    pub(super) fn count(&mut self, exchange: &Exchange) {
        self.requests += u64::from(!exchange.failed_attempts.is_empty());
        self.attempts += exchange.failed_attempts.len() as u64;
        for attempt in &exchange.failed_attempts {
            self.kinds[place(attempt.kind)] += 1;
        }
        self.retrying = self.retrying.saturating_add(exchange.retrying());
    }

    pub(super) fn retries(&self) -> Retries {
        Retries {
            requests: self.requests,
            attempts: self.attempts,
            causes: numbers(self.kinds),
            mean_ms: mean_ms(self.retrying, self.requests),
        }
    }
}

/// Requests that had to wait for a place in flight, where there are only so many.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    waited: u64,
    wait: Recorder,
    /// What else made a request late.
    client_lag: Recorder,
}

impl Held {
    pub(super) fn count(&mut self, timeline: &Timeline) {
        let Some(held) = timeline.held else { return };
        self.waited += u64::from(!held.is_zero());
        self.wait.record(super::nanos_u64(held));
        self.client_lag.record(super::nanos_u64(timeline.client_lag()));
    }

    /// What a limit of `most` in flight came to; `None` where no request met it.
    pub(super) fn limit(&self, most: u64) -> Option<InFlightLimit> {
        Some(InFlightLimit {
            most,
            waited: Proportion { hits: self.waited, total: self.wait.len() },
            wait: self.wait.summary_ms()?,
            client_lag: self.client_lag.summary_ms()?,
        })
    }
}

/// Connections that requests had to open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opened {
    count: u64,
    opening: Duration,
}

impl Opened {
    pub(super) fn count(&mut self, connection: Option<Connection>) {
        let Some(Connection { resolve, connect, secure }) = connection else { return };
        self.count += 1;
        self.opening += resolve + connect + secure.unwrap_or(Duration::ZERO);
    }

    pub(super) fn connections(&self) -> Connections {
        Connections { opened: self.count, mean_ms: mean_ms(self.opening, self.count) }
    }
}

fn mean_ms(sum: Duration, count: u64) -> Option<f64> {
    (count > 0).then(|| sum.as_secs_f64() * 1e3 / count as f64)
}
