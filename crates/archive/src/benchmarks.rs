//! Keeps benchmarks: each as a document of its own, and as a row of the table `runs` for whoever
//! asks in SQL.

use std::sync::Arc;
use std::time::Duration;

use control::{
    Benchmark, BenchmarkId, Idempotency, Keeper, KeeperError, Problem, Progress, Status,
};
use domain::Exchange;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::durable::{DurableError, RecordFilter, Run, RunStatus, Store};

/// The kind of document that a benchmark is kept as.
pub(crate) const KIND: &str = "benchmark";

/// Keeps benchmarks in a store.
#[derive(Clone, Debug)]
pub struct BenchmarkKeeper {
    store: Arc<Store>,
}

/// What a document has of a benchmark that the row of `runs` has no column for.
#[derive(Serialize, Deserialize)]
struct Document {
    targets: Vec<String>,
    scenarios: Vec<String>,
    progress: Kept,
    problem: Option<[String; 3]>,
    idempotency: Option<[String; 2]>,
}

/// How far a benchmark is, as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    share: f64,
    runs_done: usize,
    runs_total: usize,
    elapsed_ms: u64,
    completed: u64,
    failed: u64,
}

impl BenchmarkKeeper {
    pub(crate) const fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    fn restored(&self, run: Run) -> Result<Option<Benchmark>, DurableError> {
        let Some(document) = self.store.reader().document(KIND, &run.id)? else { return Ok(None) };
        Ok(restored(run, &document.body))
    }
}

impl Keeper for BenchmarkKeeper {
    fn load(&self) -> Result<Vec<Benchmark>, KeeperError> {
        let mut benchmarks = Vec::new();
        for run in self.store.reader().runs().map_err(told)? {
            benchmarks.extend(self.restored(run).map_err(told)?);
        }
        Ok(benchmarks)
    }

    fn save(&self, benchmark: &Benchmark) -> Result<(), KeeperError> {
        let id = benchmark.id.to_string();
        let body = serde_json::to_string(&document(benchmark)).expect("it is plain data");
        // First, so that whatever is in the table has one.
        self.store.put_document(KIND, &id, &body).map_err(told)?;
        let known = self.store.reader().run(&id).map_err(told)?;
        let is_new = known.is_none();
        let row = row(benchmark, known.and_then(|run| run.summary));
        let kept = if is_new { self.store.create_run(&row) } else { self.store.update_run(&row) };
        kept.map_err(told)
    }

    fn add_run(&self, id: BenchmarkId, run: &Value) -> Result<(), KeeperError> {
        let id = id.to_string();
        let Some(mut row) = self.store.reader().run(&id).map_err(told)? else { return Ok(()) };
        let mut runs = runs(&row);
        runs.push(run.clone());
        row.summary = Some(Value::Array(runs).to_string());
        self.store.update_run(&row).map_err(told)
    }

    fn runs(&self, id: BenchmarkId) -> Result<Vec<Value>, KeeperError> {
        let row = self.store.reader().run(&id.to_string()).map_err(told)?;
        Ok(row.as_ref().map(runs).unwrap_or_default())
    }

    fn records(
        &self,
        id: BenchmarkId,
        take: &mut dyn FnMut(u64, &Exchange),
    ) -> Result<(), KeeperError> {
        let of_run = RecordFilter::run(&id.to_string());
        let handed_over = self.store.reader().pick(&of_run, |record| {
            take(record.provenance.label.run, &record.exchange);
            Ok(())
        });
        handed_over.map(drop).map_err(told)
    }

    fn remove(&self, id: BenchmarkId) -> Result<(), KeeperError> {
        let id = id.to_string();
        match self.store.delete_run(&id) {
            Ok(_) | Err(DurableError::UnknownRun { .. }) => {}
            Err(error) => return Err(told(error)),
        }
        self.store.remove_document(KIND, &id).map(drop).map_err(told)
    }
}

fn runs(row: &Run) -> Vec<Value> {
    row.summary.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn document(benchmark: &Benchmark) -> Document {
    let Progress { share, runs_done, runs_total, elapsed, completed, failed, .. } =
        benchmark.progress;
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let problem = benchmark.problem.clone().map(|problem| {
        let Problem { title, detail, hint } = problem;
        [title, detail, hint]
    });
    Document {
        targets: benchmark.targets.clone(),
        scenarios: benchmark.scenarios.clone(),
        progress: Kept { share, runs_done, runs_total, elapsed_ms, completed, failed },
        problem,
        idempotency: benchmark.idempotency.clone().map(|known| [known.key, known.digest]),
    }
}

fn row(benchmark: &Benchmark, summary: Option<String>) -> Run {
    Run {
        id: benchmark.id.to_string(),
        name: benchmark.name.clone(),
        status: stored(benchmark.status),
        request: benchmark.request.to_string(),
        summary,
        labels: benchmark.labels.clone(),
        created_unix_ns: benchmark.created_unix_nanos,
        started_unix_ns: benchmark.started_unix_nanos,
        finished_unix_ns: benchmark.finished_unix_nanos,
    }
}

/// The benchmark that a row and a document are of; `None` where they are of something else.
fn restored(run: Run, body: &str) -> Option<Benchmark> {
    let Document { targets, scenarios, progress, problem, idempotency } =
        serde_json::from_str(body).ok()?;
    let Kept { share, runs_done, runs_total, elapsed_ms, completed, failed } = progress;
    Some(Benchmark {
        id: run.id.parse().ok()?,
        name: run.name,
        request: serde_json::from_str(&run.request).ok()?,
        targets,
        scenarios,
        labels: run.labels,
        status: Status::from_word(run.status.as_str())?,
        created_unix_nanos: run.created_unix_ns,
        started_unix_nanos: run.started_unix_ns,
        finished_unix_nanos: run.finished_unix_ns,
        progress: Progress {
            share,
            runs_done,
            elapsed: Duration::from_millis(elapsed_ms),
            completed,
            failed,
            ..Progress::none(runs_total)
        },
        problem: problem.map(|[title, detail, hint]| Problem { title, detail, hint }),
        idempotency: idempotency.map(|[key, digest]| Idempotency { key, digest }),
    })
}

const fn stored(status: Status) -> RunStatus {
    match status {
        Status::Queued => RunStatus::Queued,
        Status::Running => RunStatus::Running,
        Status::Completed => RunStatus::Completed,
        Status::Failed => RunStatus::Failed,
        Status::Cancelled => RunStatus::Cancelled,
        Status::Interrupted => RunStatus::Interrupted,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
fn told(error: DurableError) -> KeeperError {
    let hint = error.hint().to_owned();
    KeeperError { problem: error.to_string(), hint }
}
