//! Records as rows: the columns of every export format, and before them where a record comes from.
//!
//! The same rows are written to partitions and handed to queries, so a record looks the same from
//! its first moment on.

mod read;

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, RecordBatch,
    StringViewBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::provenance::StoredRecord;
use crate::column::{
    CHUNK_LAG_NS, CHUNK_NS, Column, FAILED_ATTEMPTS, Read, ReadCount, ReadFlag, ReadId, ReadMillis,
    ReadText, Record, flat,
};
use crate::jsonl;
use crate::parquet::flat_name;
pub(crate) use read::RowReader;

pub(crate) const RUN_ID: &str = "run_id";
pub(crate) const PROVIDER: &str = "provider";
pub(crate) const TARGET_REGION: &str = "target_region";
pub(crate) const VANTAGE_REGION: &str = "vantage_region";
pub(crate) const SOURCE: &str = "source";
/// When a request ended, by which partitions are told apart.
pub(crate) const FINISHED: &str = "finished_unix_ns";

/// The columns that say where a record comes from.
const PROVENANCE: [&str; 5] = [RUN_ID, PROVIDER, TARGET_REGION, VANTAGE_REGION, SOURCE];

/// Every column of a row.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let provenance = PROVENANCE.iter().map(|name| Field::new(*name, DataType::Utf8View, true));
    let columns = flat().map(|(group, column)| {
        let kind = match column.read {
            Read::Id(_) | Read::Text(_) => DataType::Utf8View,
            Read::Count(_) => DataType::Int64,
            Read::Flag(_) => DataType::Boolean,
            Read::Millis(_) => DataType::Float64,
        };
        Field::new(flat_name(group, column), kind, true)
    });
    let lists =
        [CHUNK_NS, CHUNK_LAG_NS].map(|name| Field::new(name, DataType::List(element()), false));
    let attempts = Field::new(FAILED_ATTEMPTS, DataType::Utf8View, true);
    let fields = provenance.chain(columns).chain(lists).chain([attempts]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Int64, false))
}

/// Gathers records into a batch of rows.
#[derive(Debug)]
pub(crate) struct RowBuilder {
    provenance: [StringViewBuilder; PROVENANCE.len()],
    columns: Vec<Cells>,
    chunks: ListBuilder<Int64Builder>,
    lags: ListBuilder<Int64Builder>,
    /// Lists of objects as JSON Lines have them: rare, and of no use in figures.
    attempts: StringViewBuilder,
    rows: usize,
    chunk_count: usize,
}

impl RowBuilder {
    pub(crate) fn new() -> Self {
        let list = || ListBuilder::new(Int64Builder::new()).with_field(element());
        Self {
            provenance: std::array::from_fn(|_| words()),
            columns: flat().map(|(_, column)| Cells::of(column)).collect(),
            chunks: list(),
            lags: list(),
            attempts: StringViewBuilder::new(),
            rows: 0,
            chunk_count: 0,
        }
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, stored: &StoredRecord) {
        let provenance = &*stored.provenance;
        let words = [
            provenance.run.as_deref(),
            Some(&*provenance.provider),
            Some(&*provenance.target_region),
            Some(&*provenance.vantage_region),
            Some(&*provenance.source),
        ];
        for (builder, word) in self.provenance.iter_mut().zip(words) {
            builder.append_option(word);
        }
        let record = stored.record();
        self.columns.iter_mut().for_each(|cells| cells.push(&record));
        for &nanos in record.chunk_nanos() {
            self.chunks.values().append_value(signed(nanos));
        }
        for &nanos in record.chunk_lag_nanos() {
            self.lags.values().append_value(nanos.into());
        }
        self.chunks.append(true);
        self.lags.append(true);
        let has_failed_before = !record.failed_attempts().is_empty();
        self.attempts.append_option(has_failed_before.then(|| jsonl::attempts(&record)));
        self.rows += 1;
        self.chunk_count += record.chunk_nanos().len();
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// How many chunks the rows have together: what most of their memory holds.
    pub(crate) const fn chunks(&self) -> usize {
        self.chunk_count
    }

    /// The rows so far, after which it is empty.
    pub(crate) fn finish(&mut self) -> RecordBatch {
        (self.rows, self.chunk_count) = (0, 0);
        let provenance =
            self.provenance.iter_mut().map(|words| Arc::new(words.finish()) as ArrayRef);
        let columns = self.columns.iter_mut().map(Cells::finish);
        let mut arrays: Vec<ArrayRef> = provenance.chain(columns).collect();
        arrays.push(Arc::new(self.chunks.finish()));
        arrays.push(Arc::new(self.lags.finish()));
        arrays.push(Arc::new(self.attempts.finish()));
        RecordBatch::try_new(Arc::clone(&SCHEMA), arrays)
            .expect("there is an array of its kind for each column, all of one length")
    }
}

/// A builder that keeps each long word once.
fn words() -> StringViewBuilder {
    StringViewBuilder::new().with_deduplicate_strings()
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// How a column is read, and its values.
#[derive(Debug)]
enum Cells {
    Id(ReadId, StringViewBuilder),
    Text(ReadText, StringViewBuilder),
    Count(ReadCount, Int64Builder),
    Flag(ReadFlag, BooleanBuilder),
    Millis(ReadMillis, Float64Builder),
}

impl Cells {
    fn of(column: &Column) -> Self {
        match column.read {
            Read::Id(read) => Self::Id(read, StringViewBuilder::new()),
            Read::Text(read) => Self::Text(read, words()),
            Read::Count(read) => Self::Count(read, Int64Builder::new()),
            Read::Flag(read) => Self::Flag(read, BooleanBuilder::new()),
            Read::Millis(read) => Self::Millis(read, Float64Builder::new()),
        }
    }

    fn push(&mut self, record: &Record<'_>) {
        match self {
            Self::Id(read, values) => {
                let mut text = Vec::with_capacity(40);
                crate::number::append_id(&mut text, read(record));
                values.append_value(str::from_utf8(&text).expect("an id is written in ASCII"));
            }
            Self::Text(read, values) => values.append_option(read(record)),
            Self::Count(read, values) => values.append_option(read(record).map(signed)),
            Self::Flag(read, values) => values.append_option(read(record)),
            Self::Millis(read, values) => {
                values.append_option(read(record).map(|nanos| nanos as f64 / 1e6));
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Id(_, values) | Self::Text(_, values) => Arc::new(values.finish()),
            Self::Count(_, values) => Arc::new(values.finish()),
            Self::Flag(_, values) => Arc::new(values.finish()),
            Self::Millis(_, values) => Arc::new(values.finish()),
        }
    }
}
