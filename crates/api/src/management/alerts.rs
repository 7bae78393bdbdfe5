//! What is not as it should be, and by which rules.

use std::collections::BTreeMap;

use alert::{AlertBook, AlertLabels, Comparison, Listed, Moment, Phase, Watched, fingerprint};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::deliveries::{self, DeliveryEntry};
use super::moment::rfc3339;

/// An alert.
#[derive(Serialize, ToSchema)]
#[schema(as = Alert)]
pub(super) struct AlertEntry {
    /// Its name for programs: the same as long as its labels are.
    id: String,
    /// The rule that it breaks.
    rule: String,
    /// How bad that is: `warning` or `critical`.
    severity: &'static str,
    /// How far it has come.
    #[schema(value_type = AlertState)]
    state: &'static str,
    /// What it is about, with the rule's name and severity.
    labels: BTreeMap<&'static str, String>,
    /// The latest figure that it had while it was bad.
    value: f64,
    /// From where on it is bad.
    threshold: f64,
    /// What both are measured in.
    unit: &'static str,
    /// Since when it has been bad, or was.
    #[schema(format = DateTime)]
    since: String,
    /// When it was good again.
    #[schema(format = DateTime)]
    resolved_at: Option<String>,
    /// What is wrong, in a sentence.
    summary: String,
    /// Until when nobody is told of it; null where somebody is.
    #[schema(format = DateTime)]
    silenced_until: Option<String>,
    /// The silence that lasts until then.
    silence_id: Option<String>,
}

/// How far an alert has come: it is bad, but not yet for as long as its rule holds; it has been for
/// long enough; or it is good again.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the words to readers; the values come from `alert`")]
enum AlertState {
    Pending,
    Firing,
    Resolved,
}

/// Every alert.
#[derive(Serialize, ToSchema)]
pub(super) struct AlertList {
    /// By rule; those that were resolved stay for a quarter of an hour.
    items: Vec<AlertEntry>,
    /// Who has been told of what, and whom it could not be told; nothing of those that have been told
    /// all there is.
    deliveries: Vec<DeliveryEntry>,
}

/// Lists alerts
#[utoipa::path(
    get,
    path = "/alerts",
    tag = "alerts",
    operation_id = "list_alerts",
    responses((status = 200, body = AlertList)),
)]
pub(super) async fn list(State(app): State<App>) -> Json<AlertList> {
    let now = Moment::now(&*app.parts.clock);
    let book = app.parts.alerts.lock();
    let items = book.list(now).iter().map(|listed| entry(&book, listed)).collect();
    Json(AlertList { items, deliveries: deliveries::all(&book) })
}

fn entry(book: &AlertBook, listed: &Listed<'_>) -> AlertEntry {
    let Listed { rule, alert, labels, summary, silenced_until } = listed;
    let (state, resolved_at) = match alert.phase {
        Phase::Pending => ("pending", None),
        Phase::Firing { .. } => ("firing", None),
        Phase::Resolved { resolved_at, .. } => ("resolved", Some(resolved_at)),
    };
    let names = labels.iter().map(|(label, value)| (label.as_str(), value.clone()));
    AlertEntry {
        id: fingerprint(labels),
        rule: rule.name.clone(),
        severity: rule.severity.as_str(),
        state,
        labels: names.collect(),
        value: alert.value,
        threshold: rule.threshold,
        unit: rule.metric.unit().as_str(),
        since: written(alert.since),
        resolved_at: resolved_at.map(written),
        summary: summary.clone(),
        silenced_until: silenced_until.map(written),
        silence_id: silenced_until.and_then(|until| silence_of(book, labels, until)),
    }
}

/// The silence that keeps an alert silent until then.
fn silence_of(book: &AlertBook, labels: &AlertLabels, until: Moment) -> Option<String> {
    let found = book.silences().iter().find(|silence| {
        silence.until == until && silence.matchers.iter().all(|matcher| matcher.matches(labels))
    });
    found.map(|silence| silence.id.to_string())
}

/// A moment on the wire.
pub(super) fn written(moment: Moment) -> String {
    rfc3339(moment.unix_ms().saturating_mul(1_000_000))
}

/// An alert rule.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertRule)]
pub(super) struct RuleEntry {
    /// Its name.
    name: String,
    /// The figure that it watches, such as `e2e_p95`.
    metric: String,
    /// On which side of the threshold that is bad: `above`, `below`, or `equal` to it.
    comparison: &'static str,
    /// From where on it is bad.
    threshold: f64,
    /// What it is measured in.
    unit: &'static str,
    /// Requests that ended within so long are watched.
    window_seconds: f64,
    /// How long it must be bad before an alert fires.
    for_seconds: f64,
    /// There is an alert for each combination of these that is bad.
    group_by: Vec<&'static str>,
    /// How bad that is: `warning` or `critical`.
    severity: &'static str,
    /// How it is told, with names in braces where values will be.
    summary: String,
    /// Why it could not be evaluated the last time.
    error: Option<String>,
}

/// Every alert rule.
#[derive(Serialize, ToSchema)]
pub(super) struct RuleList {
    /// In the configuration's order.
    items: Vec<RuleEntry>,
}

/// Lists alert rules
#[utoipa::path(
    get,
    path = "/alert-rules",
    tag = "alerts",
    operation_id = "list_alert_rules",
    responses((status = 200, body = RuleList)),
)]
pub(super) async fn rules(State(app): State<App>) -> Json<RuleList> {
    let book = app.parts.alerts.lock();
    Json(RuleList { items: book.rules().iter().map(RuleEntry::from).collect() })
}

impl From<&Watched> for RuleEntry {
    fn from(Watched { rule, error, .. }: &Watched) -> Self {
        Self {
            name: rule.name.clone(),
            metric: rule.metric.to_string(),
            comparison: match rule.comparison {
                Comparison::Above => "above",
                Comparison::Below => "below",
                Comparison::Equal => "equal",
            },
            threshold: rule.threshold,
            unit: rule.metric.unit().as_str(),
            window_seconds: rule.window.as_secs_f64(),
            for_seconds: rule.hold.as_secs_f64(),
            group_by: rule.group_by.iter().map(|dimension| dimension.as_str()).collect(),
            severity: rule.severity.as_str(),
            summary: rule.summary.to_string(),
            error: error.clone(),
        }
    }
}
