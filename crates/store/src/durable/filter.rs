//! Which of a run's records are asked for.

use datafusion::arrow::array::{
    Array, AsArray, BooleanArray, Int64Array, RecordBatch, StringViewArray,
};
use datafusion::arrow::datatypes::Int64Type;
use domain::RequestId;

use super::provenance::StoredRecord;
use super::rows::RUN_ID;

const RUN_INDEX: &str = "run_index";
const REQUEST_ID: &str = "request_id";

/// The columns that a filter looks at.
pub(crate) const FILTERED: [&str; 3] = [RUN_ID, RUN_INDEX, REQUEST_ID];

/// Which of a run's records are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFilter {
    /// The run.
    pub run: String,
    /// Which of its cases; every one where it is `None`.
    pub run_index: Option<u64>,
    /// Which request; every one where it is `None`.
    pub request: Option<RequestId>,
}

impl RecordFilter {
    /// Every record of a run.
    #[must_use]
    pub fn run(run: &str) -> Self {
        Self { run: run.to_owned(), run_index: None, request: None }
    }

    pub(crate) fn passes(&self, record: &StoredRecord) -> bool {
        let provenance = &record.provenance;
        provenance.run.as_deref() == Some(&*self.run)
            && self.run_index.is_none_or(|index| provenance.label.run == index)
            && self.request.is_none_or(|request| record.exchange.id == request)
    }

    /// Which rows of a batch pass; why none can where a column is missing.
    pub(crate) fn rows(&self, batch: &RecordBatch) -> Result<BooleanArray, String> {
        let runs = texts(batch, RUN_ID)?;
        let indices: &Int64Array = batch
            .column_by_name(RUN_INDEX)
            .and_then(|column| column.as_primitive_opt::<Int64Type>())
            .ok_or_else(|| missing(RUN_INDEX))?;
        let requests = texts(batch, REQUEST_ID)?;
        let request = self.request.map(|request| request.to_string());
        let index = self.run_index.map(|index| i64::try_from(index).unwrap_or(i64::MAX));
        let passes = |row: usize| {
            runs.is_valid(row)
                && runs.value(row) == self.run
                && index.is_none_or(|index| indices.is_valid(row) && indices.value(row) == index)
                && request.as_ref().is_none_or(|request| requests.value(row) == request)
        };
        Ok((0..batch.num_rows()).map(|row| Some(passes(row))).collect())
    }
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringViewArray, String> {
    let column = batch.column_by_name(name).and_then(|column| column.as_string_view_opt());
    column.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> String {
    format!("there is no column {name} of its kind")
}
