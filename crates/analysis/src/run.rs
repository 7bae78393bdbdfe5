//! Gathers a run's requests as they finish, in little memory, into a
//! [`RunSummary`](crate::RunSummary).
//!
//! Taking in happens here, into a `row` a request and a `tally` for what is only counted;
//! `conclusion` sums up what was taken in.

mod conclusion;
mod row;
mod tally;

use std::time::Duration;

use domain::{Exchange, FinishReason, Outcome, Timestamp};

use self::row::{Row, RowOutcome};
pub use self::tally::WarmUp;
use self::tally::{Answers, Errors, Held, Opened, Retried};
use crate::metrics::gaps_nanos;
use crate::reads::Reads;
use crate::summary::TokenTotals;
use crate::timeline::TokenTimeline;
use crate::{Convention, Figures, Recorder, RunSpec};

/// Takes in a run's requests and sums them up.
///
/// Per-request values are kept exactly, 40 bytes a request; inter-token latencies and read lags
/// go into histograms of fixed size, token arrivals into bins of limited number. Taking in a
/// request allocates nothing but for those growing, and costs some tens of nanoseconds a chunk.
#[derive(Clone, Debug)]
pub struct RunAccumulator {
    spec: RunSpec,
    rows: Vec<Row>,
    itl: Recorder,
    /// GuideLLM's inter-token latencies with their weights; empty in other conventions.
    weighted_itl: Vec<(f64, u64)>,
    reads: Reads,
    output: TokenTimeline,
    input: TokenTimeline,
    tokens: TokenTotals,
    answers: Answers,
    errors: Errors,
    retried: Retried,
    held: Held,
    opened: Opened,
    warmup: WarmUp,
    outside: u64,
    due: Option<u64>,
    clock_step_nanos: Option<i64>,
    is_cut_short: bool,
}

impl RunAccumulator {
    /// One that has seen no request.
    #[must_use]
    pub fn new(mut spec: RunSpec) -> Self {
        if spec.convention.is_whole_run() {
            spec.window_end = None;
        }
        let end = spec.window_end.map(|end| nanos_u64(end.since(spec.window_start)));
        Self {
            spec,
            rows: Vec::new(),
            itl: Recorder::default(),
            weighted_itl: Vec::new(),
            reads: Reads::default(),
            output: TokenTimeline::new(end),
            input: TokenTimeline::new(end),
            tokens: TokenTotals::default(),
            answers: Answers::default(),
            errors: Errors::default(),
            retried: Retried::default(),
            held: Held::default(),
            opened: Opened::default(),
            warmup: WarmUp::default(),
            outside: 0,
            due: None,
            clock_step_nanos: None,
            is_cut_short: false,
        }
    }

    /// Takes in a request that has ended, well or not.
    pub fn record(&mut self, exchange: &Exchange) {
        if exchange.warmup {
            self.warmup.count(&exchange.outcome);
            return;
        }
        let is_measured = self.is_measured(exchange.timeline.planned);
        let row = self.row(exchange);
        self.rows.push(row);
        if exchange.outcome.is_success() || self.spec.convention == Convention::Prony {
            self.count_arrivals(exchange);
        }
        if !is_measured {
            self.outside += 1;
            return;
        }

        self.retried.count(exchange);
        self.held.count(&exchange.timeline);
        self.opened.count(exchange.timeline.connection);
        self.reads.record(&exchange.timeline.chunks);
        match &exchange.outcome {
            Outcome::Success(finish) => self.record_success(exchange, *finish),
            Outcome::Failure(failure) => self.errors.count(failure),
        }
    }

    /// Notes warm-up requests that ended before there was a window to count in.
    pub fn note_warmup(&mut self, requests: &WarmUp) {
        self.warmup.add(requests);
    }

    /// Notes that the wall clock was seen to step by `nanos` against the monotonic one. The largest
    /// of several steps is reported.
    pub fn note_clock_step(&mut self, nanos: i64) {
        let largest = self.clock_step_nanos.map_or(0, i64::unsigned_abs);
        if nanos.unsigned_abs() > largest {
            self.clock_step_nanos = Some(nanos);
        }
    }

    /// Notes that the process ended before the run did.
    pub const fn note_cut_short(&mut self) {
        self.is_cut_short = true;
    }

    /// Notes how many measured requests were due by the end of the window, those never sent among
    /// them. Without this the requests recorded are taken for all.
    pub const fn note_due(&mut self, requests: u64) {
        self.due = Some(requests);
    }

    /// Whether a request planned then is measured.
    fn is_measured(&self, planned: Timestamp) -> bool {
        planned >= self.spec.window_start && self.spec.window_end.is_none_or(|end| planned <= end)
    }

    fn row(&self, exchange: &Exchange) -> Row {
        let timeline = &exchange.timeline;
        let offset = |moment: Timestamp| moment.nanos_since(self.spec.window_start);
        let mut row = Row {
            planned: offset(timeline.planned),
            started: offset(timeline.started),
            finished: offset(timeline.finished.arrived),
            ttft_ms: f32::NAN,
            tpot_ms: f32::NAN,
            output: u32::try_from(exchange.usage.output.count()).unwrap_or(u32::MAX),
            outcome: RowOutcome::Failed,
        };
        if exchange.outcome.is_success() {
            let figures = self.figures(exchange);
            row.finished = offset(self.spec.convention.end(exchange));
            row.ttft_ms = figures.ttft_ms.map_or(f32::NAN, |ms| ms as f32);
            row.tpot_ms = figures.tpot_ms.map_or(f32::NAN, |ms| ms as f32);
            let is_met = self.spec.slo.is_some_and(|slo| slo.is_met(&figures));
            row.outcome = if is_met { RowOutcome::MetSlo } else { RowOutcome::Succeeded };
        }
        row
    }

    fn figures(&self, exchange: &Exchange) -> Figures {
        Figures::of(exchange, self.spec.origin, self.spec.convention)
    }

    /// Counts the request's tokens at the times they came, whatever became of it afterwards. Of one
    /// that failed without a chunk nothing came.
    fn count_arrivals(&mut self, exchange: &Exchange) {
        let timeline = &exchange.timeline;
        let offset = |moment: Timestamp| moment.nanos_since(self.spec.window_start);
        let (input, output) =
            (exchange.usage.input.count() as f64, exchange.usage.output.count() as f64);
        let chunks = timeline.chunks.arrived_nanos();
        if chunks.is_empty() && !exchange.outcome.is_success() {
            return;
        }
        let first = timeline.first_token().unwrap_or(timeline.finished.arrived);
        self.input.add(offset(first), input);
        if chunks.is_empty() {
            self.output.add(offset(timeline.finished.arrived), output);
        }
        let started = offset(timeline.started);
        let share = output / chunks.len() as f64;
        for &nanos in chunks {
            self.output.add(started.saturating_add_unsigned(nanos), share);
        }
    }

    fn record_success(&mut self, exchange: &Exchange, finish: FinishReason) {
        self.answers.count(exchange, finish);
        match self.spec.convention {
            Convention::Prony | Convention::Vllm => {
                if exchange.streamed {
                    gaps_nanos(exchange).for_each(|nanos| self.itl.record(nanos));
                }
            }
            Convention::Aiperf => {
                if let Some(ms) = self.figures(exchange).itl_ms {
                    self.itl.record((ms * 1e6).round().max(0.0) as u64);
                }
            }
            Convention::Guidellm => {
                let weight = exchange.usage.output.count().saturating_sub(1);
                self.weighted_itl
                    .extend(self.figures(exchange).itl_ms.map(|itl_ms| (itl_ms, weight)));
            }
        }

        let usage = &exchange.usage;
        self.tokens.add(usage);
        self.tokens.input_sources.count(exchange.input_source);
        self.tokens.output_sources.count(exchange.output_source);
    }
}

fn nanos_u64(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
