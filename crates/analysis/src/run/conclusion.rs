//! Sums up what a run's accumulator took in.

use std::time::Duration;

use domain::Timestamp;

use super::row::{Row, RowOutcome};
use super::{RunAccumulator, nanos_u64};
use crate::arrivals::{self, Start};
use crate::steady::mser5;
use crate::summary::{Goodput, Inside, Settled, SteadyState, Window, WindowEnd};
use crate::timeline::BIN;
use crate::verdict::schedule_lag_budget_ms;
use crate::{ArrivalClock, Convention, Delivery, Origin, Proportion, RunSummary, Steady, Summary};

/// The shortest window in which a steady state is looked for.
pub(crate) const STEADY_WINDOW_MIN: Duration = Duration::from_secs(10);

/// The fewest successful requests among which a steady state is looked for.
pub(crate) const STEADY_REQUESTS_MIN: u64 = 100;

impl RunAccumulator {
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
        let window = self.window(window_end);
        let end = nanos_u64(window.duration());
        let measured = self.measured_rows();
        let inside = self.inside(&window);

        let succeeded = || measured.iter().filter(|row| row.is_success());
        let defined = |value: f32| (!value.is_nan()).then(|| f64::from(value));
        let ttft =
            self.summary(&succeeded().filter_map(|row| defined(row.ttft_ms)).collect::<Vec<_>>());
        let e2e = self.summary(&succeeded().map(|row| self.e2e_ms(row)).collect::<Vec<_>>());
        let lags: Vec<f64> =
            measured.iter().map(|row| (row.started - row.planned).max(0) as f64 / 1e6).collect();
        let is_network = self.spec.arrivals == ArrivalClock::Network;
        let delivery = self.delivery(measured, end, ttft.as_ref(), e2e.as_ref());

        RunSummary {
            convention: self.spec.convention,
            origin: self.spec.convention.origin(self.spec.origin),
            window,
            elapsed: self.elapsed(),
            ramp: self.spec.ramp,
            completed: self.answers.completed,
            failed: self.errors.failed,
            warmup: self.warmup.requests,
            warmup_errors: self.warmup.errors(),
            outside: self.outside,
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
            inside,
            request_throughput: window.rate(inside.requests as f64),
            output_throughput: window.rate(inside.output_tokens),
            total_throughput: window.rate(inside.output_tokens + inside.input_tokens),
            goodput: self.spec.slo.map(|_| self.goodput(measured, &window)),
            tokens: self.tokens,
            tokens_per_chunk: self.answers.tokens_per_chunk(),
            empty_answers: self.answers.empty(),
            connections: self.opened.connections(),
            retries: self.retried.retries(),
            in_flight_limit: self.spec.in_flight_max.and_then(|most| self.held.limit(most)),
            steady: self.steady_state(measured, end),
            delivery,
            unstamped: is_network.then_some(self.reads.unstamped()),
            merged: is_network.then_some(self.reads.merged()),
            not_streamed: self.spec.asks_streams.then(|| self.answers.whole()),
            distinct_prompts: self.spec.distinct_prompts,
            sent_before: self.spec.sent_before,
            short_answers: self.spec.demands_lengths.then(|| self.answers.short()),
            clock_step_nanos: self.clock_step_nanos,
            is_cut_short: self.is_cut_short,
            errors: self.errors.by_kind(),
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

    /// From the window's beginning to the end of the last request.
    fn elapsed(&self) -> Duration {
        let last = self.rows.iter().map(|row| row.finished).max().unwrap_or(0);
        Duration::from_nanos(last.max(0).unsigned_abs())
    }

    fn window(&self, given: Timestamp) -> Window {
        let start = self.spec.window_start;
        let until_last = |last: Option<i64>| {
            start + Duration::from_nanos(last.unwrap_or(0).max(0).unsigned_abs())
        };
        if self.spec.convention.is_whole_run() {
            let counts =
                |row: &&Row| self.spec.convention != Convention::Aiperf || row.is_success();
            let last = self.rows.iter().filter(counts).map(|row| row.finished).max();
            return Window { start, end: until_last(last), lasts_until: WindowEnd::LastAnswer };
        }
        let planned = self.spec.window_end.map_or(given, |end| end.min(given));
        let measured = self.measured_rows();
        let offset = planned.nanos_since(self.spec.window_start);
        let inside = || measured.iter().take_while(|row| row.planned <= offset);
        let ended = inside().filter(|row| row.finished <= offset).count();
        if 2 * ended >= inside().count() {
            return Window { start, end: planned, lasts_until: WindowEnd::Plan };
        }
        let last = until_last(measured.iter().map(|row| row.finished).max());
        let end = self.spec.window_end.map_or(last, |end| end.min(last)).max(planned);
        let lasts_until = if end == last { WindowEnd::LastAnswer } else { WindowEnd::Plan };
        Window { start, end, lasts_until }
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

    /// What fell into the window, whenever it was planned.
    fn inside(&self, window: &Window) -> Inside {
        let end = nanos_u64(window.duration());
        Inside {
            requests: self.finished_inside(end, Row::is_success),
            output_tokens: self.output.until(end),
            input_tokens: self.input.until(end),
        }
    }

    /// How many requests that `count` finished inside a window of `end` nanoseconds.
    fn finished_inside(&self, end: u64, count: impl Fn(&Row) -> bool) -> u64 {
        let inside = |row: &&Row| u64::try_from(row.finished).is_ok_and(|nanos| nanos <= end);
        self.rows.iter().filter(inside).filter(|row| count(row)).count() as u64
    }

    fn goodput(&self, measured: &[Row], window: &Window) -> Goodput {
        let is_met = |row: &Row| row.outcome == RowOutcome::MetSlo;
        let hits = measured.iter().filter(|row| is_met(row)).count() as u64;
        let inside = self.finished_inside(nanos_u64(window.duration()), is_met);
        let met = Proportion { hits, total: measured.len() as u64 };
        Goodput { met, inside, per_second: window.rate(inside as f64) }
    }

    fn steady_state(&self, measured: &[Row], end: u64) -> SteadyState {
        let is_short = Duration::from_nanos(end) < STEADY_WINDOW_MIN;
        if is_short || self.answers.completed < STEADY_REQUESTS_MIN {
            return SteadyState { throughput: Settled::TooShort, latency: Settled::TooShort };
        }
        let throughput = match mser5(&self.output.series(end)) {
            Steady::From(bin) => {
                Settled::After(BIN * u32::try_from(bin).expect("there are fewer bins than that"))
            }
            Steady::Never => Settled::Never,
            Steady::TooShort => Settled::TooShort,
        };
        let succeeded: Vec<&Row> = measured.iter().filter(|row| row.is_success()).collect();
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
        .filter(|row| row.is_success() && !row.tpot_ms.is_nan())
        .map(|row| (f64::from(row.tpot_ms), u64::from(row.output)))
}
