//! Two hours of made-up traffic, as counters that grow by a step every 30 s, and what a rule's
//! questions have for an answer.

use std::collections::{BTreeMap, BTreeSet};

use alert::{Dimension, Labels, Latency, Quantity, Question, Reading};
use serde_json::{Value, json};

/// Seconds between two samples.
pub(crate) const STEP_S: u64 = 30;
/// Samples after the first.
pub(crate) const STEPS: usize = 240;

/// Upper bounds of most histograms' buckets, in seconds; the last bucket has none.
const BOUNDS: [f64; 7] = [0.25, 0.5, 1.0, 1.75, 2.0, 2.5, 5.0];

fn bounds(latency: Latency) -> [f64; 7] {
    match latency {
        Latency::E2e | Latency::Ttft => BOUNDS,
        Latency::Tpot => [0.0025, 0.005, 0.01, 0.0175, 0.02, 0.025, 0.05],
    }
}

/// What one series does in a step.
#[derive(Clone, Copy, Default)]
struct Step {
    requests: f64,
    errors: f64,
    /// How long each request takes.
    seconds: f64,
    cost: f64,
}

/// One series: its labels and its steps.
struct Series {
    labels: Labels,
    steps: Vec<Step>,
}

/// The traffic of all series.
pub(crate) struct Traffic(Vec<Series>);

fn labels(model: &str, provider: &str, region: &str, source: &str) -> Labels {
    [
        (Dimension::Model, model),
        (Dimension::Provider, provider),
        (Dimension::Region, region),
        (Dimension::Scenario, "chat"),
        (Dimension::Source, source),
    ]
    .into_iter()
    .map(|(dimension, value)| (dimension, value.to_owned()))
    .collect()
}

impl Traffic {
    /// A model with every trouble there is, one by one; one that stays well; and a load test.
    pub(crate) fn new() -> Self {
        let usual = Step { requests: 60.0, errors: 0.0, seconds: 0.4, cost: 0.25 };
        let minutes = |step: usize| step as u64 * STEP_S / 60;
        let troubled = (1..=STEPS).map(|step| match minutes(step) {
            10..25 => Step { seconds: 3.0, ..usual },
            25..35 => Step { seconds: 1.9, ..usual },
            45..60 => Step { errors: 6.0, ..usual },
            60..62 => Step { errors: 2.7, ..usual },
            70..90 => Step::default(),
            95..105 => Step { cost: 3.0, ..usual },
            _ => usual,
        });
        let well = (1..=STEPS).map(|_| Step { errors: 0.01, ..usual });
        let test = (1..=STEPS).map(|step| match minutes(step) {
            20..30 => Step { requests: 300.0, errors: 60.0, ..usual },
            _ => Step::default(),
        });
        Self(vec![
            Series {
                labels: labels("m-4.1 (\"x\")", "a", "eu", "gateway"),
                steps: troubled.collect(),
            },
            Series { labels: labels("large", "b", "", "canary"), steps: well.collect() },
            Series { labels: labels("large", "a", "us", "bench"), steps: test.collect() },
        ])
    }

    /// The counters as promtool's `input_series`.
    pub(crate) fn input_series(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for series in &self.0 {
            let mut push = |name: &str, own: &[(&str, &str)], of: &dyn Fn(&Step) -> f64| {
                let labels = series
                    .labels
                    .iter()
                    .filter(|(_, value)| !value.is_empty())
                    .map(|(dimension, value)| (dimension.as_str(), value.as_str()));
                let labels = labels.chain(own.iter().copied());
                let labels: Vec<String> =
                    labels.map(|(label, value)| format!("{label}={value:?}")).collect();
                let mut sum = 0.0;
                let mut values = vec!["0".to_owned()];
                values.extend(series.steps.iter().map(|step| {
                    sum += of(step);
                    f64::to_string(&sum)
                }));
                all.push(json!({
                    "series": format!("{name}{{{}}}", labels.join(",")),
                    "values": values.join(" "),
                }));
            };
            push("llm_requests_total", &[("outcome", "success")], &|step| {
                step.requests - step.errors
            });
            push("llm_requests_total", &[("outcome", "failure")], &|step| step.errors);
            push("llm_request_errors_total", &[("kind", "timeout")], &|_| 0.0);
            push("llm_request_errors_total", &[("kind", "overloaded")], &|step| step.errors);
            push("llm_cost_dollars_total", &[], &|step| step.cost);
            // What failed took no time at all, and must not count as fast.
            for le in BOUNDS.map(|bound| bound.to_string()).iter().map(|le| &**le).chain(["+Inf"]) {
                let labels = [("outcome", "failure"), ("le", le)];
                push("llm_request_duration_seconds_bucket", &labels, &|step| step.errors * 100.0);
            }
            for latency in [Latency::E2e, Latency::Ttft, Latency::Tpot] {
                let (name, own) = alert::promql::histogram(latency);
                let name = format!("{name}_bucket");
                let mut push = |le: &str, of: &dyn Fn(&Step) -> f64| {
                    let labels: Vec<_> = own.into_iter().chain([("le", le)]).collect();
                    push(&name, &labels, of);
                };
                for bound in bounds(latency) {
                    push(&bound.to_string(), &|step| {
                        if seconds(step, latency) <= bound { step.requests } else { 0.0 }
                    });
                }
                push("+Inf", &|step| step.requests);
            }
        }
        all
    }

    /// The answer to `question` at sample `at`: each group's growth since a window ago.
    ///
    /// # Errors
    /// Of one sample alone it cannot be said.
    pub(crate) fn answer(&self, question: &Question, at: usize) -> Result<Vec<Reading>, String> {
        let mut groups: BTreeMap<Labels, Vec<Step>> = BTreeMap::new();
        for series in self.0.iter().filter(|series| passes(series, &question.filters)) {
            if at == 0 {
                return Err("a counter needs two samples to have grown".to_owned());
            }
            let mut labels = series.labels.clone();
            labels.retain(|dimension, _| question.group_by.contains(dimension));
            let steps = (question.window.as_secs() / STEP_S) as usize;
            let window = &series.steps[at.saturating_sub(steps)..at];
            groups.entry(labels).or_default().extend(window);
        }
        let readings = groups.into_iter().filter_map(|(labels, steps)| {
            let value = value(question, &steps)?;
            Some(Reading { labels, value })
        });
        Ok(readings.collect())
    }
}

/// A request's latency of this kind.
fn seconds(step: &Step, latency: Latency) -> f64 {
    match latency {
        Latency::E2e => step.seconds,
        Latency::Ttft => step.seconds / 2.0,
        Latency::Tpot => step.seconds / 100.0,
    }
}

fn passes(series: &Series, filters: &BTreeMap<Dimension, BTreeSet<String>>) -> bool {
    filters.iter().all(|(dimension, values)| values.contains(&series.labels[dimension]))
}

fn value(question: &Question, steps: &[Step]) -> Option<f64> {
    let sum = |of: fn(&Step) -> f64| steps.iter().map(of).sum::<f64>();
    let requests = sum(|step| step.requests);
    let window_s = question.window.as_secs_f64();
    match question.quantity {
        Quantity::RequestRate => Some(requests / window_s),
        Quantity::CostPerHour => Some(sum(|step| step.cost) * 3_600.0 / window_s),
        Quantity::ErrorRate => (requests > 0.0).then(|| sum(|step| step.errors) / requests),
        Quantity::LatencyQuantile { latency, quantile } => {
            let upto = |bound: f64| {
                let kept = steps.iter().filter(|step| seconds(step, latency) <= bound);
                kept.map(|step| step.requests).sum::<f64>()
            };
            (requests > 0.0).then(|| {
                let bounds = bounds(latency);
                interpolated(&bounds, &bounds.map(upto), quantile * requests)
            })
        }
    }
}

/// Where the request of `rank` lies, between the bounds of its bucket, as Prometheus'
/// `histogram_quantile` has it.
fn interpolated(bounds: &[f64], upto: &[f64], rank: f64) -> f64 {
    let Some(bucket) = upto.iter().position(|&upto| upto >= rank) else {
        return bounds[bounds.len() - 1];
    };
    let (lower, before) = match bucket {
        0 => (0.0, 0.0),
        _ => (bounds[bucket - 1], upto[bucket - 1]),
    };
    lower + (bounds[bucket] - lower) * (rank - before) / (upto[bucket] - before)
}
