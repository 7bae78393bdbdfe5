//! Whether a run's figures can be believed, and what to do where they cannot.

use domain::FailureKind;

use crate::arrivals::Rates;
use crate::summary::Settled;
use crate::{DeliveryVerdict, Proportion, Quantile, RunSummary, Summary};

/// The least schedule lag that is too much, p99: below it, timers and scheduling are at work.
pub const SCHEDULE_LAG_BUDGET_MS: f64 = 5.0;

/// The share of the median TTFT that schedule lag may reach, p99, where that is more.
pub const SCHEDULE_LAG_BUDGET_SHARE: f64 = 0.05;

/// The most that read lag may be, p99, whatever the gap between chunks: a client too busy to read
/// for that long lets its requests suffer too.
pub const READ_LAG_BUDGET_MS: f64 = 50.0;

/// The least read lag that is too much, p99, however small the gap between chunks.
pub const READ_LAG_BUDGET_MIN_MS: f64 = 5.0;

/// The share of chunks that shared a read with a later one above which their arrivals are in doubt,
/// if the client lags.
pub const MERGED_MAX: f64 = 0.01;

/// The least lag of the client, p99, that puts arrivals of shared reads in doubt.
pub const MERGED_LAG_MIN_MS: f64 = 1.0;

/// The share of the median ITL above which the client's lag does so, where that is more.
pub const MERGED_LAG_SHARE: f64 = 0.1;

/// The share of whole answers to requests for streams above which streaming is in doubt.
pub const NOT_STREAMED_MAX: f64 = 0.01;

/// The error rate above which figures describe the survivors only.
pub const ERROR_RATE_MAX: f64 = 0.01;

/// The share of requests with estimated token counts above which token figures are in doubt.
pub const ESTIMATED_MAX: f64 = 0.01;

/// The share of answers shorter than demanded above which lengths count as not enforced.
pub const SHORT_MAX: f64 = 0.01;

/// The share of chunks without a kernel stamp above which the client's own delay is in the figures.
pub const UNSTAMPED_MAX: f64 = 0.01;

/// The highest percentile a run is expected to support. Higher ones carry a warning of their own.
pub const HEADLINE: Quantile = Quantile::P99;

/// The shortest window, in seconds, in which a steady state is looked for.
pub const STEADY_WINDOW_MIN_S: f64 = 10.0;

/// The fewest successful requests among which a steady state is looked for.
pub const STEADY_REQUESTS_MIN: u64 = 100;

/// A reason not to take a run's figures at face value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// No request succeeded.
    AllFailed {
        /// How many were sent.
        attempted: u64,
        /// The commonest kind of failure.
        kind: FailureKind,
    },
    /// Many requests failed.
    Errors {
        /// Failed requests, of all.
        rate: Proportion,
    },
    /// The client sent requests late.
    ScheduleLag {
        /// Their lag, p99.
        p99_ms: f64,
        /// What it may be.
        budget_ms: f64,
    },
    /// The client read answers late.
    ReadLag {
        /// The lag, p99.
        p99_ms: f64,
        /// What it may be.
        budget_ms: f64,
    },
    /// The load was not the planned one.
    LoadOffPlan {
        /// The part of the plan affected.
        effect: f64,
        /// How fast requests were due and started.
        rates: Option<Rates>,
    },
    /// There are too few answers for a percentile people will read.
    TooFewSamples {
        /// The lowest percentile that lacks support.
        percentile: Quantile,
        /// How many answers there are.
        n: u64,
    },
    /// The run had no steady part.
    NoSteadyState {
        /// Whether throughput had none.
        throughput: bool,
        /// Whether latency had none.
        latency: bool,
    },
    /// Token counts are estimates.
    TokenCountsEstimated {
        /// Requests whose input or output was estimated, of all successful.
        estimated: Proportion,
    },
    /// Chunks were timed when they were read, not when they arrived.
    ArrivalsFromReads {
        /// Chunks without a kernel stamp, of all.
        unstamped: Proportion,
    },
    /// Chunks shared a read while the client lagged: their true arrivals are lost.
    ArrivalsMerged {
        /// Chunks that shared a read with a later one, of all.
        merged: Proportion,
        /// The client's lag, p99: the larger of schedule and read lag.
        p99_ms: f64,
    },
    /// Streams were asked for and whole answers came.
    NotStreamed {
        /// Those, of all that succeeded.
        whole: Proportion,
    },
    /// Answers ended before the length that was demanded of them.
    AnswersShort {
        /// Those, of all that succeeded.
        short: Proportion,
    },
    /// Prompts were sent more than once.
    PromptsRepeated {
        /// Requests sent, warm-up included.
        sent: u64,
        /// Requests that earlier runs had sent to the same model.
        before: u64,
        /// Different prompts among them, at most.
        distinct: u64,
    },
    /// The wall clock stepped.
    ClockStep {
        /// By how much.
        nanos: i64,
    },
}

impl Doubt {
    /// The word used in records.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::AllFailed { .. } => "all_failed",
            Self::Errors { .. } => "errors",
            Self::ScheduleLag { .. } => "schedule_lag",
            Self::ReadLag { .. } => "read_lag",
            Self::LoadOffPlan { .. } => "load_off_plan",
            Self::TooFewSamples { .. } => "too_few_samples",
            Self::NoSteadyState { .. } => "no_steady_state",
            Self::TokenCountsEstimated { .. } => "token_counts_estimated",
            Self::ArrivalsFromReads { .. } => "arrivals_from_reads",
            Self::ArrivalsMerged { .. } => "arrivals_merged",
            Self::NotStreamed { .. } => "not_streamed",
            Self::AnswersShort { .. } => "answers_short",
            Self::PromptsRepeated { .. } => "prompts_repeated",
            Self::ClockStep { .. } => "clock_step",
        }
    }

    /// What is wrong, in one line with its numbers.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::AllFailed { attempted, kind } => {
                format!("all {attempted} requests failed, most of them: {kind}")
            }
            Self::Errors { rate } => format!(
                "{} of {} requests failed ({}); the figures describe the others",
                rate.hits,
                rate.total,
                percent(rate.share())
            ),
            Self::ScheduleLag { p99_ms, budget_ms } => format!(
                "requests were sent late: p99 {p99_ms:.1} ms after they were due, \
                 budget {budget_ms:.1} ms"
            ),
            Self::ReadLag { p99_ms, budget_ms } => format!(
                "the client fell behind reading answers: p99 {p99_ms:.1} ms, \
                 budget {budget_ms:.1} ms"
            ),
            Self::LoadOffPlan { effect, rates } => {
                let rates = rates.map_or(String::new(), |rates| {
                    format!(": {:.2} requests/s due, {:.2} started", rates.planned, rates.achieved)
                });
                format!(
                    "the load was not the planned one for {} of requests{rates}",
                    percent(*effect)
                )
            }
            Self::TooFewSamples { percentile, n } => format!(
                "{n} answers are too few for {}, which takes {}",
                percentile.label(),
                percentile.required()
            ),
            Self::NoSteadyState { throughput, latency } => {
                let what = match (throughput, latency) {
                    (true, false) => "throughput",
                    (false, true) => "latency",
                    (true, true) | (false, false) => "throughput and latency",
                };
                format!("{what} never became steady")
            }
            Self::TokenCountsEstimated { estimated } => {
                format!("token counts of {} of requests are estimates", percent(estimated.share()))
            }
            Self::ArrivalsFromReads { unstamped } => format!(
                "{} of chunks were timed when read, not when they arrived: \
                 the client's own delay is in the figures",
                percent(unstamped.share())
            ),
            Self::ArrivalsMerged { merged, p99_ms } => format!(
                "{} of chunks were read together with a later one by a client that lagged (p99 \
                 {p99_ms:.1} ms): they are only known to have come no later than recorded",
                percent(merged.share())
            ),
            Self::NotStreamed { whole } => format!(
                "{} of {} answers came whole though streams were asked for: they have no TTFT, \
                 TPOT or ITL",
                whole.hits, whole.total
            ),
            Self::AnswersShort { short } => format!(
                "{} of {} answers ended before the length that was demanded: the server did not \
                 ignore the model's end of text",
                short.hits, short.total
            ),
            Self::PromptsRepeated { sent, before, distinct } => {
                let before = match before {
                    0 => String::new(),
                    before => format!(" and {before} of earlier runs"),
                };
                format!(
                    "{sent} requests{before} share {distinct} prompts: a server's cache may have \
                     answered"
                )
            }
            Self::ClockStep { nanos } => {
                format!("the wall clock stepped by {:.1} ms during the run", *nanos as f64 / 1e6)
            }
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::AllFailed { .. } => {
                "check the address, the key and the model's name; the error samples say what the \
                 server answered"
            }
            Self::Errors { .. } => {
                "look at the errors by kind; lower the load if the server is overloaded or limits \
                 the rate"
            }
            Self::ScheduleLag { .. } => {
                "give the client more CPU, lower the load, raise a concurrency limit that holds \
                 requests back, or spread the load over more machines"
            }
            Self::ReadLag { .. } => {
                "give the client more CPU, keep the server off its cores, or spread the load over \
                 more machines"
            }
            Self::LoadOffPlan { .. } => {
                "raise the concurrency limit or lower the rate to what is reached; if schedule lag \
                 is high too, give the client more CPU"
            }
            Self::TooFewSamples { .. } => {
                "send more requests or run longer, or read a lower percentile"
            }
            Self::NoSteadyState { .. } => {
                "run longer or warm up longer, with many more requests than users; if latency keeps \
                 growing, the load is above what the server can carry: lower it"
            }
            Self::TokenCountsEstimated { .. } => {
                "have the server report usage, or name the model's tokenizer"
            }
            Self::ArrivalsFromReads { .. } => {
                "run the client on Linux with kernel receive stamps; else give it a core of its own \
                 and read small differences with care"
            }
            Self::ArrivalsMerged { .. } => {
                "give the client more CPU, lower the load, or spread it over more machines"
            }
            Self::NotStreamed { .. } => {
                "check that the server, and any proxy before it, can stream; else read E2E latency \
                 only"
            }
            Self::AnswersShort { .. } => {
                "compare token figures, not latencies of whole answers; or name the field by which \
                 this server is told to go on, in the extra body"
            }
            Self::PromptsRepeated { .. } => {
                "use more prompts or synthetic ones, or switch the server's prompt cache off"
            }
            Self::ClockStep { .. } => {
                "let the clock synchronize before the run; latencies stand, wall-clock times and \
                 kernel stamps from around the step do not"
            }
        }
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// Whether a run's figures can be taken at face value.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// They can.
    Valid,
    /// They cannot, for these reasons, gravest first.
    Doubtful(Vec<Doubt>),
}

impl Verdict {
    /// Whether there is no doubt.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        matches!(self, Self::Valid)
    }

    /// The doubts, none where the run is valid.
    #[must_use]
    pub fn doubts(&self) -> &[Doubt] {
        match self {
            Self::Valid => &[],
            Self::Doubtful(doubts) => doubts,
        }
    }
}

/// What schedule lag may be, p99: [`SCHEDULE_LAG_BUDGET_MS`], or [`SCHEDULE_LAG_BUDGET_SHARE`] of
/// the median TTFT (E2E latency where there is none) if that is more.
#[must_use]
pub fn schedule_lag_budget_ms(ttft: Option<&Summary>, e2e: Option<&Summary>) -> f64 {
    let median = ttft.or(e2e).map_or(0.0, Summary::median);
    f64::max(SCHEDULE_LAG_BUDGET_MS, SCHEDULE_LAG_BUDGET_SHARE * median)
}

/// What read lag may be, p99: the median ITL, for a chunk read later than that is read together with
/// the next and takes its stamp; no less than [`READ_LAG_BUDGET_MIN_MS`] and no more than
/// [`READ_LAG_BUDGET_MS`], which it is without an ITL.
#[must_use]
pub fn read_lag_budget_ms(itl: Option<&Summary>) -> f64 {
    itl.map_or(READ_LAG_BUDGET_MS, |itl| {
        itl.median().clamp(READ_LAG_BUDGET_MIN_MS, READ_LAG_BUDGET_MS)
    })
}

/// Judges a run by its own summary.
pub(crate) fn judge(run: &RunSummary) -> Verdict {
    let doubts: Vec<Doubt> = [
        failures(run),
        schedule_lag(run),
        load_off_plan(run),
        read_lag(run),
        arrivals_from_reads(run),
        arrivals_merged(run),
        not_streamed(run),
        no_steady_state(run),
        too_few_samples(run),
        token_counts_estimated(run),
        answers_short(run),
        prompts_repeated(run),
        run.clock_step_nanos.filter(|nanos| *nanos != 0).map(|nanos| Doubt::ClockStep { nanos }),
    ]
    .into_iter()
    .flatten()
    .collect();
    if doubts.is_empty() { Verdict::Valid } else { Verdict::Doubtful(doubts) }
}

fn failures(run: &RunSummary) -> Option<Doubt> {
    let commonest = run.errors.iter().max_by_key(|errors| errors.count)?;
    if run.completed == 0 {
        return Some(Doubt::AllFailed { attempted: run.attempted(), kind: commonest.kind });
    }
    let rate = run.error_rate();
    (rate.share() > ERROR_RATE_MAX).then_some(Doubt::Errors { rate })
}

fn schedule_lag(run: &RunSummary) -> Option<Doubt> {
    let p99_ms = run.schedule_lag.as_ref()?.value(Quantile::P99);
    let budget_ms = schedule_lag_budget_ms(run.ttft.as_ref(), run.e2e.as_ref());
    (p99_ms > budget_ms).then_some(Doubt::ScheduleLag { p99_ms, budget_ms })
}

fn load_off_plan(run: &RunSummary) -> Option<Doubt> {
    let delivery = run.delivery?;
    match delivery.verdict {
        DeliveryVerdict::OnPlan => None,
        DeliveryVerdict::OffPlan { effect } => {
            Some(Doubt::LoadOffPlan { effect, rates: delivery.rates })
        }
    }
}

fn read_lag(run: &RunSummary) -> Option<Doubt> {
    let p99_ms = run.read_lag.as_ref()?.value(Quantile::P99);
    let budget_ms = read_lag_budget_ms(run.itl.as_ref());
    (p99_ms > budget_ms).then_some(Doubt::ReadLag { p99_ms, budget_ms })
}

fn arrivals_from_reads(run: &RunSummary) -> Option<Doubt> {
    let unstamped = run.unstamped?;
    (unstamped.share() > UNSTAMPED_MAX).then_some(Doubt::ArrivalsFromReads { unstamped })
}

fn arrivals_merged(run: &RunSummary) -> Option<Doubt> {
    let merged = run.merged?;
    let p99 = |lag: &Option<Summary>| lag.as_ref().map_or(0.0, |lag| lag.value(Quantile::P99));
    let p99_ms = f64::max(p99(&run.schedule_lag), p99(&run.read_lag));
    let gap_ms = run.itl.as_ref().map_or(0.0, Summary::median);
    let is_lagging = p99_ms > f64::max(MERGED_LAG_MIN_MS, MERGED_LAG_SHARE * gap_ms);
    (is_lagging && merged.share() > MERGED_MAX).then_some(Doubt::ArrivalsMerged { merged, p99_ms })
}

fn not_streamed(run: &RunSummary) -> Option<Doubt> {
    let whole = run.not_streamed?;
    (whole.share() > NOT_STREAMED_MAX).then_some(Doubt::NotStreamed { whole })
}

fn no_steady_state(run: &RunSummary) -> Option<Doubt> {
    if run.window.duration().as_secs_f64() < STEADY_WINDOW_MIN_S
        || run.completed < STEADY_REQUESTS_MIN
    {
        return None;
    }
    let throughput = run.steady.throughput == Settled::Never;
    let latency = run.steady.latency == Settled::Never;
    (throughput || latency).then_some(Doubt::NoSteadyState { throughput, latency })
}

fn too_few_samples(run: &RunSummary) -> Option<Doubt> {
    let n = run.completed;
    // A run without a single answer has graver doubts; one without a request has only this.
    if n == 0 && run.failed > 0 {
        return None;
    }
    Quantile::ALL
        .into_iter()
        .find(|quantile| *quantile <= HEADLINE && n < quantile.required())
        .map(|percentile| Doubt::TooFewSamples { percentile, n })
}

fn token_counts_estimated(run: &RunSummary) -> Option<Doubt> {
    let (input, output) =
        (run.tokens.input_sources.estimated(), run.tokens.output_sources.estimated());
    let estimated = if input.hits > output.hits { input } else { output };
    (estimated.share() > ESTIMATED_MAX).then_some(Doubt::TokenCountsEstimated { estimated })
}

fn answers_short(run: &RunSummary) -> Option<Doubt> {
    let short = run.short_answers?;
    (short.share() > SHORT_MAX).then_some(Doubt::AnswersShort { short })
}

fn prompts_repeated(run: &RunSummary) -> Option<Doubt> {
    let (distinct, before) = (run.distinct_prompts?, run.sent_before);
    let sent = run.attempted() + run.outside + run.warmup;
    let is_repeated = sent.saturating_add(before) > distinct;
    is_repeated.then_some(Doubt::PromptsRepeated { sent, before, distinct })
}
