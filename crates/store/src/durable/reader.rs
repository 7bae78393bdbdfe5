//! What can be read of a store, beside whoever writes to it and in any process.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use domain::RequestId;

use super::DurableError;
use super::catalog::{
    Catalog, Document, Manifest, Partition, RollupPoint, RollupRange, Run, SampleBlock,
};
use super::content;
use super::filter::RecordFilter;
use super::folder::{Folder, Lock};
use super::log::replay::Segments;
use super::partition;
use super::provenance::StoredRecord;
use super::rows::RowBuilder;
use crate::content::Content;

/// How often a snapshot is tried again where the writer moved something in the meantime.
const TRIES: usize = 10;
/// How many rows of the log are gathered into a batch.
const BATCH_ROWS: usize = 8 << 10;

/// Reads a store. Clones share a connection.
#[derive(Clone, Debug)]
pub struct Reader {
    folder: Folder,
    catalog: Arc<Catalog>,
}

/// What a store held at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) folder: PathBuf,
    pub(crate) partitions: Vec<Partition>,
    /// What is in the log alone.
    pub(crate) tail: Vec<StoredRecord>,
}

impl Snapshot {
    /// The log's records as rows.
    pub(crate) fn tail_rows(&self) -> Vec<RecordBatch> {
        let rows = |records: &[StoredRecord]| {
            let mut builder = RowBuilder::new();
            records.iter().for_each(|record| builder.push(record));
            builder.finish()
        };
        self.tail.chunks(BATCH_ROWS).map(rows).collect()
    }
}

impl Reader {
    /// Opens the store in `folder`.
    ///
    /// # Errors
    /// Where there is none, or a newer version wrote it.
    pub fn open(folder: &Path) -> Result<Self, DurableError> {
        Self::new(Folder::existing(folder)?)
    }

    pub(crate) fn new(folder: Folder) -> Result<Self, DurableError> {
        let catalog = Arc::new(Catalog::open_to_read(&folder.catalog())?);
        Ok(Self { folder, catalog })
    }

    /// How many records there are, as far as they are rolled up, and how many bytes they take.
    ///
    /// # Errors
    /// Where the catalog or the log's folder cannot be read.
    pub fn size(&self) -> Result<(u64, u64), DurableError> {
        let Manifest { position, partitions, .. } = self.catalog.manifest()?;
        let sealed: u64 = partitions.iter().map(|partition| partition.file.rows()).sum();
        let known = position.rolled_up.unwrap_or(0).saturating_sub(position.sequence);
        let bytes: u64 = partitions.iter().map(|partition| partition.file.bytes).sum();
        let log = self.folder.log();
        let mut log_bytes = 0;
        for entry in std::fs::read_dir(&log).map_err(DurableError::file("list", &log))? {
            // One that was sealed in the meantime takes no room any more.
            log_bytes += entry.and_then(|entry| entry.metadata()).map_or(0, |file| file.len());
        }
        Ok((sealed + known, bytes + log_bytes))
    }

    /// Whether a process has the store open to write. Where none has, nothing is running in it.
    #[must_use]
    pub fn has_writer(&self) -> bool {
        Lock::is_held(self.folder.root())
    }

    /// The run of that id.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub fn run(&self, id: &str) -> Result<Option<Run>, DurableError> {
        self.catalog.run(id)
    }

    /// Every run, the newest first.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub fn runs(&self) -> Result<Vec<Run>, DurableError> {
        self.catalog.runs()
    }

    /// The document of that kind and id.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub fn document(&self, kind: &str, id: &str) -> Result<Option<Document>, DurableError> {
        self.catalog.document(kind, id)
    }

    /// Every document of a kind, by id.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub fn documents(&self, kind: &str) -> Result<Vec<Document>, DurableError> {
        self.catalog.documents(kind)
    }

    /// What was looked at beside a run in blocks that start before `to`, and not before `from`: by
    /// source, then by time.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub fn samples(
        &self,
        run: &str,
        from_unix_ns: u64,
        to_unix_ns: u64,
    ) -> Result<Vec<SampleBlock>, DurableError> {
        self.catalog.samples(run, from_unix_ns, to_unix_ns)
    }

    /// Every series that has rollups.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub fn series(&self) -> Result<Vec<String>, DurableError> {
        self.catalog.series()
    }

    /// The rollups of a range, by series and time.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub fn rollups(
        &self,
        range: RollupRange<'_>,
    ) -> Result<std::collections::BTreeMap<String, Vec<RollupPoint>>, DurableError> {
        self.catalog.rollups(range)
    }

    /// Hands over the windows of ranges, each with its start, as they were at one moment: range by
    /// range, in each series by series, in each by time. Nobody else reads by this reader meanwhile.
    ///
    /// # Errors
    /// Where the catalog cannot be read, or `take` says why it cannot.
    pub fn each_rollup(
        &self,
        ranges: &[RollupRange<'_>],
        take: impl FnMut(u64, &[u8]) -> Result<(), String>,
    ) -> Result<(), DurableError> {
        self.catalog.each_rollup(ranges, take)
    }

    /// When the first window of each series starts that has one of this resolution, in seconds since
    /// 1970.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub fn first_rollups(
        &self,
        resolution_s: u32,
    ) -> Result<std::collections::BTreeMap<String, u64>, DurableError> {
        self.catalog.first_rollups(resolution_s)
    }

    /// Hands over every record of a run, and returns how many there are.
    ///
    /// # Errors
    /// Where there is no such run, or a part of it cannot be read.
    pub fn records(
        &self,
        run: &str,
        take: impl FnMut(StoredRecord) -> Result<(), DurableError>,
    ) -> Result<u64, DurableError> {
        let count = self.pick(&RecordFilter::run(run), take)?;
        if count == 0 && self.run(run)?.is_none() {
            return Err(DurableError::UnknownRun { id: run.to_owned() });
        }
        Ok(count)
    }

    /// Hands over what the requests of a run asked and were answered, or one of them, as far as that
    /// was asked to be kept, and returns how many there are.
    ///
    /// # Errors
    /// Where it cannot be read, or `take` says why it cannot.
    pub fn contents(
        &self,
        run: &str,
        request: Option<RequestId>,
        take: impl FnMut(Content) -> Result<(), DurableError>,
    ) -> Result<u64, DurableError> {
        content::read(&self.folder.contents(), run, request, take)
    }

    /// How many records a run has.
    pub(crate) fn count(&self, run: &str) -> Result<u64, DurableError> {
        let snapshot = self.snapshot()?;
        let sealed = snapshot.partitions.iter().filter_map(|one| one.file.rows_by_run.get(run));
        let of_run = |record: &&StoredRecord| record.provenance.run.as_deref() == Some(run);
        Ok(sealed.sum::<u64>() + snapshot.tail.iter().filter(of_run).count() as u64)
    }

    /// Hands over the records that pass the filter, and returns how many there are. They come by no
    /// order that can be relied on.
    ///
    /// # Errors
    /// Where a part of the run cannot be read.
    pub fn pick(
        &self,
        filter: &RecordFilter,
        mut take: impl FnMut(StoredRecord) -> Result<(), DurableError>,
    ) -> Result<u64, DurableError> {
        let snapshot = self.snapshot()?;
        let mut count = 0;
        let mut take = |record| {
            count += 1;
            take(record)
        };
        for partition in &snapshot.partitions {
            if partition.file.rows_by_run.contains_key(&filter.run) {
                partition::read(&snapshot.folder, partition, filter, &mut take)?;
            }
        }
        let mut tail = snapshot.tail.into_iter().filter(|record| filter.passes(record));
        tail.try_for_each(take)?;
        Ok(count)
    }

    /// Checks every partition, and names those that do not hold what was written to them.
    ///
    /// # Errors
    /// Where the catalog cannot be read.
    pub fn verify(&self) -> Result<Vec<DurableError>, DurableError> {
        let snapshot = self.snapshot()?;
        let check = |partition| partition::verify(&snapshot.folder, partition).err();
        Ok(snapshot.partitions.iter().filter_map(check).collect())
    }

    /// What the store holds now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, DurableError> {
        for _ in 0..TRIES {
            let Manifest { position, partitions, forgotten } = self.catalog.manifest()?;
            let mut tail = match self.tail(position.segment, position.sequence) {
                // It was sealed after the catalog was read.
                Err(DurableError::File { source, .. })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    continue;
                }
                other => other?,
            };
            if self.catalog.position()?.segment == position.segment {
                tail.retain(|record| !record.is_of(&forgotten));
                return Ok(Snapshot { folder: self.folder.partitions(), partitions, tail });
            }
        }
        let reason = "its segments are sealed faster than they can be read".to_owned();
        Err(DurableError::Damaged { path: self.folder.log(), reason })
    }

    fn tail(&self, segment: u64, sequence: u64) -> Result<Vec<StoredRecord>, DurableError> {
        let mut tail = Vec::new();
        Segments::list(&self.folder.log(), segment)?.read(sequence, |_, record| {
            tail.push(record);
            Ok(())
        })?;
        Ok(tail)
    }
}

/// A run's records as a file of one of the export formats.
impl Reader {
    /// Writes every record of a run, and returns how many there are.
    ///
    /// # Errors
    /// Where there is no such run, a part of it cannot be read, or `out` cannot be written.
    pub fn export<W: Write + Send>(
        &self,
        run: &str,
        format: crate::Format,
        out: &mut W,
    ) -> Result<u64, DurableError> {
        match format {
            crate::Format::Jsonl => self.export_lines(run, out, &[], crate::jsonl::append_line),
            crate::Format::Csv => {
                let mut header = Vec::new();
                crate::csv::append_header(&mut header);
                self.export_lines(run, out, &header, crate::csv::append_line)
            }
            crate::Format::Parquet => {
                let failed = |error| DurableError::Output(io::Error::other(error));
                let mut writer = crate::ParquetWriter::new(&mut *out).map_err(failed)?;
                let count =
                    self.records(run, |record| writer.write(&record.record()).map_err(failed))?;
                writer.finish().map_err(failed)?;
                Ok(count)
            }
        }
    }

    fn export_lines(
        &self,
        run: &str,
        out: &mut impl Write,
        header: &[u8],
        append: fn(&mut Vec<u8>, &crate::Record<'_>),
    ) -> Result<u64, DurableError> {
        const FLUSH_BYTES: usize = 64 << 10;
        let mut lines = header.to_vec();
        let count = self.records(run, |record| {
            append(&mut lines, &record.record());
            if lines.len() < FLUSH_BYTES {
                return Ok(());
            }
            out.write_all(&lines).map_err(DurableError::Output)?;
            lines.clear();
            Ok(())
        })?;
        out.write_all(&lines).map_err(DurableError::Output)?;
        Ok(count)
    }
}
