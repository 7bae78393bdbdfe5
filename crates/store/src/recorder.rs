//! The files of one benchmark's folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{Exchange, Timestamp, WallAnchor};
use parquet::errors::ParquetError;

use crate::{ParquetWriter, Record, RunLabel, csv, jsonl};

/// How long a record may wait in memory, as long as [`Recorder::tick`] is called.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(250);

/// How much may wait in memory for one write. Small enough that a write is over soon.
const FLUSH_BYTES: usize = 64 * 1024;

/// The summary's file.
const SUMMARY: &str = "summary.json";

/// A format of the per-request records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON Lines: everything, readable at any moment, the one to keep.
    Jsonl,
    /// CSV: everything but the chunks.
    Csv,
    /// Parquet: everything, readable once the run has ended.
    Parquet,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Jsonl, Self::Csv, Self::Parquet];

    /// The name of its file.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Jsonl => "requests.jsonl",
            Self::Csv => "requests.csv",
            Self::Parquet => "requests.parquet",
        }
    }
}

/// What to do with results that lie in the folder already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave them and fail.
    Refuse,
    /// Delete them, every format's.
    Replace,
}

/// Why records could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or a file in it cannot be made.
    #[error("cannot create {}: {source}", path.display())]
    Create {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder holds the results of another benchmark.
    #[error("{} holds results already", path.display())]
    Exists {
        /// The first such file.
        path: PathBuf,
    },
    /// A file can no longer be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Create { .. } => "name a folder that you may write to",
            Self::Exists { .. } => "name another folder, or say that it is to be overwritten",
            Self::Write { .. } => {
                "check the space left on the device; what was written before is complete"
            }
        }
    }
}

/// Keeps a benchmark's records in the files of one folder.
///
/// Lines are gathered in memory and handed to the system whole, in one write, when 64 KiB have
/// come together and at least every [`FLUSH_INTERVAL`]: a process that is killed outright leaves
/// every line but those of the last quarter of a second, none of them cut.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    anchor: WallAnchor,
    jsonl: Option<LineFile>,
    csv: Option<LineFile>,
    parquet: Option<(PathBuf, ParquetWriter<File>)>,
    flushed: Option<Timestamp>,
}

impl Recorder {
    /// Makes the folder, with those above it, and in it a file for each of `formats`.
    ///
    /// # Errors
    /// Where the folder cannot be written, or holds results and `existing` says to refuse.
    pub fn create(
        folder: &Path,
        formats: &[Format],
        existing: Existing,
        anchor: WallAnchor,
    ) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| StoreError::Create { path: folder.to_owned(), source })?;
        clear(folder, existing)?;
        let file = |format: Format| {
            formats.contains(&format).then(|| create_new(folder.join(format.file_name())))
        };
        let mut csv = file(Format::Csv).transpose()?.map(LineFile::new);
        if let Some(csv) = &mut csv {
            csv::append_header(&mut csv.waiting);
            csv.flush()?;
        }
        let parquet = match file(Format::Parquet).transpose()? {
            None => None,
            Some((path, file)) => {
                let writer = ParquetWriter::new(file).map_err(|e| write_error(&path, e))?;
                Some((path, writer))
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            anchor,
            jsonl: file(Format::Jsonl).transpose()?.map(LineFile::new),
            csv,
            parquet,
            flushed: None,
        })
    }

    /// Takes in a request that has ended.
    ///
    /// # Errors
    /// Where a file can no longer be written. Lines not yet handed over are kept, so that a later
    /// call may succeed; the Parquet file is lost.
    pub fn write(&mut self, exchange: &Exchange, label: &RunLabel) -> Result<(), StoreError> {
        let record = Record::new(exchange, label, self.anchor);
        if let Some(file) = &mut self.jsonl {
            jsonl::append_line(&mut file.waiting, &record);
            file.flush_if_full()?;
        }
        if let Some(file) = &mut self.csv {
            csv::append_line(&mut file.waiting, &record);
            file.flush_if_full()?;
        }
        if let Some((path, writer)) = &mut self.parquet {
            writer.write(&record).map_err(|error| write_error(path, error))?;
        }
        Ok(())
    }

    /// Hands waiting lines to the system where the last time is [`FLUSH_INTERVAL`] ago. To be called
    /// at least that often, whether or not requests end.
    ///
    /// # Errors
    /// Where a file can no longer be written; the lines are kept.
    pub fn tick(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.flushed.is_some_and(|last| now.since(last) < FLUSH_INTERVAL) {
            return Ok(());
        }
        self.flushed = Some(now);
        for file in [&mut self.jsonl, &mut self.csv].into_iter().flatten() {
            file.flush()?;
        }
        Ok(())
    }

    /// Writes the benchmark's summary beside its records: all of it or nothing, replacing an earlier
    /// one of the same benchmark.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_summary(&self, json: &[u8]) -> Result<PathBuf, StoreError> {
        let path = self.folder.join(SUMMARY);
        let draft = self.folder.join(".summary.json.part");
        let written = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&draft)
            .and_then(|mut file| file.write_all(json).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&draft, &path));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(StoreError::Write { path, source }),
        }
    }

    /// Removes every file again, for a benchmark that came to nothing.
    ///
    /// # Errors
    /// Where a file could not be removed.
    pub fn discard(self) -> Result<(), StoreError> {
        let lines = [&self.jsonl, &self.csv].into_iter().flatten().map(|file| &file.path);
        let parquet = self.parquet.iter().map(|(path, _)| path);
        let paths: Vec<PathBuf> = lines.chain(parquet).cloned().collect();
        drop(self);
        for path in paths {
            std::fs::remove_file(&path).map_err(|source| StoreError::Write { path, source })?;
        }
        Ok(())
    }

    /// Ends every file, waits until the device has them, and names them.
    ///
    /// # Errors
    /// Where a file could not be ended or brought to the device.
    pub fn finish(mut self) -> Result<Vec<PathBuf>, StoreError> {
        let mut paths = Vec::new();
        for mut file in [self.jsonl.take(), self.csv.take()].into_iter().flatten() {
            file.flush()?;
            file.sync()?;
            paths.push(file.path.clone());
        }
        if let Some((path, writer)) = self.parquet.take() {
            let file = writer.finish().map_err(|error| write_error(&path, error))?;
            file.sync_all().map_err(|source| StoreError::Write { path: path.clone(), source })?;
            paths.push(path);
        }
        Ok(paths)
    }
}

/// Sees to results of an earlier benchmark.
fn clear(folder: &Path, existing: Existing) -> Result<(), StoreError> {
    let names = [SUMMARY].into_iter().chain(Format::ALL.map(Format::file_name));
    for path in names.map(|name| folder.join(name)).filter(|path| path.exists()) {
        match existing {
            Existing::Refuse => return Err(StoreError::Exists { path }),
            Existing::Replace => {
                std::fs::remove_file(&path)
                    .map_err(|source| StoreError::Create { path, source })?;
            }
        }
    }
    Ok(())
}

/// Creates a file that must not be there, so that two benchmarks never share one.
fn create_new(path: PathBuf) -> Result<(PathBuf, File), StoreError> {
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(file) => Ok((path, file)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(StoreError::Exists { path })
        }
        Err(source) => Err(StoreError::Create { path, source }),
    }
}

fn write_error(path: &Path, error: ParquetError) -> StoreError {
    let source = match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    };
    StoreError::Write { path: path.to_owned(), source }
}

/// A file of lines, and those not yet handed to the system.
#[derive(Debug)]
struct LineFile {
    path: PathBuf,
    file: File,
    waiting: Vec<u8>,
}

impl LineFile {
    fn new((path, file): (PathBuf, File)) -> Self {
        Self { path, file, waiting: Vec::with_capacity(2 * FLUSH_BYTES) }
    }

    fn flush_if_full(&mut self) -> Result<(), StoreError> {
        if self.waiting.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands all lines over, in one write unless the system takes only part. What it took is
    /// forgotten even where the rest fails, so that trying again goes on where it stopped.
    fn flush(&mut self) -> Result<(), StoreError> {
        while !self.waiting.is_empty() {
            let taken = match self.file.write(&self.waiting) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other,
            };
            let taken =
                taken.map_err(|source| StoreError::Write { path: self.path.clone(), source })?;
            self.waiting.drain(..taken);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(|source| StoreError::Write { path: self.path.clone(), source })
    }
}

impl Drop for LineFile {
    /// Saves what waits where the recorder was dropped without an end; a failure has no one to tell.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}
