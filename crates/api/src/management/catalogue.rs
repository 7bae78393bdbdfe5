//! What benchmarks may name.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::availability::{AvailabilityEntry, MONTH};

/// A model that benchmarks may ask.
#[derive(Serialize, ToSchema)]
#[schema(as = Target)]
pub(super) struct TargetEntry {
    /// What benchmarks call it.
    name: String,
    /// Who serves it.
    provider: String,
    /// What requests call the model.
    model: String,
    /// The host it is reached at; null where it runs in the server's own process.
    url_host: Option<String>,
    /// Where it is.
    region: Option<String>,
    /// Labels to find it by.
    labels: BTreeMap<String, String>,
    /// How available it was in the last 30 days; null where no schedule asks it.
    availability: Option<AvailabilityEntry>,
}

/// Every target.
#[derive(Serialize, ToSchema)]
pub(super) struct TargetList {
    /// In the configuration's order.
    items: Vec<TargetEntry>,
}

/// Lists the targets that the configuration names
#[utoipa::path(
    get,
    path = "/targets",
    tag = "catalogue",
    operation_id = "list_targets",
    responses((status = 200, body = TargetList)),
)]
pub(super) async fn targets(State(app): State<App>) -> Json<TargetList> {
    let now_s = app.parts.clock.unix_nanos() / 1_000_000_000;
    let availability = |target: &str| {
        let book = &app.parts.availability;
        book.ask(|ledger| ledger.availability(target, MONTH, now_s)).map(AvailabilityEntry::from)
    };
    let entry = |target: &control::Target| TargetEntry {
        name: target.name.clone(),
        provider: target.provider.clone(),
        model: target.model.clone(),
        url_host: target.url_host.clone(),
        region: target.region.clone(),
        labels: target.labels.clone(),
        availability: availability(&target.name),
    };
    Json(TargetList { items: app.parts.catalogue.targets.iter().map(entry).collect() })
}

/// A source of prompts that benchmarks may name.
#[derive(Serialize, ToSchema)]
#[schema(as = Scenario)]
pub(super) struct ScenarioEntry {
    /// What benchmarks call it.
    name: String,
    /// What it is, in a sentence.
    description: String,
    /// How many different prompts it has; null where they are made as needed.
    prompts: Option<u64>,
}

/// Every scenario.
#[derive(Serialize, ToSchema)]
pub(super) struct ScenarioList {
    /// The named ones first, then the configuration's.
    items: Vec<ScenarioEntry>,
}

/// Lists the scenarios that benchmarks may name
#[utoipa::path(
    get,
    path = "/scenarios",
    tag = "catalogue",
    operation_id = "list_scenarios",
    responses((status = 200, body = ScenarioList)),
)]
pub(super) async fn scenarios(State(app): State<App>) -> Json<ScenarioList> {
    let entry = |scenario: &control::Scenario| ScenarioEntry {
        name: scenario.name.clone(),
        description: scenario.description.clone(),
        prompts: scenario.count,
    };
    Json(ScenarioList { items: app.parts.catalogue.scenarios.iter().map(entry).collect() })
}
