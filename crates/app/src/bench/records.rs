//! Where a bench's records go: into its files, into the store, and into what its progress counts.

use std::sync::Arc;

use control::{Opening, Records, RecordsError};
use domain::{Exchange, Timestamp};
use store::{Content, RunLabel};

use super::files::Files;
use super::progress::Tally;

/// The files of a bench and its place in the store, as far as it has them, and the counts of the run
/// that is shown.
pub(super) struct BenchRecords {
    pub(super) files: Option<Files>,
    pub(super) stored: Option<Box<dyn Records>>,
    pub(super) tally: Arc<Tally>,
}

impl Records for BenchRecords {
    fn begin(&mut self, run: &Opening) -> Result<(), RecordsError> {
        self.stored.as_mut().map_or(Ok(()), |stored| stored.begin(run))
    }

    fn write(&mut self, exchange: &Exchange, label: &RunLabel) -> Result<(), RecordsError> {
        self.tally.add(exchange);
        let filed = self.files.as_mut().map_or(Ok(()), |files| files.write(exchange, label));
        let stored = self.stored.as_mut().map_or(Ok(()), |stored| stored.write(exchange, label));
        filed.and(stored)
    }

    fn wants_content(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.wants_content())
    }

    fn content(&mut self, content: Content) {
        if let Some(stored) = &mut self.stored {
            stored.content(content);
        }
    }

    fn content_missed(&mut self, requests: u64) {
        if let Some(stored) = &mut self.stored {
            stored.content_missed(requests);
        }
    }

    fn tick(&mut self, now: Timestamp) -> Result<(), RecordsError> {
        let filed = self.files.as_mut().map_or(Ok(()), |files| files.tick(now));
        let stored = self.stored.as_mut().map_or(Ok(()), |stored| stored.tick(now));
        filed.and(stored)
    }

    fn end(&mut self) -> Result<(), RecordsError> {
        // The files are whole once they are closed, behind the last run.
        self.stored.as_mut().map_or(Ok(()), Records::end)
    }
}
