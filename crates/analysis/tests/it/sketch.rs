//! Exchanges written down in milliseconds.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    Arrival, Chunks, Connection, CountSource, Exchange, FailedAttempt, Failure, FailureKind,
    FinishReason, Outcome, RequestId, Timeline, Timestamp, Tokens, Usage, Vantage,
};

/// The moment called 0 ms; nothing may depend on it.
pub(crate) const ZERO: Timestamp = Timestamp::from_nanos(7_000_000_000);

/// The moment `ms` milliseconds after [`ZERO`], or before it.
pub(crate) fn at(ms: f64) -> Timestamp {
    let nanos = (ms * 1e6).round() as i64;
    Timestamp::from_nanos(ZERO.as_nanos().saturating_add_signed(nanos))
}

pub(crate) fn duration(ms: f64) -> Duration {
    Duration::from_nanos((ms * 1e6).round() as u64)
}

/// A request written down by its times.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    pub(crate) planned: f64,
    pub(crate) started: f64,
    pub(crate) chunks: Vec<f64>,
    pub(crate) finished: f64,
    pub(crate) read_lag: f64,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cached: u64,
    pub(crate) reasoning: Option<u64>,
    pub(crate) connect: Option<f64>,
    /// How long it was held back for a place in flight.
    pub(crate) held: Option<f64>,
    /// When each try but the last had failed.
    pub(crate) failed: Vec<f64>,
    /// How long it was from each of those to the next try.
    pub(crate) pause: f64,
    pub(crate) failure: Option<(FailureKind, String)>,
    pub(crate) source: CountSource,
    pub(crate) warmup: bool,
    pub(crate) streamed: bool,
    pub(crate) limit: Option<u64>,
    pub(crate) is_cut: bool,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            planned: 0.0,
            started: 0.0,
            chunks: Vec::new(),
            finished: 0.0,
            read_lag: 0.1,
            input: 0,
            output: 0,
            cached: 0,
            reasoning: None,
            connect: None,
            held: None,
            failed: Vec::new(),
            pause: 0.0,
            failure: None,
            source: CountSource::Server,
            warmup: false,
            streamed: true,
            limit: None,
            is_cut: false,
        }
    }
}

impl Sketch {
    fn failed_attempt(&self, ms: f64) -> FailedAttempt {
        FailedAttempt {
            kind: FailureKind::Overloaded,
            status: Some(503),
            failed: at(ms),
            pause: duration(self.pause),
        }
    }

    pub(crate) fn exchange(&self) -> Exchange {
        let started = at(self.started);
        let arrival = |ms: f64| Arrival { arrived: at(ms), read: at(ms + self.read_lag) };
        let mut chunks = Chunks::default();
        self.chunks.iter().for_each(|&ms| chunks.push(started, arrival(ms)));
        Exchange {
            id: RequestId { run: 1, index: 0 },
            server_request_id: None,
            user: 0,
            turn: 0,
            model: Arc::from("model"),
            scenario: Arc::from("scenario"),
            vantage: Vantage::Client,
            warmup: self.warmup,
            streamed: self.streamed,
            failed_attempts: self.failed.iter().map(|&ms| self.failed_attempt(ms)).collect(),
            timeline: Timeline {
                planned: at(self.planned),
                held: self.held.map(duration),
                started,
                connection: self
                    .connect
                    .map(|ms| Connection { connect: duration(ms), ..Connection::default() }),
                sent: Some(started),
                headers: None,
                chunks,
                finished: arrival(self.finished),
            },
            usage: Usage {
                input: Tokens(self.input),
                cache_read: Tokens(self.cached),
                cache_write: Tokens::ZERO,
                output: Tokens(self.output),
                reasoning: self.reasoning.map(Tokens),
            },
            input_source: self.source,
            output_source: self.source,
            max_tokens: self.limit.map(Tokens),
            outcome: match &self.failure {
                None if self.is_cut => Outcome::Success(FinishReason::Length),
                None => Outcome::Success(FinishReason::Stop),
                Some((kind, message)) => Outcome::Failure(Failure::new(*kind, message.as_str())),
            },
        }
    }
}
