//! Partitions: Parquet files, each of records that ended within one hour.
//!
//! A file is written under a draft's name, brought to the device, and only then given its own. It
//! counts once the catalog says so; what does not is swept away when the store is opened.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, Int64Array, RecordBatch, StringViewArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::DurableError;
use super::catalog::{NewPartition, Partition};
use super::filter::{FILTERED, RecordFilter};
use super::provenance::StoredRecord;
use super::rows::{FINISHED, RUN_ID, RowBuilder, RowReader, SCHEMA};
use crate::column::{CHUNK_LAG_NS, CHUNK_NS};
use crate::parquet::{CREATED_BY, encode};

pub(crate) const HOUR_S: u64 = 3_600;
const NANOS: u64 = 1_000_000_000;

/// The most rows of a row group.
const GROUP_ROWS: usize = 128 << 10;
/// The most chunks of a row group, whose rows stay in memory until it is whole.
const GROUP_CHUNKS: usize = 4 << 20;
/// The most rows and chunks that are handed to the encoder at once.
const BATCH_ROWS: usize = 8 << 10;
const BATCH_CHUNKS: usize = 256 << 10;
/// How many rows are read at once.
const READ_ROWS: usize = 1 << 10;

/// The hour that a record belongs to, in seconds since 1970.
pub(crate) fn hour_of(record: &StoredRecord) -> u64 {
    let seconds = record.finished_unix_nanos() / NANOS;
    seconds - seconds % HOUR_S
}

/// Writes one partition.
#[derive(Debug)]
pub(crate) struct PartitionWriter {
    draft: Draft,
    writer: ArrowWriter<Summed<BufWriter<File>>>,
    rows: RowBuilder,
    group_rows: usize,
    group_chunks: usize,
    hour_unix_s: u64,
    finished_min: u64,
    finished_max: u64,
    rows_by_run: BTreeMap<String, u64>,
}

/// A file that is not yet whole, and removed unless it becomes so.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    is_whole: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_whole {
            // What stays is swept away when the store is opened next.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A partition that is whole on the device, and goes by its draft's name.
#[derive(Debug)]
pub(crate) struct WholeDraft {
    draft: Draft,
    file: NewPartition,
}

impl WholeDraft {
    /// Gives the file its own name.
    pub(crate) fn publish(mut self) -> Result<NewPartition, DurableError> {
        let path = self.draft.path.with_file_name(&self.file.name);
        std::fs::rename(&self.draft.path, &path).map_err(DurableError::file("name", &path))?;
        self.draft.is_whole = true;
        Ok(self.file)
    }
}

impl PartitionWriter {
    /// Begins file `number` of the folder.
    pub(crate) fn new(folder: &Path, hour_unix_s: u64, number: u64) -> Result<Self, DurableError> {
        let path = folder.join(format!("{number:012}.part"));
        let file = File::create(&path).map_err(DurableError::file("create", &path))?;
        let draft = Draft { path, is_whole: false };
        let out = Summed::new(BufWriter::with_capacity(1 << 20, file));
        let writer = ArrowWriter::try_new(out, Arc::clone(&SCHEMA), Some(properties()))
            .map_err(|error| write_error(&draft.path, error))?;
        Ok(Self {
            draft,
            writer,
            rows: RowBuilder::new(),
            group_rows: 0,
            group_chunks: 0,
            hour_unix_s,
            finished_min: u64::MAX,
            finished_max: 0,
            rows_by_run: BTreeMap::new(),
        })
    }

    /// Appends a record.
    pub(crate) fn push(&mut self, record: &StoredRecord) -> Result<(), DurableError> {
        let finished = record.finished_unix_nanos();
        self.finished_min = self.finished_min.min(finished);
        self.finished_max = self.finished_max.max(finished);
        self.count(record.provenance.run.as_deref().unwrap_or(""));
        self.rows.push(record);
        if self.rows.rows() >= BATCH_ROWS || self.rows.chunks() >= BATCH_CHUNKS {
            self.encode_waiting()?;
        }
        Ok(())
    }

    /// Appends the rows of another partition of the same hour.
    pub(crate) fn push_rows(&mut self, batch: &RecordBatch) -> Result<(), DurableError> {
        let (runs, finished) = keys(batch)
            .map_err(|reason| DurableError::Damaged { path: self.draft.path.clone(), reason })?;
        for &finished in finished.values() {
            let finished = u64::try_from(finished).unwrap_or(0);
            self.finished_min = self.finished_min.min(finished);
            self.finished_max = self.finished_max.max(finished);
        }
        for run in runs {
            self.count(run.unwrap_or(""));
        }
        self.group_chunks += batch.column_by_name(CHUNK_NS).map_or(0, |chunks| {
            chunks.as_list_opt::<i32>().map_or(0, |chunks| chunks.values().len())
        });
        self.encode(batch)
    }

    fn count(&mut self, run: &str) {
        match self.rows_by_run.get_mut(run) {
            Some(rows) => *rows += 1,
            None => drop(self.rows_by_run.insert(run.to_owned(), 1)),
        }
    }

    /// Hands the records that wait to the encoder.
    fn encode_waiting(&mut self) -> Result<(), DurableError> {
        self.group_chunks += self.rows.chunks();
        let batch = self.rows.finish();
        self.encode(&batch)
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<(), DurableError> {
        self.group_rows += batch.num_rows();
        let encoded = self.writer.write(batch).and_then(|()| {
            if self.group_rows < GROUP_ROWS && self.group_chunks < GROUP_CHUNKS {
                return Ok(());
            }
            (self.group_rows, self.group_chunks) = (0, 0);
            self.writer.flush()
        });
        encoded.map_err(|error| write_error(&self.draft.path, error))
    }

    /// Ends the file and waits until the device has it.
    pub(crate) fn finish(mut self) -> Result<WholeDraft, DurableError> {
        self.encode_waiting()?;
        let path = &self.draft.path;
        let out = self.writer.into_inner().map_err(|error| write_error(path, error))?;
        let (bytes, crc) = (out.bytes, out.hasher.finalize());
        let file = out.inner.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).map_err(DurableError::file("write", path))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let file = NewPartition {
            name: format!("{}-{stem}.parquet", self.hour_unix_s),
            hour_unix_s: self.hour_unix_s,
            bytes,
            crc,
            finished_unix_ns_min: self.finished_min,
            finished_unix_ns_max: self.finished_max,
            rows_by_run: self.rows_by_run,
        };
        Ok(WholeDraft { draft: self.draft, file })
    }
}

/// The number of a partition's or a draft's file.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    let stem = name.strip_suffix(".parquet").or_else(|| name.strip_suffix(".part"))?;
    stem.rsplit('-').next()?.parse().ok()
}

/// Hands over a partition's rows, batch by batch.
pub(crate) fn read_rows(
    folder: &Path,
    partition: &Partition,
    take: impl FnMut(RecordBatch) -> Result<(), DurableError>,
) -> Result<(), DurableError> {
    read_some_rows(folder, partition, None, take)
}

/// Hands over a partition's records that pass the filter.
pub(crate) fn read(
    folder: &Path,
    partition: &Partition,
    filter: &RecordFilter,
    mut take: impl FnMut(StoredRecord) -> Result<(), DurableError>,
) -> Result<(), DurableError> {
    let mut reader = RowReader::default();
    read_some_rows(folder, partition, Some(filter), |batch| {
        let records = reader.read(&batch).map_err(|reason| DurableError::Damaged {
            path: folder.join(&partition.file.name),
            reason,
        })?;
        records.into_iter().try_for_each(&mut take)
    })
}

/// Of rows that do not pass the filter, no other columns are decoded.
fn read_some_rows(
    folder: &Path,
    partition: &Partition,
    filter: Option<&RecordFilter>,
    mut take: impl FnMut(RecordBatch) -> Result<(), DurableError>,
) -> Result<(), DurableError> {
    let path = folder.join(&partition.file.name);
    let damaged = |reason: String| DurableError::Damaged { path: path.clone(), reason };
    let file = File::open(&path).map_err(DurableError::file("read", &path))?;
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| damaged(error.to_string()))?
        .with_batch_size(READ_ROWS);
    if let Some(filter) = filter.cloned() {
        let columns = ProjectionMask::columns(builder.parquet_schema(), FILTERED);
        let passes =
            move |batch: RecordBatch| filter.rows(&batch).map_err(ArrowError::ParquetError);
        let predicate: Box<dyn ArrowPredicate> = Box::new(ArrowPredicateFn::new(columns, passes));
        builder = builder.with_row_filter(RowFilter::new(vec![predicate]));
    }
    let reader = builder.build().map_err(|error| damaged(error.to_string()))?;
    for batch in reader {
        take(batch.map_err(|error| damaged(error.to_string()))?)?;
    }
    Ok(())
}

/// The rows of a batch that are not of a run.
pub(crate) fn without_run(batch: &RecordBatch, run: &str) -> Result<RecordBatch, String> {
    let (runs, _) = keys(batch)?;
    let keep: BooleanArray = runs.iter().map(|found| Some(found != Some(run))).collect();
    filter_record_batch(batch, &keep).map_err(|error| error.to_string())
}

/// The columns by which partitions are told apart: the run, and when the request ended.
fn keys(batch: &RecordBatch) -> Result<(&StringViewArray, &Int64Array), String> {
    let runs = batch.column_by_name(RUN_ID).and_then(|column| column.as_string_view_opt());
    let finished =
        batch.column_by_name(FINISHED).and_then(|column| column.as_primitive_opt::<Int64Type>());
    runs.zip(finished).ok_or_else(|| format!("columns {RUN_ID} and {FINISHED} are missing"))
}

/// Checks that a partition's file holds what was written to it.
pub(crate) fn verify(folder: &Path, partition: &Partition) -> Result<(), DurableError> {
    let path = folder.join(&partition.file.name);
    let mut file = File::open(&path).map_err(DurableError::file("read", &path))?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(DurableError::file("read", &path))? {
            0 => break,
            length => hasher.update(&buffer[..length]),
        }
    }
    if hasher.finalize() == partition.file.crc {
        return Ok(());
    }
    Err(DurableError::Damaged { path, reason: "its checksum is wrong".to_owned() })
}

fn properties() -> WriterProperties {
    let mut properties = encode(WriterProperties::builder())
        .set_created_by(CREATED_BY.to_owned())
        .set_max_row_group_row_count(None)
        .set_column_dictionary_enabled(ColumnPath::from("server_request_id"), false);
    for name in ["request_id", "server_request_id"] {
        properties = properties
            .set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BYTE_ARRAY)
            .set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Chunk);
    }
    for name in [CHUNK_NS, CHUNK_LAG_NS] {
        let path = ColumnPath::new([name, "list", "element"].map(str::to_owned).to_vec());
        properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    properties.build()
}

fn write_error(path: &Path, error: ParquetError) -> DurableError {
    let source = match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    };
    DurableError::File { action: "write", path: path.to_owned(), source }
}

/// A writer that sums up what goes through it.
#[derive(Debug)]
struct Summed<W> {
    inner: W,
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl<W> Summed<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: crc32fast::Hasher::new(), bytes: 0 }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
