//! The reasons not to take a run's figures at face value, each with its remedy.

use std::time::Duration;

use domain::FailureKind;

use crate::arrivals::Rates;
use crate::remedy::remedy;
use crate::{Proportion, Quantile};

/// A reason not to take a run's figures at face value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// The process ended before the run did.
    CutShort,
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
    /// Most of the warm-up requests failed.
    WarmUpFailed {
        /// Those, of all.
        failed: Proportion,
        /// The commonest kind of failure.
        kind: FailureKind,
    },
    /// Many requests were tried more than once.
    Retried {
        /// Those, of all.
        retried: Proportion,
        /// What that added to their latencies, on average.
        mean_ms: f64,
    },
    /// Requests waited for a place in flight.
    InFlightLimit {
        /// The limit.
        most: u64,
        /// Requests that waited, of all.
        waited: Proportion,
        /// How long, p99.
        p99_ms: f64,
        /// Whether latencies count from before that wait.
        is_in_latencies: bool,
    },
    /// The client sent requests late.
    ScheduleLag {
        /// The client's own lag, p99.
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
        /// Requests that were due and never sent.
        unsent: u64,
        /// The limit of requests in flight, where that kept it from its plan.
        in_flight_max: Option<u64>,
    },
    /// There are too few answers for any percentile.
    TooFewSamples {
        /// How many answers there are.
        n: u64,
    },
    /// A good part of the window is ramp.
    RampIncluded {
        /// The ramp, as far as it lies in the window.
        ramp: Duration,
        /// The window.
        window: Duration,
    },
    /// The run had no steady part.
    NoSteadyState {
        /// Whether throughput had none.
        throughput: bool,
        /// Whether latency had none.
        latency: bool,
        /// How much of the window is ramp.
        ramp: Duration,
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
    /// Answers came without a token.
    EmptyAnswers {
        /// Those, of all that succeeded.
        empty: Proportion,
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
            Self::CutShort => "cut_short",
            Self::AllFailed { .. } => "all_failed",
            Self::Errors { .. } => "errors",
            Self::WarmUpFailed { .. } => "warmup_failed",
            Self::Retried { .. } => "retried",
            Self::InFlightLimit { .. } => "in_flight_limit",
            Self::ScheduleLag { .. } => "schedule_lag",
            Self::ReadLag { .. } => "read_lag",
            Self::LoadOffPlan { .. } => "load_off_plan",
            Self::TooFewSamples { .. } => "too_few_samples",
            Self::RampIncluded { .. } => "ramp_included",
            Self::NoSteadyState { .. } => "no_steady_state",
            Self::TokenCountsEstimated { .. } => "token_counts_estimated",
            Self::ArrivalsFromReads { .. } => "arrivals_from_reads",
            Self::ArrivalsMerged { .. } => "arrivals_merged",
            Self::NotStreamed { .. } => "not_streamed",
            Self::EmptyAnswers { .. } => "empty_answers",
            Self::AnswersShort { .. } => "answers_short",
            Self::PromptsRepeated { .. } => "prompts_repeated",
            Self::ClockStep { .. } => "clock_step",
        }
    }

    /// What is wrong, in one line with its numbers.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::CutShort => {
                "the process ended before the run did: the requests in flight then are \
                               missing, long ones above all"
                    .to_owned()
            }
            Self::AllFailed { attempted, kind } => {
                format!("all {attempted} requests failed, most of them: {kind}")
            }
            Self::Errors { rate } => format!(
                "{} of {} requests failed ({}); the figures describe the others",
                rate.hits,
                rate.total,
                percent(rate.share())
            ),
            Self::WarmUpFailed { failed, kind } => format!(
                "{} of {} warm-up requests failed, most of them: {kind}; the figures begin as cold as \
                 the server was",
                failed.hits, failed.total
            ),
            Self::Retried { retried, mean_ms } => format!(
                "{} of {} requests were tried again ({}): their latencies hold the failed tries and \
                 the pauses, {mean_ms:.1} ms on average",
                retried.hits,
                retried.total,
                percent(retried.share())
            ),
            Self::InFlightLimit { most, waited, p99_ms, is_in_latencies } => format!(
                "the limit of {most} requests in flight held {} of requests back: p99 {p99_ms:.1} ms, \
                 which their latencies {}",
                percent(waited.share()),
                if *is_in_latencies { "hold" } else { "leave out" }
            ),
            Self::ScheduleLag { p99_ms, budget_ms } => format!(
                "the client sent requests late: p99 {p99_ms:.1} ms, budget {budget_ms:.1} ms"
            ),
            Self::ReadLag { p99_ms, budget_ms } => format!(
                "the client fell behind reading answers: p99 {p99_ms:.1} ms, \
                 budget {budget_ms:.1} ms"
            ),
            Self::LoadOffPlan { effect, rates, unsent, in_flight_max } => {
                let why = in_flight_max.map_or(String::new(), |most| {
                    format!(", held back by the limit of {most} in flight")
                });
                let rates = rates.map_or(String::new(), |rates| {
                    format!(": {:.2} requests/s due, {:.2} started", rates.planned, rates.achieved)
                });
                let unsent = match unsent {
                    0 => String::new(),
                    unsent => format!("; {unsent} were due and never sent, and are in no latency"),
                };
                format!(
                    "the load was not the planned one for {} of requests{rates}{why}{unsent}",
                    percent(*effect)
                )
            }
            Self::TooFewSamples { n } => format!(
                "{n} answers are too few for any percentile: p50 takes {}, p99 {}",
                Quantile::P50.required(),
                Quantile::P99.required()
            ),
            Self::RampIncluded { ramp, window } if ramp < window => format!(
                "the first {:.1} s of the window of {:.1} s are ramp, under less than the load named",
                ramp.as_secs_f64(),
                window.as_secs_f64()
            ),
            Self::RampIncluded { window, .. } => format!(
                "the window of {:.1} s is ramp alone: the load named was never reached",
                window.as_secs_f64()
            ),
            Self::NoSteadyState { throughput, latency, ramp } => {
                let what = match (throughput, latency) {
                    (true, false) => "throughput",
                    (false, true) => "latency",
                    (true, true) | (false, false) => "throughput and latency",
                };
                let ramp = match ramp.as_secs_f64() {
                    0.0 => String::new(),
                    seconds => format!(" (the window begins with a ramp of {seconds:.1} s)"),
                };
                format!("{what} never became steady{ramp}")
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
            Self::EmptyAnswers { empty } => format!(
                "{} of {} answers came without a token ({}): TTFT and token figures describe the others",
                empty.hits,
                empty.total,
                percent(empty.share())
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
            Self::CutShort => "repeat the run; this is what was on record until then",
            Self::AllFailed { kind, .. } => remedy(*kind),
            Self::Errors { .. } => {
                "look at the errors by kind; lower the load if the server is overloaded or limits \
                 the rate"
            }
            Self::WarmUpFailed { .. } => {
                "repeat the run once the server answers; what warming up was to do is in its first \
                 figures"
            }
            Self::Retried { .. } => {
                "measure without retries, or lower the load until none is needed; the records tell \
                 each failed try"
            }
            Self::InFlightLimit { .. } => {
                "raise the limit (--concurrency) or lower the rate; beside a request rate the limit \
                 bounds what is sent, however fast the client is"
            }
            Self::ScheduleLag { .. } => {
                "give the client more CPU, lower the load, or spread it over more machines"
            }
            Self::ReadLag { .. } => {
                "give the client more CPU, keep the server off its cores, or spread the load over \
                 more machines"
            }
            Self::LoadOffPlan { in_flight_max: Some(_), .. } => {
                "raise the limit (--concurrency) or lower the rate to what is reached"
            }
            Self::LoadOffPlan { in_flight_max: None, .. } => {
                "lower the rate to what is reached, or give the client more CPU; a run that was \
                 stopped early is off its plan by that"
            }
            Self::TooFewSamples { .. } => "send more requests or run longer",
            Self::RampIncluded { .. } => {
                "run much longer than the ramp, or shorten it: figures are of the whole window"
            }
            Self::NoSteadyState { ramp, .. } if !ramp.is_zero() => {
                "run much longer than the ramp; if latency keeps growing behind it, the load is above \
                 what the server can carry: lower it"
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
            Self::EmptyAnswers { .. } => {
                "the model ended at once: check its chat template and the prompts, or demand lengths \
                 with --ignore-eos where the server knows it"
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

/// A share in percent, and never 100 % for what is not quite.
fn percent(share: f64) -> String {
    match share * 100.0 {
        100.0 => "100 %".to_owned(),
        nearly_all if nearly_all >= 99.5 => format!("{:.1} %", nearly_all.min(99.9)),
        much if much >= 9.95 => format!("{much:.0} %"),
        little => format!("{little:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_whole_only_where_all_are_meant() {
        for (share, told) in [
            (0.012, "1.2 %"),
            (0.5, "50 %"),
            (0.994, "99 %"),
            (0.998, "99.8 %"),
            (0.9999, "99.9 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share), told);
        }
    }
}
