//! What receivers of alerts have been told, and what keeps them from being told.

use std::collections::BTreeMap;

use alert::{AlertBook, AlertLabels, Group, Moment, Route};
use serde::Serialize;
use utoipa::ToSchema;

use super::alerts::written;

/// What one receiver is told of alerts that go together.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertDelivery)]
pub(super) struct DeliveryEntry {
    /// The receiver's name.
    receiver: String,
    /// What the alerts have in common.
    labels: BTreeMap<&'static str, String>,
    /// Of how many alerts it knows, or may know, that they fire or did.
    known: u64,
    /// When a message last arrived.
    #[schema(format = DateTime)]
    told_at: Option<String>,
    /// How many messages in a row have failed since.
    failures: u32,
    /// When the last of those failed.
    #[schema(format = DateTime)]
    failed_at: Option<String>,
    /// From when on it is tried again.
    #[schema(format = DateTime)]
    retry_at: Option<String>,
    /// What was wrong.
    error: Option<String>,
}

/// What every receiver is told, by receiver; nothing of those that have been told all there is.
pub(super) fn all(book: &AlertBook) -> Vec<DeliveryEntry> {
    book.deliveries().map(|(route, labels, group)| entry(route, labels, group)).collect()
}

fn entry(route: &Route, labels: &AlertLabels, group: &Group) -> DeliveryEntry {
    let trouble = &group.trouble;
    let at = |moment: Option<Moment>| moment.map(written);
    DeliveryEntry {
        receiver: route.receiver.clone(),
        labels: labels.iter().map(|(label, value)| (label.as_str(), value.clone())).collect(),
        known: group.told.len() as u64,
        told_at: at(group.told_at),
        failures: trouble.failures,
        failed_at: at(trouble.failed_at),
        retry_at: at(trouble.failed_at.map(|failed_at| failed_at + trouble.pause)),
        error: trouble.error.clone(),
    }
}
