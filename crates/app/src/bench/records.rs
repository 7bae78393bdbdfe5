//! Where a bench's records go: into its files, and into what its progress counts.

use std::sync::Arc;

use control::{Opening, Records, RecordsError};
use domain::{Exchange, Timestamp};
use store::{Recorder, RunLabel};

use super::progress::Tally;

/// The files of a bench, if any, and the counts of the run that is shown.
pub(super) struct BenchRecords {
    pub(super) files: Option<Recorder>,
    pub(super) tally: Arc<Tally>,
}

impl Records for BenchRecords {
    fn begin(&mut self, run: &Opening) -> Result<(), RecordsError> {
        self.files.as_mut().map_or(Ok(()), |files| files.begin(run))
    }

    fn write(&mut self, exchange: &Exchange, label: &RunLabel) -> Result<(), RecordsError> {
        self.tally.add(exchange);
        self.files.as_mut().map_or(Ok(()), |files| Ok(files.write(exchange, label)?))
    }

    fn tick(&mut self, now: Timestamp) -> Result<(), RecordsError> {
        self.files.as_mut().map_or(Ok(()), |files| Ok(files.tick(now)?))
    }

    fn end(&mut self) -> Result<(), RecordsError> {
        self.files.as_mut().map_or(Ok(()), Records::end)
    }
}
