//! The bodies of HTTP messages.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::book::fingerprint;
use crate::label::{Label, Severity};
use crate::matcher::AlertLabels;
use crate::moment::Moment;
use crate::notice::{Message, Notice};

/// Slack shows no more attachments than this at once without a click.
const SLACK_ALERTS_MAX: usize = 20;

/// What Alertmanager writes for an end that is not known.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

fn named(labels: &AlertLabels) -> BTreeMap<&'static str, &str> {
    labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect()
}

/// The labels that all of the message's alerts have.
fn common(message: &Message) -> AlertLabels {
    let mut notices = message.notices.iter();
    let mut common = notices.next().map(|notice| notice.labels.clone()).unwrap_or_default();
    for notice in notices {
        common.retain(|label, value| notice.labels.get(label) == Some(value));
    }
    common
}

fn status(is_firing: bool) -> &'static str {
    if is_firing { "firing" } else { "resolved" }
}

fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers are JSON")
}

/// The body of Alertmanager's webhooks, version 4
/// (prometheus.io/docs/alerting/latest/configuration, "webhook_config").
pub(super) fn webhook(message: &Message, link: &str) -> Vec<u8> {
    let alert = |notice: &Notice| {
        json!({
            "status": status(notice.resolved_at.is_none()),
            "labels": named(&notice.labels),
            "annotations": { "summary": notice.summary },
            "startsAt": notice.fired_at.to_string(),
            "endsAt": notice.resolved_at.map_or(NO_TIME.to_owned(), |at| at.to_string()),
            "generatorURL": link,
            "fingerprint": fingerprint(&notice.labels),
        })
    };
    let matchers: Vec<String> =
        message.group.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let shared = message.notices.iter().all(|one| one.summary == message.notices[0].summary);
    let annotations =
        if shared { json!({ "summary": message.notices[0].summary }) } else { json!({}) };
    bytes(&json!({
        "version": "4",
        "groupKey": format!("{}:{{{}}}", message.receiver, matchers.join(", ")),
        "truncatedAlerts": 0,
        "status": status(message.is_firing()),
        "receiver": message.receiver,
        "groupLabels": named(&message.group),
        "commonLabels": named(&common(message)),
        "commonAnnotations": annotations,
        "externalURL": link,
        "alerts": message.notices.iter().map(alert).collect::<Vec<Value>>(),
    }))
}

/// The body of `POST /api/v2/alerts`. What fires is believed for as long as the message is valid.
pub(super) fn alertmanager(message: &Message, link: &str, now: Moment) -> Vec<u8> {
    let alert = |notice: &Notice| {
        json!({
            "labels": named(&notice.labels),
            "annotations": { "summary": notice.summary },
            "startsAt": notice.fired_at.to_string(),
            "endsAt": notice.resolved_at.unwrap_or(now + message.valid_for).to_string(),
            "generatorURL": link,
        })
    };
    bytes(&message.notices.iter().map(alert).collect::<Vec<Value>>())
}

/// The body of a Slack webhook: a line for everyone, and an attachment an alert.
pub(super) fn slack(message: &Message, link: &str) -> Vec<u8> {
    let attachment = |notice: &Notice| {
        let severity = notice.labels.get(&Label::Severity).map_or("", |severity| severity);
        let color = match notice.resolved_at {
            Some(_) => "good",
            None if severity == Severity::Critical.as_str() => "danger",
            None => "warning",
        };
        let text = match notice.resolved_at {
            Some(at) => format!("Resolved at {at}: {}", escaped(&notice.summary)),
            None => format!("{} (since {})", escaped(&notice.summary), notice.fired_at),
        };
        json!({ "color": color, "fallback": text, "text": text, "footer": severity })
    };
    let shown = message.notices.iter().take(SLACK_ALERTS_MAX);
    let mut attachments: Vec<Value> = shown.map(attachment).collect();
    if let more @ 1.. = message.notices.len().saturating_sub(SLACK_ALERTS_MAX) {
        let text = format!("and {more} more");
        attachments.push(json!({ "fallback": text, "text": text }));
    }
    let title = escaped(&message.title());
    let text = if link.is_empty() { title } else { format!("<{link}|{title}>") };
    bytes(&json!({ "text": text, "attachments": attachments }))
}

/// `text` with the three characters replaced that Slack takes for its own.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
