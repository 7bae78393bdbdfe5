//! The table `runs`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;
use datafusion::error::Result;

use crate::durable::Run;

/// Every run, a row each.
pub(super) fn table(runs: &[Run]) -> Result<MemTable> {
    let words = |read: fn(&Run) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(runs.iter().map(read)))
    };
    let moments = |read: fn(&Run) -> Option<u64>| -> ArrayRef {
        let signed = |run| read(run).map(|nanos| i64::try_from(nanos).unwrap_or(i64::MAX));
        Arc::new(runs.iter().map(signed).collect::<Int64Array>())
    };
    let summaries = runs.iter().map(|run| run.summary.as_deref()).collect::<StringArray>();
    let labels = runs
        .iter()
        .map(|run| serde_json::to_string(&run.labels).expect("texts are always JSON"))
        .map(Some)
        .collect::<StringArray>();
    let rows = RecordBatch::try_from_iter_with_nullable([
        ("run_id", words(|run| &run.id), false),
        ("name", words(|run| &run.name), false),
        ("status", words(|run| run.status.as_str()), false),
        ("request", words(|run| &run.request), false),
        ("summary", Arc::new(summaries) as ArrayRef, true),
        ("labels", Arc::new(labels) as ArrayRef, false),
        ("created_unix_ns", moments(|run| Some(run.created_unix_ns)), false),
        ("started_unix_ns", moments(|run| run.started_unix_ns), true),
        ("finished_unix_ns", moments(|run| run.finished_unix_ns), true),
    ])?;
    MemTable::try_new(rows.schema(), vec![vec![rows]])
}
