//! One run of a benchmark as a whole: over its time, and by its latencies.
#![expect(unused_qualifications, reason = "the macro of the paths qualifies what it is given")]

use std::sync::Arc;

use archive::history::{Latency, RunView};
use archive::samples::{Source, Watched};
use axum::Json;
use axum::extract::State;
use control::{Benchmark, BenchmarkId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::extract::{Id, blocking, no_such_benchmark};
use super::problem::Problem;
use super::query::{Asked, word};
use super::rollups::{QuantileColumns, short};

/// How long after a benchmark's end no more of its records can come.
const SETTLED_NANOS: u64 = 5_000_000_000;

/// Which run is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RunQuery {
    /// The run's place in the benchmark's results, counted from 0, which is taken where nothing is
    /// given.
    pub(super) run: Option<u64>,
}

/// Which run is asked for, and which of its latencies.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LatencyQuery {
    /// The run's place in the benchmark's results, counted from 0, which is taken where nothing is
    /// given.
    run: Option<u64>,
    /// `ttft`, `tpot`, `itl` or `e2e`; of a heatmap, `ttft` or `itl`. Left out it is `ttft`.
    metric: Option<String>,
}

impl LatencyQuery {
    fn latency<const N: usize>(&self, all: [Latency; N]) -> Result<Latency, Problem> {
        let given = self.metric.as_deref().unwrap_or(Latency::Ttft.as_str());
        word("metric", given, all, Latency::as_str)
    }
}

/// The benchmark, where it has such a run.
pub(super) fn with_run(app: &App, id: BenchmarkId, run: u64) -> Result<Benchmark, Problem> {
    let benchmark = app.parts.benchmarks.get(id).ok_or_else(|| no_such_benchmark(&id))?;
    let runs = benchmark.progress.runs_total;
    if usize::try_from(run).is_ok_and(|run| run < runs) {
        return Ok(benchmark);
    }
    let detail = format!("the benchmark has no run {run}");
    Err(Problem::not_found(detail, format!("it has {runs}, counted from 0")))
}

/// The run as a whole.
pub(super) async fn view(
    app: App,
    id: BenchmarkId,
    run: Option<u64>,
) -> Result<Arc<RunView>, Problem> {
    let run = run.unwrap_or(0);
    let benchmark = with_run(&app, id, run)?;
    let now = app.parts.clock.unix_nanos();
    let ended = benchmark.finished_unix_nanos;
    let is_over = ended.is_some_and(|ended| now.saturating_sub(ended) > SETTLED_NANOS);
    let history = app.parts.history;
    blocking(move || history.run(&id.to_string(), run, is_over)).await
}

/// A run over its time, a value a step; null where nothing was.
#[derive(Serialize, ToSchema)]
pub(super) struct Timeline {
    /// When the first step starts.
    start_unix_ms: u64,
    /// How long each is.
    step_ms: u64,
    /// Requests that ended a second.
    requests_per_second: Vec<f64>,
    /// Of these, those that failed.
    errors_per_second: Vec<f64>,
    /// Tokens that came a second.
    output_tokens_per_second: Vec<f64>,
    /// Requests in flight, in the mean.
    in_flight: Vec<f64>,
    /// Time to the first token, of requests that ended in the step.
    ttft_ms: QuantileColumns,
    /// Time per output token.
    tpot_ms: QuantileColumns,
    /// End-to-end latency.
    e2e_ms: QuantileColumns,
    /// CPU that Prony took, in percent of a core; null where nobody looked.
    cpu_percent: Vec<Option<f64>>,
    /// Memory that Prony took; null where nobody looked.
    memory_mib: Vec<Option<f64>>,
}

impl From<&RunView> for Timeline {
    fn from(view: &RunView) -> Self {
        let timeline = &view.timeline;
        let column = |values: &[f64]| values.iter().copied().map(short).collect();
        let prony = view.watched.iter().find(|watched| watched.source == Source::Prony);
        let seen = |name: &str| match prony.and_then(|prony: &Watched| prony.values(name)) {
            Some(values) => values.iter().map(|value| value.map(short)).collect(),
            None => vec![None; timeline.requests_per_second.len()],
        };
        Self {
            start_unix_ms: timeline.start_unix_ms,
            step_ms: timeline.step_ms,
            requests_per_second: column(&timeline.requests_per_second),
            errors_per_second: column(&timeline.errors_per_second),
            output_tokens_per_second: column(&timeline.output_tokens_per_second),
            in_flight: column(&timeline.in_flight),
            ttft_ms: (&timeline.ttft_ms).into(),
            tpot_ms: (&timeline.tpot_ms).into(),
            e2e_ms: (&timeline.e2e_ms).into(),
            cpu_percent: seen("cpu"),
            memory_mib: seen("memory"),
        }
    }
}

/// Shows a run over its time, in at most 300 steps of a second or more
///
/// Requests sent to warm up are left out. A run under way is shown as far as it has come.
#[utoipa::path(
    get,
    path = "/benchmarks/{id}/timeline",
    tag = "benchmarks",
    operation_id = "get_timeline",
    params(("id" = String, Path, description = "The benchmark's id"), RunQuery),
    responses((status = 200, body = Timeline)),
)]
pub(super) async fn timeline(
    State(app): State<App>,
    Id(id): Id,
    Asked(query): Asked<RunQuery>,
) -> Result<Json<Timeline>, Problem> {
    let view = view(app, id, query.run).await?;
    Ok(Json((&*view).into()))
}

/// How a latency is distributed over a run.
#[derive(Serialize, ToSchema)]
pub(super) struct Distribution {
    /// Which latency: `ttft`, `tpot`, `itl` or `e2e`.
    metric: &'static str,
    /// What it is measured in: `ms`.
    unit: &'static str,
    /// The bounds of the buckets, ascending, one more than `counts`; each bucket holds its upper
    /// bound.
    bounds: Vec<f64>,
    /// How many values lie in each bucket.
    counts: Vec<u64>,
    /// The curve of percentiles.
    percentiles: PercentileCurve,
}

/// A latency by the share of requests that kept it.
#[derive(Serialize, ToSchema)]
struct PercentileCurve {
    /// Shares from 0 to 1, ascending: beyond 0.999 only as far as there are values enough.
    quantile: Vec<f64>,
    /// The latency at each; null where there is no value at all.
    value: Vec<Option<f64>>,
}

/// Shows how a latency is distributed over a run
#[utoipa::path(
    get,
    path = "/benchmarks/{id}/distribution",
    tag = "benchmarks",
    operation_id = "get_distribution",
    params(("id" = String, Path, description = "The benchmark's id"), LatencyQuery),
    responses((status = 200, body = Distribution)),
)]
pub(super) async fn distribution(
    State(app): State<App>,
    Id(id): Id,
    Asked(query): Asked<LatencyQuery>,
) -> Result<Json<Distribution>, Problem> {
    let latency = query.latency(Latency::ALL)?;
    let view = view(app, id, query.run).await?;
    let distribution = view.distribution(latency);
    Ok(Json(Distribution {
        metric: latency.as_str(),
        unit: "ms",
        bounds: distribution.bounds_ms.clone(),
        counts: distribution.counts.clone(),
        percentiles: PercentileCurve {
            quantile: distribution.shares.clone(),
            value: distribution.values_ms.iter().map(|ms| ms.map(short)).collect(),
        },
    }))
}

/// How a latency is distributed in each step of a run's time.
#[derive(Serialize, ToSchema)]
pub(super) struct Heatmap {
    /// When the first step starts.
    start_unix_ms: u64,
    /// How long each is.
    step_ms: u64,
    /// The bounds of the buckets, ascending.
    bounds_ms: Vec<f64>,
    /// How many values lie in each bucket: by step, then by bucket.
    counts: Vec<Vec<u64>>,
}

/// Shows how a latency is distributed in each step of a run's time
#[utoipa::path(
    get,
    path = "/benchmarks/{id}/heatmap",
    tag = "benchmarks",
    operation_id = "get_heatmap",
    params(("id" = String, Path, description = "The benchmark's id"), LatencyQuery),
    responses((status = 200, body = Heatmap)),
)]
pub(super) async fn heatmap(
    State(app): State<App>,
    Id(id): Id,
    Asked(query): Asked<LatencyQuery>,
) -> Result<Json<Heatmap>, Problem> {
    let latency = query.latency([Latency::Ttft, Latency::Itl])?;
    let view = view(app, id, query.run).await?;
    let heatmap = view.heatmap(latency);
    Ok(Json(Heatmap {
        start_unix_ms: heatmap.start_unix_ms,
        step_ms: heatmap.step_ms,
        bounds_ms: heatmap.bounds_ms.clone(),
        counts: heatmap.counts.clone(),
    }))
}
