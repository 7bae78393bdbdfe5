//! Whether a run's figures can be believed: what each doubt takes.

use crate::summary::Settled;
use crate::{DeliveryVerdict, Doubt, Origin, Proportion, Quantile, RunSummary, Summary};

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

/// The share of answers without a token above which figures describe the others only.
pub const EMPTY_MAX: f64 = 0.01;

/// The share of warm-up requests that failed above which a run was not warmed up.
pub const WARMUP_FAILED_MAX: f64 = 0.5;

/// The share of requests that were tried again above which latencies are not the server's own.
pub const RETRIED_MAX: f64 = 0.01;

/// The share of the window that may be ramp: throughput is then less than that off.
pub const RAMP_MAX: f64 = 0.1;

/// The highest percentile a run is expected to support. Higher ones carry a mark of their own.
pub const HEADLINE: Quantile = Quantile::P99;

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

/// How far into the tail a run's latencies can be read.
///
/// A run may be sound and yet too small for the percentiles of its tail. That puts those percentiles
/// in doubt, each of which is marked, and not the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// How many answers there are.
    pub answers: u64,
    /// The highest percentile they support.
    pub highest: Option<Quantile>,
}

impl Reach {
    pub(crate) fn of(answers: u64) -> Self {
        let is_supported = |quantile: &Quantile| answers >= quantile.required();
        Self { answers, highest: Quantile::ALL.into_iter().rfind(is_supported) }
    }

    /// The lowest percentile that lacks support, up to [`HEADLINE`].
    #[must_use]
    pub fn lacking(&self) -> Option<Quantile> {
        let is_beyond = |quantile: &Quantile| Some(*quantile) > self.highest;
        Quantile::ALL.into_iter().find(is_beyond).filter(|quantile| *quantile <= HEADLINE)
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
        run.is_cut_short.then_some(Doubt::CutShort),
        failures(run),
        warmup_failed(run),
        retried(run),
        in_flight_limit(run),
        schedule_lag(run),
        load_off_plan(run),
        read_lag(run),
        arrivals_from_reads(run),
        arrivals_merged(run),
        not_streamed(run),
        empty_answers(run),
        ramp_included(run),
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

fn warmup_failed(run: &RunSummary) -> Option<Doubt> {
    let (kind, _) = *run.warmup_errors.iter().max_by_key(|(_, count)| *count)?;
    let hits = run.warmup_errors.iter().map(|(_, count)| count).sum();
    let failed = Proportion { hits, total: run.warmup };
    // A run without an answer has a graver doubt.
    let is_worth_it = run.completed > 0 && failed.share() > WARMUP_FAILED_MAX;
    is_worth_it.then_some(Doubt::WarmUpFailed { failed, kind })
}

fn retried(run: &RunSummary) -> Option<Doubt> {
    let retried = Proportion { hits: run.retries.requests, total: run.attempted() };
    let mean_ms = run.retries.mean_ms?;
    (retried.share() > RETRIED_MAX).then_some(Doubt::Retried { retried, mean_ms })
}

fn in_flight_limit(run: &RunSummary) -> Option<Doubt> {
    let limit = run.in_flight_limit.as_ref()?;
    let p99_ms = limit.wait.value(Quantile::P99);
    let budget_ms = schedule_lag_budget_ms(run.ttft.as_ref(), run.e2e.as_ref());
    let is_in_latencies = run.origin == Origin::Planned;
    let doubt =
        Doubt::InFlightLimit { most: limit.most, waited: limit.waited, p99_ms, is_in_latencies };
    (p99_ms > budget_ms).then_some(doubt)
}

fn schedule_lag(run: &RunSummary) -> Option<Doubt> {
    let p99_ms = run.client_lag()?.value(Quantile::P99);
    let budget_ms = schedule_lag_budget_ms(run.ttft.as_ref(), run.e2e.as_ref());
    (p99_ms > budget_ms).then_some(Doubt::ScheduleLag { p99_ms, budget_ms })
}

fn load_off_plan(run: &RunSummary) -> Option<Doubt> {
    let delivery = run.delivery?;
    match delivery.verdict {
        DeliveryVerdict::OnPlan => None,
        DeliveryVerdict::OffPlan { effect } => {
            let (rates, unsent) = (delivery.rates, delivery.unsent);
            let is_limited = in_flight_limit(run).is_some();
            let in_flight_max =
                run.in_flight_limit.as_ref().filter(|_| is_limited).map(|limit| limit.most);
            Some(Doubt::LoadOffPlan { effect, rates, unsent, in_flight_max })
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
    let p99 = |lag: Option<&Summary>| lag.map_or(0.0, |lag| lag.value(Quantile::P99));
    let p99_ms = f64::max(p99(run.client_lag()), p99(run.read_lag.as_ref()));
    let gap_ms = run.itl.as_ref().map_or(0.0, Summary::median);
    let is_lagging = p99_ms > f64::max(MERGED_LAG_MIN_MS, MERGED_LAG_SHARE * gap_ms);
    (is_lagging && merged.share() > MERGED_MAX).then_some(Doubt::ArrivalsMerged { merged, p99_ms })
}

fn not_streamed(run: &RunSummary) -> Option<Doubt> {
    let whole = run.not_streamed?;
    (whole.share() > NOT_STREAMED_MAX).then_some(Doubt::NotStreamed { whole })
}

fn empty_answers(run: &RunSummary) -> Option<Doubt> {
    let empty = run.empty_answers;
    (empty.share() > EMPTY_MAX).then_some(Doubt::EmptyAnswers { empty })
}

fn ramp_included(run: &RunSummary) -> Option<Doubt> {
    let window = run.window.duration();
    let ramp = run.ramp.min(window);
    let is_much = ramp.as_secs_f64() > RAMP_MAX * window.as_secs_f64();
    is_much.then_some(Doubt::RampIncluded { ramp, window })
}

fn no_steady_state(run: &RunSummary) -> Option<Doubt> {
    let ramp = run.ramp;
    let throughput = run.steady.throughput == Settled::Never;
    let latency = run.steady.latency == Settled::Never;
    (throughput || latency).then_some(Doubt::NoSteadyState { throughput, latency, ramp })
}

fn too_few_samples(run: &RunSummary) -> Option<Doubt> {
    let n = run.completed;
    // A run without a single answer has graver doubts; one without a request has only this.
    let has_graver = n == 0 && run.failed > 0;
    let is_few = !has_graver && run.reach().highest.is_none();
    is_few.then_some(Doubt::TooFewSamples { n })
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
