//! What a benchmark that no server carries out is written into: the store, which this process has
//! open itself, or through whoever has it open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control::{Ending, Guest, Introduction, Opening, Records, RecordsError, Tracker};
use domain::{Exchange, Timestamp};
use serde_json::Value;
use store::{Content, RunLabel};

use crate::Recording;
use crate::link::Host;
use crate::link::guest::{Link, LinkedRecords};

/// The logbook of one benchmark.
pub struct Logbook {
    id: String,
    tracker: Arc<Tracker>,
    /// How long prompts and answers are to be kept, where they are.
    content: Option<Duration>,
    way: Way,
}

enum Way {
    Own { guest: Arc<Guest>, host: Host },
    Linked(Link),
}

impl Logbook {
    /// Enters a benchmark into the store that this process has open. How far it is, `tracker` knows;
    /// prompts and answers are kept for as long as `content` says.
    ///
    /// # Errors
    /// Where it cannot be kept.
    pub fn own(
        host: Host,
        benchmark: Introduction,
        tracker: Arc<Tracker>,
        content: Option<Duration>,
    ) -> Result<Self, RecordsError> {
        let guest = host.benchmarks.enter(benchmark).map_err(RecordsError::from)?;
        let id = guest.id().to_string();
        Ok(Self { id, tracker, content, way: Way::Own { guest: Arc::new(guest), host } })
    }

    /// Enters it into the store in `folder` through the process that has it open. `None` where that
    /// one lets nobody in.
    ///
    /// # Errors
    /// Where it was refused.
    pub fn linked(
        folder: &Path,
        benchmark: Introduction,
        tracker: Arc<Tracker>,
        content: Option<Duration>,
    ) -> Result<Option<Self>, RecordsError> {
        let entered = Link::enter(folder, benchmark, content)?;
        Ok(entered.map(|(link, id)| Self { id, tracker, content, way: Way::Linked(link) }))
    }

    /// The benchmark's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Follows the benchmark: to be told of each run that begins and ends.
    #[must_use]
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Takes the benchmark's records.
    #[must_use]
    pub fn records(&self) -> Box<dyn Records> {
        let tracker = Arc::clone(&self.tracker);
        match &self.way {
            Way::Own { guest, host } => {
                let recording = host.recording(&self.id, self.content);
                Box::new(OwnRecords { recording, guest: Arc::clone(guest), tracker })
            }
            Way::Linked(link) => {
                Box::new(LinkedRecords::new(link.clone(), tracker, self.content.is_some()))
            }
        }
    }

    /// Keeps what one more run came to.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn add_run(&self, run: &Value) -> Result<(), RecordsError> {
        match &self.way {
            Way::Own { guest, .. } => guest.add_run(run).map_err(RecordsError::from),
            Way::Linked(link) => link.add_run(run),
        }
    }

    /// Notes how the benchmark ended. Its records have been dropped before.
    ///
    /// # Errors
    /// Where that cannot be kept.
    pub fn finish(self, ending: Ending) -> Result<(), RecordsError> {
        match self.way {
            Way::Own { guest, .. } => {
                // Whoever still holds it interrupts it when it lets go.
                if let Some(guest) = Arc::into_inner(guest) {
                    guest.finish(ending);
                }
                Ok(())
            }
            Way::Linked(link) => link.leave(ending),
        }
    }
}

/// Records for the store that this process has open.
struct OwnRecords {
    recording: Recording,
    guest: Arc<Guest>,
    tracker: Arc<Tracker>,
}

impl Records for OwnRecords {
    fn begin(&mut self, run: &Opening) -> Result<(), RecordsError> {
        self.recording.begin(run)
    }

    fn write(&mut self, exchange: &Exchange, label: &RunLabel) -> Result<(), RecordsError> {
        self.recording.write(exchange, label)
    }

    fn wants_content(&self) -> bool {
        self.recording.wants_content()
    }

    fn content(&mut self, content: Content) {
        self.recording.content(content);
    }

    fn content_missed(&mut self, requests: u64) {
        self.recording.content_missed(requests);
    }

    fn tick(&mut self, now: Timestamp) -> Result<(), RecordsError> {
        self.guest.note(self.tracker.progress());
        self.recording.tick(now)
    }

    fn end(&mut self) -> Result<(), RecordsError> {
        self.recording.end()
    }
}
