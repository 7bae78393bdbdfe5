//! The files of a bench's records. Where they are to take the place of earlier ones, those stay until
//! there is a first record to replace them: a bench that comes to nothing costs nobody's results.

use std::path::{Path, PathBuf};

use control::RecordsError;
use domain::{Exchange, Timestamp, WallAnchor};
use store::{Existing, Format, Recorder, RunLabel, StoreError};

use super::settings::{OutputSettings, RecordFormat};

/// What shows that a folder can be written to.
const PROBE: &str = ".prony-probe";

/// The files of a bench.
#[derive(Debug)]
pub(super) enum Files {
    /// They are there.
    Open(Box<Recorder>),
    /// Results of an earlier bench lie where they are to be.
    Waiting(Place),
}

/// Where files are to be, and which.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    formats: Vec<Format>,
    anchor: WallAnchor,
}

impl Place {
    fn make(&self, existing: Existing) -> Result<Recorder, StoreError> {
        Recorder::create(&self.folder, &self.formats, existing, self.anchor)
    }
}

impl Files {
    /// Opens the files that the settings ask for.
    pub(super) fn open(
        settings: &OutputSettings,
        anchor: WallAnchor,
    ) -> Result<Option<Self>, StoreError> {
        let Some(folder) = settings.folder() else { return Ok(None) };
        let mut formats = vec![Format::Jsonl];
        for format in &settings.format {
            match format {
                RecordFormat::Jsonl => {}
                RecordFormat::Csv => formats.push(Format::Csv),
                RecordFormat::Parquet => formats.push(Format::Parquet),
            }
        }
        let place = Place { folder: folder.to_owned(), formats, anchor };
        match place.make(Existing::Refuse) {
            Ok(recorder) => Ok(Some(Self::Open(Box::new(recorder)))),
            Err(StoreError::Exists { .. }) if settings.overwrite => {
                probe(folder)?;
                Ok(Some(Self::Waiting(place)))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether an earlier bench's results still lie in their place.
    pub(super) const fn are_waiting(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }

    /// Takes in a request that has ended.
    pub(super) fn write(
        &mut self,
        exchange: &Exchange,
        label: &RunLabel,
    ) -> Result<(), RecordsError> {
        match self {
            Self::Open(recorder) => recorder.write(exchange, label)?,
            Self::Waiting(place) => {
                let mut recorder = place.make(Existing::Replace)?;
                let written = recorder.write(exchange, label);
                *self = Self::Open(Box::new(recorder));
                written?;
            }
        }
        Ok(())
    }

    /// Hands waiting lines to the system from time to time.
    pub(super) fn tick(&mut self, now: Timestamp) -> Result<(), RecordsError> {
        match self {
            Self::Open(recorder) => Ok(recorder.tick(now)?),
            Self::Waiting(_) => Ok(()),
        }
    }

    /// Writes the summary and ends the records' files, these whatever becomes of the summary. Names
    /// them; none where there was no record, and earlier results stand.
    pub(super) fn finish(self, summary: &[u8]) -> Result<Vec<PathBuf>, StoreError> {
        let Self::Open(recorder) = self else { return Ok(Vec::new()) };
        let summary = recorder.write_summary(summary);
        let records = recorder.finish();
        Ok([vec![summary?], records?].concat())
    }

    /// Removes them again, for a bench that came to nothing.
    pub(super) fn discard(self) -> Result<(), StoreError> {
        match self {
            Self::Open(recorder) => recorder.discard(),
            Self::Waiting(_) => Ok(()),
        }
    }
}

/// Tries whether files can be made in `folder`, so that it is told before the load.
#[expect(clippy::disallowed_methods, reason = "app makes the files users ask for")]
fn probe(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(PROBE);
    let made = std::fs::File::create(&path).and_then(|_| std::fs::remove_file(&path));
    made.map_err(|source| StoreError::Create { path: folder.to_owned(), source })
}
