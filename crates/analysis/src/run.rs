//! Gathers a run's requests as they finish, in little memory, into a [`RunSummary`].

use std::time::Duration;

use domain::{Exchange, FailureKind, FinishReason, Outcome, Timestamp};

use crate::arrivals::{self, Start};
use crate::doubt::schedule_lag_budget_ms;
use crate::metrics::{gaps_nanos, is_reasoning_hidden};
use crate::reads::Reads;
use crate::steady::mser5;
use crate::summary::{Connections, ErrorCount, Goodput, Settled, SteadyState, TokenTotals, Window};
use crate::timeline::{BIN, TokenTimeline};
use crate::{
    Convention, Delivery, Figures, Origin, Proportion, Recorder, RunSummary, Slo, Steady, Summary,
};

/// How many different messages are kept of each kind of failure.
const SAMPLES_MAX: usize = 3;

/// Where chunk arrivals come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrivalClock {
    /// Over a network: the kernel's stamps where there are any. A chunk with a read lag of zero had
    /// none. Chunks that one read took together have the stamp of the last of them.
    Network,
    /// From a model in this process: the moment it was made. Its lag is the time until it was taken.
    InProcess,
}

/// What must be known of a run to summarize it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSpec {
    /// Where latencies count from: [`Origin::Planned`] in an open loop, [`Origin::Started`] in a
    /// closed one. An open loop is also held against its plan.
    pub origin: Origin,
    /// When the measured window begins.
    pub window_start: Timestamp,
    /// When it ends, where that is known beforehand. Requests planned later are not measured.
    pub window_end: Option<Timestamp>,
    /// Limits for goodput.
    pub slo: Option<Slo>,
    /// Whose definitions to follow. The peers' have no window: they count everything until the last
    /// answer's end.
    pub convention: Convention,
    /// Where chunk arrivals come from.
    pub arrivals: ArrivalClock,
    /// How many different prompts there are to send; `None` where each request has its own.
    pub distinct_prompts: Option<u64>,
    /// How many requests of the same prompts the model was sent in earlier runs, warm-up included: a
    /// server's cache may know them.
    pub sent_before: u64,
    /// Whether every answer was to go on until its limit, past the model's own end.
    pub demands_lengths: bool,
    /// Whether every answer was asked for as a stream.
    pub asks_streams: bool,
}

/// What is kept of each request, 40 bytes; times in nanoseconds after the window began.
#[derive(Clone, Copy, Debug)]
struct Row {
    planned: i64,
    started: i64,
    finished: i64,
    /// Not a number where undefined, as is `tpot_ms`. Single precision is off by a nanosecond in
    /// sixteen milliseconds.
    ttft_ms: f32,
    tpot_ms: f32,
    /// Output tokens, as far as they fit.
    output: u32,
    outcome: RowOutcome,
}

const _: () = assert!(size_of::<Row>() == 40, "the figure that documentation gives");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowOutcome {
    Failed,
    Succeeded,
    MetSlo,
}

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
    whole: u64,
    due: Option<u64>,
    output: TokenTimeline,
    input: TokenTimeline,
    tokens: TokenTotals,
    streamed_tokens: u64,
    streamed_chunks: u64,
    errors: [(u64, Vec<String>); FailureKind::ALL.len()],
    completed: u64,
    failed: u64,
    warmup: u64,
    outside: u64,
    retries: u64,
    opened: u64,
    opening: Duration,
    clock_step_nanos: Option<i64>,
    short: u64,
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
            whole: 0,
            due: None,
            output: TokenTimeline::new(end),
            input: TokenTimeline::new(end),
            tokens: TokenTotals::default(),
            streamed_tokens: 0,
            streamed_chunks: 0,
            errors: Default::default(),
            completed: 0,
            failed: 0,
            warmup: 0,
            outside: 0,
            retries: 0,
            opened: 0,
            opening: Duration::ZERO,
            clock_step_nanos: None,
            short: 0,
        }
    }

    /// Takes in a request that has ended, well or not.
    pub fn record(&mut self, exchange: &Exchange) {
        if exchange.warmup {
            self.warmup += 1;
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

        self.retries += exchange.failed_attempts.len() as u64;
        if let Some(connection) = exchange.timeline.connection {
            self.opened += 1;
            self.opening += connection.resolve
                + connection.connect
                + connection.secure.unwrap_or(Duration::ZERO);
        }
        self.reads.record(&exchange.timeline.chunks);
        match &exchange.outcome {
            Outcome::Success(finish) => self.record_success(exchange, *finish),
            Outcome::Failure(failure) => {
                self.failed += 1;
                let index = FailureKind::ALL.iter().position(|kind| *kind == failure.kind);
                let (count, samples) = &mut self.errors[index.expect("ALL has every kind")];
                *count += 1;
                if samples.len() < SAMPLES_MAX && !samples.contains(&failure.message) {
                    samples.push(failure.message.clone());
                }
            }
        }
    }

    /// Notes warm-up requests that ended before there was a window to count in.
    pub const fn note_warmup(&mut self, requests: u64) {
        self.warmup += requests;
    }

    /// Notes that the wall clock was seen to step by `nanos` against the monotonic one. The largest
    /// of several steps is reported.
    pub fn note_clock_step(&mut self, nanos: i64) {
        let largest = self.clock_step_nanos.map_or(0, i64::unsigned_abs);
        if nanos.unsigned_abs() > largest {
            self.clock_step_nanos = Some(nanos);
        }
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
        self.completed += 1;
        self.whole += u64::from(!exchange.streamed);
        let is_below = exchange.max_tokens.is_some_and(|limit| exchange.usage.output < limit);
        self.short += u64::from(is_below && finish != FinishReason::Length);
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
        let chunks = exchange.timeline.chunks.len() as u64;
        if exchange.streamed && chunks > 0 && !is_reasoning_hidden(exchange) {
            self.streamed_tokens = self.streamed_tokens.saturating_add(usage.output.count());
            self.streamed_chunks += chunks;
        }
    }

    /// Sums the run up. The window ends at `window_end`, or where the spec said if that is earlier;
    /// in a peer's convention, at the last answer's end.
    ///
    /// A run that ends by its number of requests should give the moment the last one was due: from
    /// then on fewer and fewer users are busy, which is not the load that was asked for. What was
    /// planned is followed to its end all the same. But a window in which fewer than half of its
    /// requests ended says little of rates (all may have been due at once), and so such a window
    /// lasts until the last answer's end instead.
    ///
    /// Where the spec named no end, throughput at an end before the last token's arrival is exact
    /// to a millisecond in a run of 13 minutes, to a tenth of a second in one of a day, and every
    /// request planned after the window began is measured.
    #[must_use]
    pub fn finish(mut self, window_end: Timestamp) -> RunSummary {
        // Ties by what else tells them apart, so that the order of recording does not matter.
        self.rows.sort_unstable_by_key(|row| (row.planned, row.started, row.finished));
        let window = Window { start: self.spec.window_start, end: self.window_end(window_end) };
        let end = nanos_u64(window.duration());
        let measured = self.measured_rows();

        let succeeded = || measured.iter().filter(|row| row.outcome != RowOutcome::Failed);
        let defined = |value: f32| (!value.is_nan()).then(|| f64::from(value));
        let ttft =
            self.summary(&succeeded().filter_map(|row| defined(row.ttft_ms)).collect::<Vec<_>>());
        let e2e = self.summary(&succeeded().map(|row| self.e2e_ms(row)).collect::<Vec<_>>());
        let lags: Vec<f64> =
            measured.iter().map(|row| (row.started - row.planned).max(0) as f64 / 1e6).collect();
        let output_tokens = self.output.until(end);
        let is_network = self.spec.arrivals == ArrivalClock::Network;
        let delivery = self.delivery(measured, end, ttft.as_ref(), e2e.as_ref());

        RunSummary {
            convention: self.spec.convention,
            origin: self.spec.convention.origin(self.spec.origin),
            window,
            completed: self.completed,
            failed: self.failed,
            warmup: self.warmup,
            outside: self.outside,
            errors: self.error_counts(),
            ttft,
            e2e,
            tpot: self.tpot_summary(measured),
            itl: self.itl_summary(),
            user_speed: self.summary(
                &paces(measured)
                    .map(|(ms, _)| ms)
                    .filter(|ms| *ms > 0.0)
                    .map(|ms| 1_000.0 / ms)
                    .collect::<Vec<_>>(),
            ),
            schedule_lag: Summary::of_series(&lags),
            read_lag: self.reads.lag().summary_ms(),
            request_throughput: window
                .rate(self.finished_inside(end, |row| row.outcome != RowOutcome::Failed)),
            output_throughput: window.rate(output_tokens),
            total_throughput: window.rate(output_tokens + self.input.until(end)),
            goodput: self.spec.slo.map(|_| self.goodput(measured, &window)),
            tokens: self.tokens,
            tokens_per_chunk: (self.streamed_chunks > 0)
                .then(|| self.streamed_tokens as f64 / self.streamed_chunks as f64),
            connections: self.connections(),
            retries: self.retries,
            steady: self.steady_state(measured, end),
            delivery,
            unstamped: is_network.then_some(self.reads.unstamped()),
            merged: is_network.then_some(self.reads.merged()),
            not_streamed: self
                .spec
                .asks_streams
                .then_some(Proportion { hits: self.whole, total: self.completed }),
            distinct_prompts: self.spec.distinct_prompts,
            sent_before: self.spec.sent_before,
            short_answers: self
                .spec
                .demands_lengths
                .then_some(Proportion { hits: self.short, total: self.completed }),
            clock_step_nanos: self.clock_step_nanos,
        }
    }

    /// Summarizes a figure of successful requests as the convention does.
    fn summary(&self, values: &[f64]) -> Option<Summary> {
        match self.spec.convention {
            Convention::Prony => Summary::of_series(values),
            Convention::Vllm | Convention::Aiperf => {
                Summary::of_series(values).map(Summary::with_population_sd)
            }
            Convention::Guidellm => {
                Summary::of_weighted(&values.iter().map(|value| (*value, 1)).collect::<Vec<_>>())
            }
        }
    }

    fn tpot_summary(&self, measured: &[Row]) -> Option<Summary> {
        match self.spec.convention {
            Convention::Guidellm => Summary::of_weighted(&paces(measured).collect::<Vec<_>>()),
            Convention::Prony | Convention::Vllm | Convention::Aiperf => {
                self.summary(&paces(measured).map(|(ms, _)| ms).collect::<Vec<_>>())
            }
        }
    }

    fn itl_summary(&self) -> Option<Summary> {
        match self.spec.convention {
            Convention::Prony => self.itl.summary_ms(),
            Convention::Vllm | Convention::Aiperf => {
                self.itl.summary_ms().map(Summary::with_population_sd)
            }
            Convention::Guidellm => Summary::of_weighted(&self.weighted_itl),
        }
    }

    fn connections(&self) -> Connections {
        let mean_ms =
            (self.opened > 0).then(|| self.opening.as_secs_f64() * 1e3 / self.opened as f64);
        Connections { opened: self.opened, mean_ms }
    }

    fn window_end(&self, given: Timestamp) -> Timestamp {
        if self.spec.convention.is_whole_run() {
            let counts = |row: &&Row| {
                self.spec.convention != Convention::Aiperf || row.outcome != RowOutcome::Failed
            };
            let last = self.rows.iter().filter(counts).map(|row| row.finished).max().unwrap_or(0);
            return self.spec.window_start + Duration::from_nanos(last.max(0).unsigned_abs());
        }
        let planned = self.spec.window_end.map_or(given, |end| end.min(given));
        let measured = self.measured_rows();
        let offset = planned.nanos_since(self.spec.window_start);
        let inside = || measured.iter().take_while(|row| row.planned <= offset);
        let ended = inside().filter(|row| row.finished <= offset).count();
        if 2 * ended >= inside().count() {
            return planned;
        }
        let last = measured.iter().map(|row| row.finished).max().unwrap_or(0);
        let last = self.spec.window_start + Duration::from_nanos(last.max(0).unsigned_abs());
        self.spec.window_end.map_or(last, |end| end.min(last)).max(planned)
    }

    /// The rows of measured requests, which are sorted by planned time.
    fn measured_rows(&self) -> &[Row] {
        let first = self.rows.partition_point(|row| row.planned < 0);
        let end =
            self.spec.window_end.map_or(i64::MAX, |end| end.nanos_since(self.spec.window_start));
        let last = self.rows.partition_point(|row| row.planned <= end);
        &self.rows[first..last.max(first)]
    }

    fn e2e_ms(&self, row: &Row) -> f64 {
        let zero = match self.spec.convention.origin(self.spec.origin) {
            Origin::Planned => row.planned,
            Origin::Started => row.started,
        };
        (row.finished - zero) as f64 / 1e6
    }

    /// How many requests that `count` finished inside a window of `end` nanoseconds.
    fn finished_inside(&self, end: u64, count: impl Fn(&Row) -> bool) -> f64 {
        let inside = |row: &&Row| u64::try_from(row.finished).is_ok_and(|nanos| nanos <= end);
        self.rows.iter().filter(inside).filter(|row| count(row)).count() as f64
    }

    fn goodput(&self, measured: &[Row], window: &Window) -> Goodput {
        let is_met = |row: &Row| row.outcome == RowOutcome::MetSlo;
        let hits = measured.iter().filter(|row| is_met(row)).count() as u64;
        let inside = self.finished_inside(nanos_u64(window.duration()), is_met);
        Goodput {
            met: Proportion { hits, total: measured.len() as u64 },
            per_second: window.rate(inside),
        }
    }

    fn error_counts(&self) -> Vec<ErrorCount> {
        FailureKind::ALL
            .into_iter()
            .zip(&self.errors)
            .filter(|(_, (count, _))| *count > 0)
            .map(|(kind, (count, samples))| ErrorCount {
                kind,
                count: *count,
                samples: samples.clone(),
            })
            .collect()
    }

    fn steady_state(&self, measured: &[Row], end: u64) -> SteadyState {
        let throughput = match mser5(&self.output.series(end)) {
            Steady::From(bin) => {
                Settled::After(BIN * u32::try_from(bin).expect("there are fewer bins than that"))
            }
            Steady::Never => Settled::Never,
            Steady::TooShort => Settled::TooShort,
        };
        let succeeded: Vec<&Row> =
            measured.iter().filter(|row| row.outcome != RowOutcome::Failed).collect();
        let latencies: Vec<f64> = succeeded
            .iter()
            .map(|row| if row.ttft_ms.is_nan() { self.e2e_ms(row) } else { f64::from(row.ttft_ms) })
            .collect();
        let latency = match mser5(&latencies) {
            Steady::From(0) => Settled::After(Duration::ZERO),
            Steady::From(index) => {
                Settled::After(Duration::from_nanos(succeeded[index].planned.unsigned_abs()))
            }
            Steady::Never => Settled::Never,
            Steady::TooShort => Settled::TooShort,
        };
        SteadyState { throughput, latency }
    }

    fn delivery(
        &self,
        measured: &[Row],
        end: u64,
        ttft: Option<&Summary>,
        e2e: Option<&Summary>,
    ) -> Option<Delivery> {
        if self.spec.origin == Origin::Started {
            return None;
        }
        let starts: Vec<Start> = measured
            .iter()
            .map(|row| Start { planned: row.planned, started: row.started })
            .collect();
        let tolerance_nanos = (schedule_lag_budget_ms(ttft, e2e) * 1e6) as u64;
        let due = self.due.unwrap_or_default();
        arrivals::delivery_of(due, &starts, end, tolerance_nanos)
    }
}

/// The TPOT of each successful request that has one, in ms, with the request's output tokens.
fn paces(rows: &[Row]) -> impl Iterator<Item = (f64, u64)> + '_ {
    rows.iter()
        .filter(|row| row.outcome != RowOutcome::Failed && !row.tpot_ms.is_nan())
        .map(|row| (f64::from(row.tpot_ms), u64::from(row.output)))
}

fn nanos_u64(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
