//! What the server says of itself.

use axum::extract::State;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use collect::metrics::Form;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::guard::Caller;
use super::moment::rfc3339;
use super::problem::Problem;
use super::query::Asked;

/// What there is to tell of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoreFacts {
    /// How many requests it has.
    pub records: u64,
    /// How much room it takes.
    pub bytes: u64,
    /// Where it is, as the configuration names it.
    pub path_hint: String,
    /// How many requests wait to be kept.
    pub waiting: u64,
    /// Why none can be kept at this moment; null where they are. Those that wait are tried again.
    pub problem: Option<String>,
}

/// The server.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerStatus {
    /// Prony's version.
    version: &'static str,
    /// When it was started.
    #[schema(format = DateTime)]
    started_at: String,
    /// How long ago that is.
    uptime_seconds: u64,
    /// The store.
    store: StoreFacts,
    /// Whether keys are asked for: `none` or `key`.
    auth: &'static str,
    /// What the caller may do: `viewer`, `operator` or `admin`.
    role: &'static str,
}

/// Tells what server this is, and what the caller may do
#[utoipa::path(
    get,
    path = "/status",
    tag = "server",
    operation_id = "get_status",
    responses((status = 200, body = ServerStatus)),
)]
pub(super) async fn status(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Json<ServerStatus> {
    let now = app.parts.clock.unix_nanos();
    Json(ServerStatus {
        version: env!("CARGO_PKG_VERSION"),
        started_at: rfc3339(app.started_unix_nanos),
        uptime_seconds: now.saturating_sub(app.started_unix_nanos) / 1_000_000_000,
        store: (app.parts.store)(),
        auth: if app.parts.keys.is_empty() { "none" } else { "key" },
        role: caller.role.as_str(),
    })
}

/// Which form of the metrics is asked for by name.
#[derive(Deserialize)]
pub(super) struct MetricsQuery {
    format: Option<String>,
}

/// The metrics, in the form that was asked for.
pub(super) async fn metrics(
    State(app): State<App>,
    Asked(query): Asked<MetricsQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let form = Form::choose(query.format.as_deref(), accept).map_err(|error| {
        Problem::bad_request(error.to_string(), "leave `format` out for Prometheus' text")
    })?;
    Ok(([(CONTENT_TYPE, form.content_type())], form.encode(&(app.parts.metrics)())))
}

/// Whether the server serves.
pub(super) async fn health() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], r#"{"status":"ok"}"#)
}
