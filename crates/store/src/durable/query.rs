//! Questions in SQL: the tables `requests` and `runs`, as they are at one moment.
//!
//! `requests` has the columns of the exports, and before them `run_id`, `provider`,
//! `target_region`, `vantage_region` and `source`. Nothing can be changed with a query, and no other
//! file can be read.

mod answer;
mod requests;
mod runs;

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};

use super::DurableError;
use super::partition;
use super::reader::{Reader, Snapshot};
pub use answer::{Answer, AnswerFormat};
use requests::Requests;

/// What a query may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// The most rows of an answer.
    pub rows: usize,
    /// The most memory that sorting, grouping and joining take together.
    pub memory_bytes: usize,
    /// How many threads of the runtime work on it at once.
    pub threads: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { rows: 100_000, memory_bytes: 1 << 30, threads }
    }
}

impl Reader {
    /// Answers a query. Partitions that are damaged are left out, and the answer names them.
    ///
    /// It needs a runtime of tokio, and keeps it busy: not the one that requests are timed on.
    ///
    /// # Errors
    /// Where the query is wrong, asks to change something, or needs more than the limits allow.
    pub async fn query(&self, sql: &str, limits: QueryLimits) -> Result<Answer, DurableError> {
        let mut snapshot = self.snapshot_aside().await?;
        let runs = self.runs()?;
        match answer(sql, limits, Arc::clone(&snapshot), &runs).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let left_out = leave_out_damaged(&mut snapshot);
                if left_out.is_empty() {
                    return Err(query_error(&error));
                }
                let answer = answer(sql, limits, snapshot, &runs).await;
                let mut answer = answer.map_err(|error| query_error(&error))?;
                answer.left_out = left_out;
                Ok(answer)
            }
        }
    }

    /// Takes a snapshot on a thread that may block.
    async fn snapshot_aside(&self) -> Result<Arc<Snapshot>, DurableError> {
        let reader = self.clone();
        match tokio::task::spawn_blocking(move || reader.snapshot()).await {
            Ok(snapshot) => snapshot.map(Arc::new),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(DurableError::Query { message: error.to_string() }),
            },
        }
    }
}

/// Takes damaged partitions out of a snapshot, and returns their files.
fn leave_out_damaged(snapshot: &mut Arc<Snapshot>) -> Vec<PathBuf> {
    // Only a query that is over has another reference, and it has none.
    let Some(snapshot) = Arc::get_mut(snapshot) else { return Vec::new() };
    let mut left_out = Vec::new();
    let folder = &snapshot.folder;
    snapshot.partitions.retain(|partition| {
        let is_sound = partition::verify(folder, partition).is_ok();
        if !is_sound {
            left_out.push(folder.join(&partition.file.name));
        }
        is_sound
    });
    left_out
}

async fn answer(
    sql: &str,
    limits: QueryLimits,
    snapshot: Arc<Snapshot>,
    runs: &[super::Run],
) -> Result<Answer, DataFusionError> {
    let context = context(limits)?;
    context.register_table("requests", Arc::new(Requests::new(snapshot, &context)?))?;
    context.register_table("runs", Arc::new(runs::table(runs)?))?;
    let reading =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(sql, reading).await?;
    let schema = Arc::clone(frame.schema().inner());
    // One more, to see whether there are more.
    let batches = frame.limit(0, Some(limits.rows.saturating_add(1)))?.collect().await?;
    Ok(Answer::new(schema, batches, limits.rows))
}

fn context(limits: QueryLimits) -> Result<SessionContext, DataFusionError> {
    let no_files = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(limits.memory_bytes, 1.0)
        .with_disk_manager_builder(no_files)
        .build_arc()?;
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_target_partitions(limits.threads.max(1));
    config.options_mut().execution.parquet.pushdown_filters = true;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

fn query_error(error: &DataFusionError) -> DurableError {
    DurableError::Query { message: error.strip_backtrace() }
}
