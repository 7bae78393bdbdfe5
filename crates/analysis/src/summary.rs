//! What a run amounts to.

use std::time::Duration;

use domain::{CountSource, FailureKind, Timestamp, Tokens, Usage};

use crate::verdict::{self, Reach, Verdict};
use crate::{Convention, Delivery, Origin, Proportion, Summary};

/// What ended a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowEnd {
    /// The plan: its time was over, its last request was due, or it was stopped.
    Plan,
    /// The last answer: fewer than half of the requests had ended by the plan's end, or a peer's
    /// convention counts so.
    LastAnswer,
}

impl WindowEnd {
    /// The word used in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::LastAnswer => "last_answer",
        }
    }
}

/// The measured stretch of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// What ended it.
    pub lasts_until: WindowEnd,
}

impl Window {
    /// How long it is.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.end.since(self.start)
    }

    /// `count` a second of the window; 0 where the window is empty.
    #[must_use]
    pub fn rate(&self, count: f64) -> f64 {
        let seconds = self.duration().as_secs_f64();
        if seconds > 0.0 { count / seconds } else { 0.0 }
    }
}

/// The failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCount {
    /// The kind.
    pub kind: FailureKind,
    /// How many requests failed so.
    pub count: u64,
    /// Up to three different messages.
    pub samples: Vec<String>,
}

/// How many requests had their tokens counted by whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// By the server.
    pub server: u64,
    /// By the model's tokenizer.
    pub tokenizer: u64,
    /// By an estimate.
    pub estimate: u64,
}

impl Sources {
    pub(crate) const fn count(&mut self, source: CountSource) {
        match source {
            CountSource::Server => self.server += 1,
            CountSource::Tokenizer => self.tokenizer += 1,
            CountSource::Estimate => self.estimate += 1,
        }
    }

    /// Those estimated, of all.
    #[must_use]
    pub const fn estimated(&self) -> Proportion {
        Proportion { hits: self.estimate, total: self.server + self.tokenizer + self.estimate }
    }
}

/// The tokens of the requests that succeeded, wherever in time they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenTotals {
    /// Prompt tokens, cached ones included.
    pub input: Tokens,
    /// Generated tokens, reasoning included.
    pub output: Tokens,
    /// Of `input`, those read from the provider's cache.
    pub cache_read: Tokens,
    /// Of `input`, those written to the provider's cache.
    pub cache_write: Tokens,
    /// Of `output`, those reported as reasoning.
    pub reasoning: Tokens,
    /// Who counted the input.
    pub input_sources: Sources,
    /// Who counted the output.
    pub output_sources: Sources,
}

impl TokenTotals {
    /// Adds what one request took. A server may claim any number, so the sums saturate.
    pub(crate) fn add(&mut self, usage: &Usage) {
        let sum = |total: Tokens, more: Tokens| Tokens(total.0.saturating_add(more.0));
        self.input = sum(self.input, usage.input);
        self.output = sum(self.output, usage.output);
        self.cache_read = sum(self.cache_read, usage.cache_read);
        self.cache_write = sum(self.cache_write, usage.cache_write);
        self.reasoning = sum(self.reasoning, usage.reasoning.unwrap_or_default());
    }
}

/// What fell into the window, whenever its requests were planned: what the rates are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Inside {
    /// Requests that succeeded and ended in it.
    pub requests: u64,
    /// Output tokens whose chunk came in it. A chunk has its share of the request's tokens, which need
    /// not be whole.
    pub output_tokens: f64,
    /// Input tokens of requests whose first token came in it.
    pub input_tokens: f64,
}

/// How much of the work was done well enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goodput {
    /// Of all measured requests, failed ones included, those that kept every limit.
    pub met: Proportion,
    /// Those that kept every limit and finished inside the window.
    pub inside: u64,
    /// The same, a second.
    pub per_second: f64,
}

/// Measured requests that were tried more than once, whatever became of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retries {
    /// How many requests.
    pub requests: u64,
    /// Their tries beyond the first.
    pub attempts: u64,
    /// Why, in the order of [`FailureKind::ALL`]: how many tries failed so and were followed by
    /// another.
    pub causes: Vec<(FailureKind, u64)>,
    /// From the start to the beginning of the last try, ms, on average over `requests`: it is in
    /// their latencies. `None` where there are none.
    pub mean_ms: Option<f64>,
}

/// What a limit of requests in flight did to an open loop.
#[derive(Clone, Debug, PartialEq)]
pub struct InFlightLimit {
    /// The limit.
    pub most: u64,
    /// Measured requests that had to wait for a place, of all.
    pub waited: Proportion,
    /// How long each waited, ms; 0 for those that need not.
    pub wait: Summary,
    /// Schedule lag without that wait, ms: the client's own.
    pub client_lag: Summary,
}

/// The connections that measured requests had to open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Connections {
    /// How many.
    pub opened: u64,
    /// What one cost on average: resolving, TCP and TLS handshakes. `None` where none was opened.
    pub mean_ms: Option<f64>,
}

/// When a figure settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// This long after the window began.
    After(Duration),
    /// Never: it was still changing past its middle.
    Never,
    /// There is too little of it to tell.
    TooShort,
}

/// When a run became steady, by MSER-5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SteadyState {
    /// Output tokens in each tenth of a second.
    pub throughput: Settled,
    /// TTFT (E2E latency where there is none), in order of planned time.
    pub latency: Settled,
}

/// Everything a run amounts to.
///
/// **Measured** requests are those planned inside the window and not sent to warm up, followed to
/// their end however late. Latency figures are over those of them that succeeded; each summary's
/// `n` says how many had the figure.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// Whose definitions the figures follow.
    pub convention: Convention,
    /// Where latencies count from.
    pub origin: Origin,
    /// The measured window; in a peer's convention the time until the last answer's end.
    pub window: Window,
    /// From the window's beginning to the last request's end.
    pub elapsed: Duration,
    /// How long users went on joining, or the rate rising, from the window's beginning on: it is part
    /// of the window.
    pub ramp: Duration,
    /// Measured requests that succeeded.
    pub completed: u64,
    /// Measured requests that failed.
    pub failed: u64,
    /// Requests sent to warm up, in no figure.
    pub warmup: u64,
    /// Those of them that failed, by kind.
    pub warmup_errors: Vec<(FailureKind, u64)>,
    /// Other requests planned outside the window, as those due after an end that was known beforehand:
    /// in the throughput of the time in which they finished, in no other figure.
    pub outside: u64,
    /// Failures by kind, in the order of [`FailureKind::ALL`], those that occurred.
    pub errors: Vec<ErrorCount>,

    /// Time to the first token, ms.
    pub ttft: Option<Summary>,
    /// End-to-end latency, ms.
    pub e2e: Option<Summary>,
    /// Time per output token, ms.
    pub tpot: Option<Summary>,
    /// Inter-token latency, ms: pooled over requests (a value a request for AIPerf, and for GuideLLM,
    /// which weights it).
    pub itl: Option<Summary>,
    /// Speed one user sees, 1 / TPOT, tokens a second.
    pub user_speed: Option<Summary>,
    /// Started − planned, ms, failed requests included: the client's own fault, but for
    /// `in_flight_limit`.
    pub schedule_lag: Option<Summary>,
    /// Read − arrival of each chunk that has a kernel stamp, ms; `None` where none has. Of chunks that
    /// shared a read the stamp is the last one's, and so the lag of the others is at least this.
    pub read_lag: Option<Summary>,

    /// What fell into the window.
    pub inside: Inside,
    /// Requests that succeeded inside the window, a second.
    pub request_throughput: f64,
    /// Output tokens whose chunk came inside the window, a second, those of requests that failed later
    /// included (not in a peer's convention). A request's tokens are spread evenly over its chunks;
    /// without chunks they come with its end, if it succeeded.
    pub output_throughput: f64,
    /// The same and input tokens, which count when the request's first token comes, a second.
    pub total_throughput: f64,
    /// Goodput, where limits were set.
    pub goodput: Option<Goodput>,

    /// Tokens and who counted them.
    pub tokens: TokenTotals,
    /// Output tokens a chunk of streamed answers, save those with hidden reasoning. ITL is a gap
    /// between chunks, so this says how many tokens one gap stands for.
    pub tokens_per_chunk: Option<f64>,
    /// Answers in which no token came, or none was counted, of all that succeeded.
    pub empty_answers: Proportion,
    /// Connections opened.
    pub connections: Connections,
    /// Requests that were tried again.
    pub retries: Retries,
    /// What the limit of requests in flight did; `None` where there was none to meet.
    pub in_flight_limit: Option<InFlightLimit>,

    /// When it became steady.
    pub steady: SteadyState,
    /// How the load kept to its plan; `None` in a closed loop, which has none.
    pub delivery: Option<Delivery>,
    /// Chunks timed by their read for want of a kernel stamp, of all; `None` in-process, where
    /// there is nothing to stamp.
    pub unstamped: Option<Proportion>,
    /// Chunks that shared a read with a later one of the same answer, of all: they arrived no later
    /// than recorded, how much earlier is unknown. `None` in-process, where nothing is read.
    pub merged: Option<Proportion>,
    /// Answers that came whole, of all that succeeded, where streams were asked for; else `None`.
    pub not_streamed: Option<Proportion>,
    /// How many different prompts there were to send; `None` where each request had its own.
    pub distinct_prompts: Option<u64>,
    /// Requests of the same prompts that the model was sent in earlier runs.
    pub sent_before: u64,
    /// Answers that ended by themselves before their limit, of all that succeeded; `None` where
    /// that is as it should be.
    pub short_answers: Option<Proportion>,
    /// How far the wall clock was seen to step during the run, in nanoseconds.
    pub clock_step_nanos: Option<i64>,
    /// Whether the process ended before the run did, so that only what was on record is here.
    pub is_cut_short: bool,
}

impl RunSummary {
    /// Measured requests, whatever became of them.
    #[must_use]
    pub const fn attempted(&self) -> u64 {
        self.completed + self.failed
    }

    /// Failed requests, of all measured.
    #[must_use]
    pub const fn error_rate(&self) -> Proportion {
        Proportion { hits: self.failed, total: self.attempted() }
    }

    /// Whether to believe the figures.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        verdict::judge(self)
    }

    /// How far into the tail its latencies can be read.
    #[must_use]
    pub fn reach(&self) -> Reach {
        Reach::of(self.completed)
    }

    /// How late the client itself was, ms: its schedule lag without the wait for a place in flight.
    #[must_use]
    pub fn client_lag(&self) -> Option<&Summary> {
        let limited = self.in_flight_limit.as_ref().map(|limit| &limit.client_lag);
        limited.or(self.schedule_lag.as_ref())
    }
}
