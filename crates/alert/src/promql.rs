//! A rule as PromQL over Prony's own metrics, so that Prometheus raises the same alerts.
//!
//! Where the two can differ: a latency's quantile comes from a histogram's buckets there, and between
//! two bounds it is interpolated; and a counter's first value counts for nothing there, so that Prony
//! shows its counters as zero before they count.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::label::Dimension;
use crate::question::{Filters, Latency, Quantity, Question};
use crate::rule::{Comparison, Metric, Rule};
use crate::span;

/// Requests that ended.
pub const REQUESTS: &str = "llm_requests_total";
/// Requests that failed.
pub const ERRORS: &str = "llm_request_errors_total";
/// What requests cost, in US dollars.
pub const COST: &str = "llm_cost_dollars_total";

/// The histogram of a latency, in seconds, and the label of those of its series that count.
#[must_use]
pub const fn histogram(latency: Latency) -> (&'static str, Option<(&'static str, &'static str)>) {
    match latency {
        Latency::E2e => ("llm_request_duration_seconds", Some(("outcome", "success"))),
        Latency::Ttft => ("llm_time_to_first_token_seconds", None),
        Latency::Tpot => ("llm_time_per_output_token_seconds", None),
    }
}

/// The expression that has a value for each group for which `rule` is bad.
#[must_use]
pub fn condition(rule: &Rule) -> String {
    let figures: Vec<String> =
        rule.questions().iter().map(|question| figure(rule.metric, question)).collect();
    let all = |limit: f64| {
        let held =
            figures.iter().map(|figure| format!("{figure} {} {}", rule.comparison.as_str(), limit));
        held.collect::<Vec<_>>().join("\nand\n")
    };
    let bad = all(rule.threshold);
    if rule.metric == Metric::NoTraffic && rule.group_by.is_empty() {
        let counter = format!("{REQUESTS}{}", selector(&rule.filters, None));
        return format!("{bad}\nor\nsum(absent({counter})) * 0");
    }
    if rule.clear.total_cmp(&rule.threshold).is_eq() || rule.comparison == Comparison::Equal {
        return bad;
    }
    // An alert that fires goes on for as long as it does not clear.
    let on = names(&rule.group_by);
    let firing = format!("ALERTS{{alertname=\"{}\", alertstate=\"firing\"}}", rule.name);
    format!("{bad}\nor\n{}\nand on ({on}) {firing}", all(rule.clear))
}

/// The metric's figure for each group.
fn figure(metric: Metric, question: &Question) -> String {
    let asked = quantity(question);
    match metric {
        Metric::BurnRate { objective, .. } => format!("{asked} / (1 - {objective})"),
        Metric::Latency { .. }
        | Metric::ErrorRate
        | Metric::RequestRate
        | Metric::CostPerHour
        | Metric::NoTraffic => asked,
    }
}

/// The figure that `question` asks for, for each group.
#[must_use]
pub fn quantity(question: &Question) -> String {
    let of_series = |function, metric: &str, own| {
        let selected = selector(&question.filters, own);
        format!("{function}({metric}{selected}[{}])", span::show(question.window))
    };
    let of = |function, metric| of_series(function, metric, None);
    let sum = by("sum", &question.group_by);
    match question.quantity {
        Quantity::LatencyQuantile { latency, quantile } => {
            let (metric, own) = histogram(latency);
            let labels = match &*names(&question.group_by) {
                "" => "le".to_owned(),
                names => format!("{names}, le"),
            };
            let rate = of_series("rate", &format!("{metric}_bucket"), own);
            format!("histogram_quantile({quantile}, sum by ({labels}) ({rate}))")
        }
        Quantity::ErrorRate => {
            format!("{sum}({}) / {sum}({})", of("rate", ERRORS), of("rate", REQUESTS))
        }
        Quantity::RequestRate => format!("{sum}({})", of("rate", REQUESTS)),
        Quantity::CostPerHour => {
            let hour = Duration::from_secs(3_600);
            let spent = format!("{sum}({})", of("increase", COST));
            let windows = hour.as_secs_f64() / question.window.as_secs_f64();
            if question.window == hour { spent } else { format!("{spent} * {windows}") }
        }
    }
}

fn by(aggregation: &str, group_by: &BTreeSet<Dimension>) -> String {
    match &*names(group_by) {
        "" => aggregation.to_owned(),
        names => format!("{aggregation} by ({names}) "),
    }
}

fn names(group_by: &BTreeSet<Dimension>) -> String {
    let names: Vec<&str> = group_by.iter().map(|dimension| dimension.as_str()).collect();
    names.join(", ")
}

/// As in `{model=~"large|small", source="gateway"}`; nothing where there is no filter. `own` is a label
/// of the metric besides the filters.
fn selector(filters: &Filters, own: Option<(&str, &str)>) -> String {
    let own = own.map(|(label, value)| format!("{label}={}", quoted(value)));
    let matchers = filters.iter().map(|(dimension, values)| {
        if let (Some(value), 1) = (values.first(), values.len()) {
            return format!("{dimension}={}", quoted(value));
        }
        let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
        format!("{dimension}=~{}", quoted(&values.join("|")))
    });
    let matchers: Vec<String> = own.into_iter().chain(matchers).collect();
    if matchers.is_empty() { String::new() } else { format!("{{{}}}", matchers.join(", ")) }
}

/// A string of PromQL, which escapes as Go does. Filters hold no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The regular expression (RE2) that matches `text` alone.
fn literal(text: &str) -> String {
    let mut expression = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\.+*?()|[]{}^$".contains(letter) {
            expression.push('\\');
        }
        expression.push(letter);
    }
    expression
}
