//! The figures of one request, each defined once.
//!
//! Every figure is read off the request's timeline. Other tools use the same names for other
//! things; a [`Convention`] recomputes theirs from the same timeline, so that a result can be held
//! against one of theirs.

use std::time::Duration;

use domain::{Exchange, Timestamp};

/// From when a request's waiting is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// From when it was due: open loop, where the schedule does not wait for the server, and time a
    /// request waits for the client is waiting all the same.
    Planned,
    /// From when it was started: closed loop.
    Started,
}

impl Origin {
    /// The word used in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Started => "started",
        }
    }
}

/// Whose definitions figures follow.
///
/// | | Prony | vLLM | AIPerf | GuideLLM |
/// |---|---|---|---|---|
/// | origin of TTFT, E2E | planned or started | started | started | started |
/// | end of E2E | the answer's end | as Prony, see below | the last token; unstreamed, the answer's end | as Prony |
/// | TPOT | (last − first token) / output tokens after the first chunk | (E2E − TTFT) / (output tokens − 1) | as vLLM, with its own E2E | (last token − started) / output tokens |
/// | ITL | each gap between chunks | each gap between chunks | a request's TPOT | (last − first token) / (output tokens − 1) |
/// | weight of a request in TPOT | 1 | 1 | 1 | its output tokens |
/// | weight of a request in ITL | its gaps | its gaps | 1 | its output tokens − 1 |
/// | percentiles | interpolated (type 7) | interpolated | interpolated | the least value that reaches the share of all weight |
/// | standard deviation | over n − 1 | over n | over n | over the sum of weights |
/// | rates | what falls into the measured window, over it | successful requests, over the time until the last answer's end | as vLLM, until the last successful one's | as vLLM |
///
/// Only definitions are recomputed, not defects: a peer that takes a role-only chunk for the first
/// token, or reads its clock after parsing, will still differ by that. Nor can what is not recorded
/// be recomputed: vLLM's E2E ends at the last data event, which is most often the one with the usage.
/// The answer's end stands for it, which comes later by the time that the stream's end mark took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Convention {
    /// Ours.
    #[default]
    Prony,
    /// `vllm bench serve`.
    Vllm,
    /// NVIDIA AIPerf, which calls its TPOT "inter token latency".
    Aiperf,
    /// GuideLLM, whose TPOT includes the first token.
    Guidellm,
}

impl Convention {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Prony, Self::Vllm, Self::Aiperf, Self::Guidellm];

    /// The word used in settings and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prony => "prony",
            Self::Vllm => "vllm",
            Self::Aiperf => "aiperf",
            Self::Guidellm => "guidellm",
        }
    }

    /// Where this convention counts from, in a run that counts from `run`: the peers know only the
    /// start.
    #[must_use]
    pub const fn origin(self, run: Origin) -> Origin {
        match self {
            Self::Prony => run,
            Self::Vllm | Self::Aiperf | Self::Guidellm => Origin::Started,
        }
    }

    /// Whether rates are over the whole run rather than the measured window.
    #[must_use]
    pub const fn is_whole_run(self) -> bool {
        !matches!(self, Self::Prony)
    }

    /// When an exchange that succeeded ended.
    #[must_use]
    pub fn end(self, exchange: &Exchange) -> Timestamp {
        let timeline = &exchange.timeline;
        match self {
            Self::Aiperf if exchange.streamed => {
                timeline.last_token().unwrap_or(timeline.finished.arrived)
            }
            Self::Prony | Self::Vllm | Self::Aiperf | Self::Guidellm => timeline.finished.arrived,
        }
    }
}

/// Limits that a good answer keeps; `None` sets none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slo {
    /// Longest time to the first token.
    pub ttft: Option<Duration>,
    /// Longest time per output token.
    pub tpot: Option<Duration>,
    /// Longest end-to-end latency.
    pub e2el: Option<Duration>,
}

impl Slo {
    /// Whether a successful request's figures keep every limit set.
    ///
    /// A figure that is undefined keeps no limit, since nobody saw it kept; but an answer of a single
    /// token has no second one to be late and so keeps any limit on TPOT. Several tokens that came in
    /// one chunk, or whole answers, show no pace and keep none.
    #[must_use]
    pub fn is_met(&self, figures: &Figures) -> bool {
        let within = |value: Option<f64>, limit: Option<Duration>| match (value, limit) {
            (_, None) => true,
            (Some(value), Some(limit)) => value <= limit.as_secs_f64() * 1e3,
            (None, Some(_)) => false,
        };
        within(figures.ttft_ms, self.ttft)
            && within(Some(figures.e2e_ms), self.e2el)
            && (figures.is_single_token || within(figures.tpot_ms, self.tpot))
    }
}

/// The figures of one successful request, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Time to the first token: first token − origin. `None` where no token was seen to come: an
    /// answer not streamed, or one without a token-bearing chunk.
    pub ttft_ms: Option<f64>,
    /// End-to-end latency: the answer's end (see [`Convention::end`]) − origin.
    pub e2e_ms: f64,
    /// Time per output token after the first chunk. `None` unstreamed, for fewer than two tokens or
    /// chunks, and where reasoning was hidden (see [`is_reasoning_hidden`]).
    pub tpot_ms: Option<f64>,
    /// The one inter-token latency of the request, in the conventions that have one; the others
    /// pool [`gaps_nanos`] instead.
    pub itl_ms: Option<f64>,
    /// Whether it was streamed and its one chunk was its one token.
    pub is_single_token: bool,
}

impl Figures {
    /// Computes them for an exchange that succeeded, counting from `origin`.
    #[must_use]
    pub fn of(exchange: &Exchange, origin: Origin, convention: Convention) -> Self {
        let timeline = &exchange.timeline;
        let zero = match convention.origin(origin) {
            Origin::Planned => timeline.planned,
            Origin::Started => timeline.started,
        };
        let e2e_ms = ms_between(zero, convention.end(exchange));
        let tokens = (timeline.first_token(), timeline.last_token());
        let (true, (Some(first), Some(last))) = (exchange.streamed, tokens) else {
            let (ttft_ms, tpot_ms, itl_ms) = (None, None, None);
            return Self { ttft_ms, e2e_ms, tpot_ms, itl_ms, is_single_token: false };
        };

        let ttft_ms = ms_between(zero, first);
        let output = exchange.usage.output.count() as f64;
        let is_single_token = timeline.chunks.len() < 2 && output < 2.0;
        let (tpot_ms, itl_ms) = match convention {
            Convention::Prony => (pace_ms(exchange, ms_between(first, last)), None),
            Convention::Vllm => (over(e2e_ms - ttft_ms, output - 1.0), None),
            Convention::Aiperf => {
                let pace = over(e2e_ms - ttft_ms, output - 1.0);
                (pace, pace)
            }
            Convention::Guidellm => (
                over(ms_between(timeline.started, last), output),
                over(ms_between(first, last), output - 1.0),
            ),
        };
        Self { ttft_ms: Some(ttft_ms), e2e_ms, tpot_ms, itl_ms, is_single_token }
    }
}

/// Prony's TPOT: the time from the first token to the last over the tokens after the first chunk.
///
/// How many tokens the first chunk held is nowhere told; it is taken to be the mean of all, so that
/// `output × (chunks − 1) / chunks` come after it: `output − 1` where a chunk is a token.
fn pace_ms(exchange: &Exchange, generating_ms: f64) -> Option<f64> {
    let chunks = exchange.timeline.chunks.len() as f64;
    let output = exchange.usage.output.count() as f64;
    if chunks < 2.0 || output < 2.0 || is_reasoning_hidden(exchange) {
        return None;
    }
    over(generating_ms, output * (chunks - 1.0) / chunks)
}

fn over(ms: f64, tokens: f64) -> Option<f64> {
    (tokens > 0.0).then(|| ms / tokens)
}

/// The share of the output that must have been seen, a chunk a token, for reported reasoning to
/// count as streamed; the rest allows for tokens that are never sent, such as end marks.
pub const SEEN_SHARE: f64 = 0.9;

/// Whether tokens were spent on reasoning that the client did not see come, so that nobody can say
/// how many of the output tokens fall between the first chunk and the last.
///
/// Providers that report reasoning tokens may stream them, stream a summary of them, or nothing.
/// Only about one chunk a token proves that all were streamed; anything less is taken as hidden.
#[must_use]
pub fn is_reasoning_hidden(exchange: &Exchange) -> bool {
    let reasoning = exchange.usage.reasoning.map_or(0, domain::Tokens::count);
    let seen = exchange.timeline.chunks.len() as f64;
    reasoning > 0 && seen < SEEN_SHARE * exchange.usage.output.count() as f64
}

/// The gaps between successive token-bearing chunks, in nanoseconds: the inter-token latencies.
pub fn gaps_nanos(exchange: &Exchange) -> impl Iterator<Item = u64> + '_ {
    exchange.timeline.chunks.arrived_nanos().windows(2).map(|pair| pair[1].saturating_sub(pair[0]))
}

/// The milliseconds from `earlier` to `later`, negative where they are the other way round.
fn ms_between(earlier: Timestamp, later: Timestamp) -> f64 {
    later.nanos_since(earlier) as f64 / 1e6
}
