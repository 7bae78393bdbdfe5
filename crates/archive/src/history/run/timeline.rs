//! A run over its time.

use super::Latency;
use super::course::{Bin, Course};
use crate::history::rollups::Quantiles;

/// The most steps.
const STEPS_MAX: usize = 300;

/// A run over its time, a value a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// When the first step starts, in milliseconds since 1970.
    pub start_unix_ms: u64,
    /// How long each is.
    pub step_ms: u64,
    /// Requests that ended a second.
    pub requests_per_second: Vec<f64>,
    /// Of these, those that failed.
    pub errors_per_second: Vec<f64>,
    /// Tokens that came a second.
    pub output_tokens_per_second: Vec<f64>,
    /// Requests in flight, in the mean.
    pub in_flight: Vec<f64>,
    /// Time to the first token, of requests that ended in the step.
    pub ttft_ms: Quantiles,
    /// Time per output token.
    pub tpot_ms: Quantiles,
    /// End-to-end latency.
    pub e2e_ms: Quantiles,
}

impl Timeline {
    pub(super) fn of(course: &Course) -> Self {
        let (step_nanos, steps) = course.steps(STEPS_MAX);
        let seconds = step_nanos as f64 / 1e9;
        let column = |value: fn(&Bin) -> f64| steps.iter().map(|s| value(s) / seconds).collect();
        let quantiles = |latency| {
            let mut quantiles = Quantiles::default();
            steps.iter().for_each(|step| quantiles.push(step.latency(latency)));
            quantiles
        };
        Self {
            start_unix_ms: course.start_nanos() / 1_000_000,
            step_ms: step_nanos / 1_000_000,
            requests_per_second: column(|step| step.ended as f64),
            errors_per_second: column(|step| step.failed as f64),
            output_tokens_per_second: column(|step| step.output_tokens),
            in_flight: column(|step| step.busy_nanos as f64 / 1e9),
            ttft_ms: quantiles(Latency::Ttft),
            tpot_ms: quantiles(Latency::Tpot),
            e2e_ms: quantiles(Latency::E2e),
        }
    }
}
