//! The one record of a request's life. Whatever stands after `load` or `gateway` reads it.

use std::sync::Arc;
use std::time::Duration;

use crate::{
    Arrival, Completion, Connection, CountSource, Failure, FailureKind, FinishReason, RequestId,
    Timestamp, Tokens, Usage,
};

/// Where the observer stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vantage {
    /// At the client that sent the request.
    Client,
    /// At a gateway that passed it on.
    Gateway,
    /// At the engine that answered it.
    Engine,
}

impl Vantage {
    /// The word used in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Engine => "engine",
        }
    }
}

/// The arrivals of an answer's token-bearing chunks, 12 bytes each: nanoseconds after the request
/// started, and the read lag of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    arrived: Vec<u64>,
    lag: Vec<u32>,
}

impl Chunks {
    /// No chunks yet, with room for `capacity`.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { arrived: Vec::with_capacity(capacity), lag: Vec::with_capacity(capacity) }
    }

    /// Appends a chunk of a request that started at `origin`.
    pub fn push(&mut self, origin: Timestamp, at: Arrival) {
        self.arrived.push(at.arrived.as_nanos().saturating_sub(origin.as_nanos()));
        self.lag.push(u32::try_from(at.lag().as_nanos()).unwrap_or(u32::MAX));
    }

    /// How many chunks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.arrived.len()
    }

    /// Whether no chunk came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.arrived.is_empty()
    }

    /// Each chunk's arrival, in nanoseconds after the request started.
    #[must_use]
    pub fn arrived_nanos(&self) -> &[u64] {
        &self.arrived
    }

    /// Each chunk's read lag, in nanoseconds (at most about 4.3 s, where it is cut off).
    #[must_use]
    pub fn lag_nanos(&self) -> &[u32] {
        &self.lag
    }

    /// Forgets every chunk, keeping the memory.
    pub fn clear(&mut self) {
        self.arrived.clear();
        self.lag.clear();
    }
}

/// When each step of a request happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Open loop: when the schedule said. Closed loop: when the user became ready.
    pub planned: Timestamp,
    /// How long it then waited for a place, where only so many requests may be in flight: the plan's
    /// own doing, not the client's. `None` where any number may.
    pub held: Option<Duration>,
    /// When the client set about sending it.
    pub started: Timestamp,
    /// What opening a connection cost; `None` on a reused one.
    pub connection: Option<Connection>,
    /// When the write of its last byte began; `None` where none succeeded. Not when that write
    /// returned: an answer may be there before that.
    pub sent: Option<Timestamp>,
    /// When the answer's head came.
    pub headers: Option<Arrival>,
    /// The token-bearing chunks.
    pub chunks: Chunks,
    /// When the answer, or the attempt at it, ended.
    pub finished: Arrival,
}

impl Timeline {
    /// Started − planned: how late the request was sent, whoever's doing that was.
    #[must_use]
    pub const fn schedule_lag(&self) -> Duration {
        self.started.since(self.planned)
    }

    /// How late the client itself was: the schedule lag without the wait for a place in flight.
    #[must_use]
    pub fn client_lag(&self) -> Duration {
        self.schedule_lag().saturating_sub(self.held.unwrap_or_default())
    }

    /// The arrival of the first token-bearing chunk.
    #[must_use]
    pub fn first_token(&self) -> Option<Timestamp> {
        self.chunks.arrived.first().map(|&nanos| self.started + Duration::from_nanos(nanos))
    }

    /// The arrival of the last token-bearing chunk.
    #[must_use]
    pub fn last_token(&self) -> Option<Timestamp> {
        self.chunks.arrived.last().map(|&nanos| self.started + Duration::from_nanos(nanos))
    }
}

/// A try at a request that failed and was followed by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// How it failed.
    pub kind: FailureKind,
    /// The HTTP status, where an answer came.
    pub status: Option<u16>,
    /// When it had failed.
    pub failed: Timestamp,
    /// How long it was until the next try began.
    pub pause: Duration,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer came.
    Success(FinishReason),
    /// It did not.
    Failure(Failure),
}

impl Outcome {
    /// Whether the whole answer came.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Success(_))
    }
}

impl From<Result<Completion, Failure>> for Outcome {
    fn from(result: Result<Completion, Failure>) -> Self {
        match result {
            Ok(completion) => Self::Success(completion.finish),
            Err(failure) => Self::Failure(failure),
        }
    }
}

/// One request's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The request's name.
    pub id: RequestId,
    /// The server's own id of it.
    pub server_request_id: Option<Box<str>>,
    /// The simulated user who sent it, or the sender's slot in an open loop.
    pub user: u64,
    /// Which of the user's requests it is, from zero.
    pub turn: u32,
    /// The model asked for.
    pub model: Arc<str>,
    /// The scenario its prompt came from.
    pub scenario: Arc<str>,
    /// Where it was observed.
    pub vantage: Vantage,
    /// Whether it was sent to warm up, and counts in no figure.
    pub warmup: bool,
    /// Whether the answer came piece by piece. Where its head never came, or refused the request:
    /// whether it was asked for so.
    pub streamed: bool,
    /// The tries before the last one, in order; most often there are none. What was sent and what
    /// came stands in the timeline for the last try alone, which starts the clock of nothing.
    pub failed_attempts: Vec<FailedAttempt>,
    /// When each step happened.
    pub timeline: Timeline,
    /// Token counts.
    pub usage: Usage,
    /// Who counted the input tokens.
    pub input_source: CountSource,
    /// Who counted the output tokens.
    pub output_source: CountSource,
    /// The longest answer asked for.
    pub max_tokens: Option<Tokens>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Exchange {
    /// How often it was tried, 1 without retries.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.failed_attempts.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// From the start to the beginning of the last try: what retries add to every latency.
    #[must_use]
    pub fn retrying(&self) -> Duration {
        self.failed_attempts
            .last()
            .map_or(Duration::ZERO, |last| (last.failed + last.pause).since(self.timeline.started))
    }
}
