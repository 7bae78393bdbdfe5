//! A benchmark as it is told to clients.

use control::{Benchmark, BenchmarkId, Progress};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::BASE;
use super::form::BenchmarkForm;
use super::moment::{rfc3339, seconds};

/// A benchmark.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Benchmark)]
pub(super) struct BenchmarkEntry {
    /// Its name for programs.
    #[schema(example = "18867251edfa0000")]
    id: String,
    /// Its name for people.
    name: String,
    /// Where it stands.
    #[schema(value_type = StatusWord)]
    status: &'static str,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its turn came.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    /// What was asked for, defaults filled in.
    #[schema(value_type = BenchmarkForm)]
    request: Value,
    /// How far it is, or was when it ended.
    progress: ProgressEntry,
    /// Why it failed.
    error: Option<ErrorEntry>,
    /// Where more stands.
    links: Links,
}

/// Where a benchmark stands: it waits, runs, or has ended. An `interrupted` one lost its server; what
/// was measured until then stands.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the words to readers; the values come from `control`")]
pub(super) enum StatusWord {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
    Interrupted,
}

/// How far a benchmark is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Progress)]
pub(super) struct ProgressEntry {
    /// The share that is done, 0 to 1.
    share: f64,
    /// How many runs have ended.
    runs_done: usize,
    /// How many there are.
    runs_total: usize,
    /// The time it has taken.
    elapsed_seconds: f64,
    /// The time it will take from now on; null where nothing says so yet.
    remaining_seconds: Option<f64>,
    /// The run under way.
    current: Option<CurrentEntry>,
    /// Requests that succeeded.
    completed: u64,
    /// Requests that failed.
    failed: u64,
    /// Requests under way.
    in_flight: u64,
}

/// The run under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Current)]
pub(super) struct CurrentEntry {
    /// The target it asks.
    model: String,
    /// The scenario of its prompts.
    scenario: String,
    /// Its load, in words.
    #[schema(example = "concurrency=100")]
    load: String,
}

/// Why a benchmark failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = BenchmarkError)]
struct ErrorEntry {
    /// What kind of thing went wrong.
    title: String,
    /// What exactly.
    detail: String,
    /// What to do about it.
    hint: String,
}

/// Where more stands about a benchmark.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Links {
    /// This.
    #[serde(rename = "self")]
    itself: String,
    /// What it came to.
    results: String,
    /// Its first run over its time.
    timeline: String,
    /// Its requests one by one.
    records: String,
    /// What those asked and were answered, where that is kept.
    content: String,
}

impl From<&Progress> for ProgressEntry {
    fn from(progress: &Progress) -> Self {
        Self {
            share: (progress.share * 1e4).round() / 1e4,
            runs_done: progress.runs_done,
            runs_total: progress.runs_total,
            elapsed_seconds: seconds(progress.elapsed),
            remaining_seconds: progress.remaining.map(seconds),
            current: progress.current.as_ref().map(|current| CurrentEntry {
                model: current.target.clone(),
                scenario: current.scenario.clone(),
                load: current.load.clone(),
            }),
            completed: progress.completed,
            failed: progress.failed,
            in_flight: progress.in_flight,
        }
    }
}

impl From<Benchmark> for BenchmarkEntry {
    fn from(benchmark: Benchmark) -> Self {
        let itself = link(benchmark.id);
        Self {
            id: benchmark.id.to_string(),
            name: benchmark.name,
            status: benchmark.status.as_str(),
            created_at: rfc3339(benchmark.created_unix_nanos),
            started_at: benchmark.started_unix_nanos.map(rfc3339),
            finished_at: benchmark.finished_unix_nanos.map(rfc3339),
            request: benchmark.request,
            progress: ProgressEntry::from(&benchmark.progress),
            error: benchmark.problem.map(|problem| ErrorEntry {
                title: problem.title,
                detail: problem.detail,
                hint: problem.hint,
            }),
            links: Links {
                results: format!("{itself}/results"),
                timeline: format!("{itself}/timeline"),
                records: format!("{itself}/records"),
                content: format!("{itself}/content"),
                itself,
            },
        }
    }
}

/// Where a benchmark is found.
pub(super) fn link(id: BenchmarkId) -> String {
    format!("{BASE}/benchmarks/{id}")
}
