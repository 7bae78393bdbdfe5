//! A checked alert rule: what is watched, from where on it is bad, and for how long.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::label::{Dimension, Severity};
use crate::question::{Filters, Latency, Quantity, Question, Reading};
use crate::summary::Template;
use crate::unit::Unit;

/// The figure a rule watches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// A quantile of a latency.
    Latency {
        /// Which latency.
        latency: Latency,
        /// Above 0 and below 1.
        quantile: f64,
    },
    /// The share of requests that failed.
    ErrorRate,
    /// Requests a second.
    RequestRate,
    /// What an hour at this pace costs.
    CostPerHour,
    /// How many times faster than allowed errors use up what the objective leaves for them: error
    /// rate / (1 − objective). Watched over two windows at once, of which the short one lets the
    /// alert end soon after the errors do (Google, *The Site Reliability Workbook*, chapter 5).
    BurnRate {
        /// The share of requests that must succeed, below 1.
        objective: f64,
        /// The shorter window.
        short_window: Duration,
    },
    /// No request ended in the window.
    NoTraffic,
}

impl Metric {
    /// What it is measured in.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Latency { .. } => Unit::Seconds,
            Self::ErrorRate => Unit::Share,
            Self::RequestRate | Self::NoTraffic => Unit::PerSecond,
            Self::CostPerHour => Unit::UsdPerHour,
            Self::BurnRate { .. } => Unit::Times,
        }
    }

    /// The quantity it is made of.
    #[must_use]
    pub const fn quantity(self) -> Quantity {
        match self {
            Self::Latency { latency, quantile } => Quantity::LatencyQuantile { latency, quantile },
            Self::ErrorRate | Self::BurnRate { .. } => Quantity::ErrorRate,
            Self::RequestRate | Self::NoTraffic => Quantity::RequestRate,
            Self::CostPerHour => Quantity::CostPerHour,
        }
    }

    /// As a sentence calls it: `p95 time to first token`.
    #[must_use]
    pub fn words(self) -> String {
        let words = match self {
            Self::Latency { latency, quantile } => {
                let latency = match latency {
                    Latency::E2e => "end-to-end latency",
                    Latency::Ttft => "time to first token",
                    Latency::Tpot => "time per output token",
                };
                return format!("p{} {latency}", percent(quantile));
            }
            Self::ErrorRate => "error rate",
            Self::RequestRate => "request rate",
            Self::CostPerHour => "cost",
            Self::BurnRate { .. } => "burn rate of the error budget",
            Self::NoTraffic => "traffic",
        };
        words.to_owned()
    }

    /// The metric's own figure, of its quantity's.
    fn figure(self, value: f64) -> f64 {
        match self {
            Self::BurnRate { objective, .. } => value / (1.0 - objective),
            Self::Latency { .. }
            | Self::ErrorRate
            | Self::RequestRate
            | Self::CostPerHour
            | Self::NoTraffic => value,
        }
    }
}

/// As settings write it: `e2e_p95`, `error_rate`.
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { latency, quantile } => {
                let latency = match latency {
                    Latency::E2e => "e2e",
                    Latency::Ttft => "ttft",
                    Latency::Tpot => "tpot",
                };
                write!(f, "{latency}_p{}", percent(*quantile))
            }
            Self::ErrorRate => f.write_str("error_rate"),
            Self::RequestRate => f.write_str("request_rate"),
            Self::CostPerHour => f.write_str("cost_per_hour"),
            Self::BurnRate { .. } => f.write_str("burn_rate"),
            Self::NoTraffic => f.write_str("no_traffic"),
        }
    }
}

/// A share in percent. 0.999 × 100 is a little more than 99.9.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// On which side of the threshold a figure is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Larger figures are bad.
    Above,
    /// Smaller figures are bad.
    Below,
    /// The figure itself is bad, and no other.
    Equal,
}

impl Comparison {
    /// Whether `value` is bad, held against `threshold`. No figure (NaN) is bad.
    #[must_use]
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        let ordering = value.partial_cmp(&threshold);
        match self {
            Self::Above => ordering == Some(Ordering::Greater),
            Self::Below => ordering == Some(Ordering::Less),
            Self::Equal => ordering == Some(Ordering::Equal),
        }
    }

    /// As PromQL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::Below => "<",
            Self::Equal => "==",
        }
    }
}

/// One group's figure, held against a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Beyond the threshold.
    Bad,
    /// Within the threshold, but not yet as far as an alert needs to end.
    Hesitant,
    /// As good as it must be.
    Good,
}

/// An alert rule whose parts are known to fit each other. [`RuleSettings`](crate::RuleSettings)
/// makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, unlike any other rule's: letters, digits and underscores.
    pub name: String,
    /// What it watches.
    pub metric: Metric,
    /// On which side of the threshold it is bad.
    pub comparison: Comparison,
    /// From where on it is bad, in the metric's unit.
    pub threshold: f64,
    /// An alert that fires ends only on the other side of this; the threshold itself, without
    /// hysteresis.
    pub clear: f64,
    /// Requests that ended within this long are watched.
    pub window: Duration,
    /// How long it must be bad without a pause before the alert fires.
    pub hold: Duration,
    /// Which requests are watched.
    pub filters: Filters,
    /// An alert for each combination of these that is bad.
    pub group_by: BTreeSet<Dimension>,
    /// How bad that is.
    pub severity: Severity,
    /// How it is told.
    pub summary: Template,
}

impl Rule {
    /// What must be answered to evaluate it: one question, or two of a burn rate.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        let ask = |window| Question {
            quantity: self.metric.quantity(),
            window,
            filters: self.filters.clone(),
            group_by: self.group_by.clone(),
        };
        match self.metric {
            Metric::BurnRate { short_window, .. } => vec![ask(self.window), ask(short_window)],
            Metric::Latency { .. }
            | Metric::ErrorRate
            | Metric::RequestRate
            | Metric::CostPerHour
            | Metric::NoTraffic => vec![ask(self.window)],
        }
    }

    /// Each group's figure and what to make of it, of the answers to [`questions`](Self::questions)
    /// in their order. A group that some answer leaves out, or
    /// whose figure is no finite number, has none; but where nothing at all came
    /// and all requests are one group, there was no traffic.
    #[must_use]
    pub fn judge(&self, answers: &[Vec<Reading>]) -> Vec<(Reading, Judgement)> {
        let Some((first, others)) = answers.split_first() else { return Vec::new() };
        let silence = Reading { labels: [].into(), value: 0.0 };
        if self.metric == Metric::NoTraffic && self.group_by.is_empty() && first.is_empty() {
            return vec![(silence, Judgement::Bad)];
        }
        let judged = first.iter().filter_map(|reading| {
            let mut values = vec![self.metric.figure(reading.value)];
            for other in others {
                let same = other.iter().find(|other| other.labels == reading.labels)?;
                values.push(self.metric.figure(same.value));
            }
            if !values.iter().all(|value| value.is_finite()) {
                return None;
            }
            let reading = Reading { labels: reading.labels.clone(), value: values[0] };
            Some((reading, self.judge_all(&values)))
        });
        judged.collect()
    }

    /// Bad only where every one of `values` is.
    fn judge_all(&self, values: &[f64]) -> Judgement {
        let all = |limit| values.iter().all(|&value| self.comparison.holds(value, limit));
        if all(self.threshold) {
            Judgement::Bad
        } else if all(self.clear) {
            Judgement::Hesitant
        } else {
            Judgement::Good
        }
    }

    /// The sentence that tells of one alert.
    #[must_use]
    pub fn summary_of(&self, reading: &Reading) -> String {
        self.summary.render(self.metric.unit(), reading.value, &reading.labels)
    }
}
