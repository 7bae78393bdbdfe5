//! Rows back into records.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch,
    StringViewArray,
};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};

use super::{PROVIDER, RUN_ID, SOURCE, TARGET_REGION, VANTAGE_REGION};
use crate::column::{CHUNK_LAG_NS, CHUNK_NS, FAILED_ATTEMPTS, RunLabel};
use crate::durable::provenance::{Provenance, StoredRecord};
use crate::stored::{Line, LineAttempt, LineConnection, LineError, Words};

/// Reads batches of rows.
#[derive(Debug, Default)]
pub(crate) struct RowReader {
    words: Words,
    /// The last record's, which the next one nearly always shares.
    provenance: Option<Arc<Provenance>>,
}

impl RowReader {
    /// The records of a batch, in its order; why it holds none where it does not.
    pub(crate) fn read(&mut self, batch: &RecordBatch) -> Result<Vec<StoredRecord>, String> {
        let table = Table { batch };
        (0..batch.num_rows()).map(|row| self.record(table, row)).collect()
    }

    fn record(&mut self, table: Table<'_>, row: usize) -> Result<StoredRecord, String> {
        let line = table.line(row)?;
        let request = line.into_request(&mut self.words)?;
        let provenance = self.provenance(table, row, request.label)?;
        Ok(StoredRecord { provenance, exchange: request.exchange })
    }

    fn provenance(
        &mut self,
        table: Table<'_>,
        row: usize,
        label: RunLabel,
    ) -> Result<Arc<Provenance>, String> {
        let run = table.text(RUN_ID, row)?.map(|run| self.words.keep(run));
        let mut word = |name| -> Result<Arc<str>, String> {
            Ok(self.words.keep(table.text(name, row)?.unwrap_or_default()))
        };
        let provenance = Provenance {
            run,
            label,
            provider: word(PROVIDER)?,
            target_region: word(TARGET_REGION)?,
            vantage_region: word(VANTAGE_REGION)?,
            source: word(SOURCE)?,
        };
        match &self.provenance {
            Some(last) if **last == provenance => Ok(Arc::clone(last)),
            _ => Ok(Arc::clone(self.provenance.insert(Arc::new(provenance)))),
        }
    }
}

/// A batch whose columns are found by name.
#[derive(Clone, Copy)]
struct Table<'a> {
    batch: &'a RecordBatch,
}

impl<'a> Table<'a> {
    fn line(self, row: usize) -> Result<Line, String> {
        Ok(Line {
            request_id: self.word("request_id", row)?,
            server_request_id: self.text("server_request_id", row)?.map(Box::from),
            run_index: self.count("run_index", row)?,
            model: self.word("model", row)?,
            scenario: self.word("scenario", row)?,
            load: self.word("load", row)?,
            user_id: self.count("user_id", row)?,
            turn: self.narrow("turn", row)?,
            vantage: self.word("vantage", row)?,
            warmup: self.flag("warmup", row)?,
            streamed: self.flag("streamed", row)?,
            attempts: self.narrow("attempts", row)?,
            origin: self.word("origin", row)?,
            planned_unix_ns: self.count("planned_unix_ns", row)?,
            started_unix_ns: self.count("started_unix_ns", row)?,
            sent_unix_ns: self.optional_count("sent_unix_ns", row)?,
            headers_unix_ns: self.optional_count("headers_unix_ns", row)?,
            finished_unix_ns: self.count("finished_unix_ns", row)?,
            held_ms: self.millis("held_ms", row)?,
            headers_lag_ms: self.millis("headers_lag_ms", row)?,
            finished_lag_ms: present("finished_lag_ms", self.millis("finished_lag_ms", row)?)?,
            connection: self.connection(row)?,
            max_tokens: self.optional_count("max_tokens", row)?,
            input_tokens: self.count("input_tokens", row)?,
            cache_read_tokens: self.count("cache_read_tokens", row)?,
            cache_write_tokens: self.count("cache_write_tokens", row)?,
            output_tokens: self.count("output_tokens", row)?,
            reasoning_tokens: self.optional_count("reasoning_tokens", row)?,
            input_tokens_source: self.word("input_tokens_source", row)?,
            output_tokens_source: self.word("output_tokens_source", row)?,
            finish_reason: self.text("finish_reason", row)?.map(str::to_owned),
            error: self.error(row)?,
            failed_attempts: self.failed_attempts(row)?,
            chunk_ns: self.list(CHUNK_NS, row)?,
            chunk_lag_ns: self.list(CHUNK_LAG_NS, row)?,
        })
    }

    fn connection(self, row: usize) -> Result<Option<LineConnection>, String> {
        let Some(resolve_ms) = self.millis("connection_resolve_ms", row)? else {
            return Ok(None);
        };
        let connect_ms = self.millis("connection_connect_ms", row)?;
        Ok(Some(LineConnection {
            resolve_ms,
            connect_ms: present("connection_connect_ms", connect_ms)?,
            secure_ms: self.millis("connection_secure_ms", row)?,
        }))
    }

    fn error(self, row: usize) -> Result<Option<LineError>, String> {
        let Some(kind) = self.text("error_kind", row)? else {
            return Ok(None);
        };
        let status = self.optional_count("error_status", row)?.map(u16::try_from).transpose();
        Ok(Some(LineError {
            kind: kind.to_owned(),
            status: status.map_err(|_| "error_status is too great".to_owned())?,
            message: self.word("error_message", row)?,
            retry_after_ms: self.millis("error_retry_after_ms", row)?,
            retryable: self.flag("error_retryable", row)?,
        }))
    }

    fn failed_attempts(self, row: usize) -> Result<Vec<LineAttempt>, String> {
        let text = self.text(FAILED_ATTEMPTS, row)?;
        let read = |text| serde_json::from_str(text);
        text.map_or(Ok(Vec::new()), read).map_err(|error| format!("{FAILED_ATTEMPTS}: {error}"))
    }

    fn column(self, name: &str) -> Result<&'a ArrayRef, String> {
        self.batch.column_by_name(name).ok_or_else(|| format!("there is no column {name}"))
    }

    fn text(self, name: &str, row: usize) -> Result<Option<&'a str>, String> {
        let array: &StringViewArray =
            self.column(name)?.as_string_view_opt().ok_or_else(|| wrong_kind(name))?;
        Ok(array.is_valid(row).then(|| array.value(row)))
    }

    fn word(self, name: &str, row: usize) -> Result<String, String> {
        present(name, self.text(name, row)?).map(str::to_owned)
    }

    fn optional_count(self, name: &str, row: usize) -> Result<Option<u64>, String> {
        let array: &Int64Array =
            self.column(name)?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_kind(name))?;
        let value = array.is_valid(row).then(|| u64::try_from(array.value(row)));
        value.transpose().map_err(|_| format!("{name} is negative"))
    }

    fn count(self, name: &str, row: usize) -> Result<u64, String> {
        present(name, self.optional_count(name, row)?)
    }

    fn narrow(self, name: &str, row: usize) -> Result<u32, String> {
        u32::try_from(self.count(name, row)?).map_err(|_| format!("{name} is too great"))
    }

    fn flag(self, name: &str, row: usize) -> Result<bool, String> {
        let array: &BooleanArray =
            self.column(name)?.as_boolean_opt().ok_or_else(|| wrong_kind(name))?;
        present(name, array.is_valid(row).then(|| array.value(row)))
    }

    fn millis(self, name: &str, row: usize) -> Result<Option<f64>, String> {
        let array: &Float64Array =
            self.column(name)?.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong_kind(name))?;
        Ok(array.is_valid(row).then(|| array.value(row)))
    }

    fn list<T: TryFrom<i64>>(self, name: &str, row: usize) -> Result<Vec<T>, String> {
        let array: &ListArray = self.column(name)?.as_list_opt().ok_or_else(|| wrong_kind(name))?;
        let values = array.value(row);
        let values: &Int64Array =
            values.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_kind(name))?;
        let narrow = |&value| T::try_from(value).map_err(|_| format!("{name} is out of range"));
        values.values().iter().map(narrow).collect()
    }
}

fn present<T>(name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{name} is missing"))
}

fn wrong_kind(name: &str) -> String {
    format!("column {name} is of another kind")
}
