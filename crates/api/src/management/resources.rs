//! What was looked at while a run went on: what Prony and a server beside it took, and what servers
//! told of themselves.

use archive::samples::{Source, Watched};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::extract::Id;
use super::problem::Problem;
use super::query::Asked;
use super::rollups::short;
use super::runs::{RunQuery, view};

/// What was looked at while a run went on, in the steps of its timeline.
#[derive(Serialize, ToSchema)]
pub(super) struct Resources {
    /// When the first step starts.
    start_unix_ms: u64,
    /// How long each is.
    step_ms: u64,
    /// What was looked at.
    sources: Vec<ResourceSource>,
}

/// Something that was looked at.
#[derive(Serialize, ToSchema)]
struct ResourceSource {
    /// What it is: `prony`, this server with its machine and GPUs; `process`, that of a target's
    /// server; or `server`, what a target's server or an exporter beside it tells of itself.
    kind: &'static str,
    /// The target, where it is one's.
    target: Option<String>,
    /// Its place among those of its kind and target.
    place: usize,
    /// Why it was last not seen; null where it always was.
    problem: Option<String>,
    /// What was seen.
    figures: Vec<ResourceFigure>,
}

/// Something that was seen, a value a step.
#[derive(Serialize, ToSchema)]
struct ResourceFigure {
    /// What it is, such as `cpu`, `memory`, `gpu_utilization`, `requests_waiting`, `kv_cache_usage` or
    /// `output_tokens`.
    name: &'static str,
    /// What it is measured in: `percent` (of CPU time, 100 is one core), `MiB`, `bytes/s`, `count`,
    /// `1/s`, `ms`, `W`, `MHz` or `°C`.
    unit: &'static str,
    /// Of which GPU, where it is of one.
    gpu: Option<u32>,
    /// Its value in each step; null where nobody looked.
    values: Vec<Option<f64>>,
}

impl From<&Watched> for ResourceSource {
    fn from(watched: &Watched) -> Self {
        let (kind, target, place) = match &watched.source {
            Source::Prony => ("prony", None, 0),
            Source::Process { target } => ("process", Some(target.clone()), 0),
            Source::Server { target, place } => ("server", Some(target.clone()), *place),
        };
        let figures = watched.columns.iter().map(|column| ResourceFigure {
            name: column.figure.name,
            unit: column.figure.unit.as_str(),
            gpu: column.gpu,
            values: column.values.iter().map(|value| value.map(short)).collect(),
        });
        Self { kind, target, place, problem: watched.problem.clone(), figures: figures.collect() }
    }
}

/// Shows what Prony and the servers took while a run went on
///
/// In the steps of the run's timeline. What is seen is kept every five seconds, so that of a run
/// under way the last moments are missing.
#[utoipa::path(
    get,
    path = "/benchmarks/{id}/resources",
    tag = "benchmarks",
    operation_id = "get_resources",
    params(("id" = String, Path, description = "The benchmark's id"), RunQuery),
    responses(
        (status = 200, body = Resources),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
    ),
)]
pub(super) async fn resources(
    State(app): State<App>,
    Id(id): Id,
    Asked(query): Asked<RunQuery>,
) -> Result<Json<Resources>, Problem> {
    let view = view(app, id, query.run).await?;
    Ok(Json(Resources {
        start_unix_ms: view.timeline.start_unix_ms,
        step_ms: view.timeline.step_ms,
        sources: view.watched.iter().map(Into::into).collect(),
    }))
}
