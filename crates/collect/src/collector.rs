//! The collector, which producers and watchers share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Clock, Series};
use tokio::sync::watch;

use crate::intake::Intake;
use crate::live::Publisher;
use crate::totals::Totals;
use crate::{Closed, Keeper, LiveWindows, Record, SeriesTable, Ticket, Tracked, Worker};

/// How a collector is set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many records may wait to be kept; as many again may be with the keeper. A record of a
    /// hundred chunks takes 2 KB.
    pub intake_records: usize,
    /// How many series are kept apart.
    pub series: usize,
    /// How long a live window is.
    pub live_interval: Duration,
    /// How many live windows a watcher may fall behind by.
    pub live_backlog: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            intake_records: 8_192,
            series: 1_000,
            live_interval: Duration::from_millis(200),
            live_backlog: 16,
        }
    }
}

/// How the collector fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Records that were kept.
    pub kept: u64,
    /// Records that wait in the intake.
    pub waiting: u64,
    /// How often a producer had to wait for room in the intake.
    pub held_back: u64,
    /// How often the keeper could not keep something.
    pub keeper_failures: u64,
    /// Why it cannot right now.
    pub keeper_error: Option<String>,
    /// Live windows that somebody missed, or that were joined into a longer one.
    pub windows_thinned: u64,
    /// How often a series was asked for that there was no room for.
    pub series_merged: u64,
}

/// Takes in records and shows what they amount to. Producers and watchers share it.
#[derive(Debug)]
pub struct Collector {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) table: SeriesTable,
    pub(crate) intake: Intake,
    pub(crate) publisher: Publisher,
    pub(crate) totals: Totals,
    /// Since when the totals are counted.
    pub(crate) began_unix_nanos: u64,
    kept: watch::Sender<Kept>,
    keeper_failures: AtomicU64,
    keeper_error: Mutex<Option<String>>,
}

/// What the worker has to show for itself.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    records: u64,
    is_over: bool,
}

impl Collector {
    /// A collector, and its worker with the keeper of its records.
    #[must_use]
    pub fn new<K: Keeper>(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        keeper: K,
    ) -> (Arc<Self>, Worker<K>) {
        let collector = Arc::new(Self {
            began_unix_nanos: clock.unix_nanos(),
            clock,
            table: SeriesTable::new(settings.series),
            intake: Intake::new(settings.intake_records),
            publisher: Publisher::new(settings.live_backlog),
            totals: Totals::default(),
            kept: watch::Sender::default(),
            keeper_failures: AtomicU64::new(0),
            keeper_error: Mutex::default(),
        });
        let worker = Worker::new(Arc::clone(&collector), keeper, settings.live_interval);
        (collector, worker)
    }

    /// The series, tracked from now on. Ask once and keep the answer.
    #[must_use]
    pub fn track(&self, series: &Series) -> Arc<Tracked> {
        self.table.track(series)
    }

    /// Takes in all of `records`, waiting for room where there is none. The ticket tells when they
    /// are kept. Should the wait be given up, those taken in are gone from the vector.
    ///
    /// # Errors
    /// Where the collector has been closed; what it did not take in is left in the vector.
    pub async fn submit(&self, records: &mut Vec<Record>) -> Result<Ticket, Closed> {
        self.intake.submit(records).await
    }

    /// Takes in as many of `records` as there is room for, from the front, without waiting.
    ///
    /// # Errors
    /// As [`Collector::submit`].
    pub fn try_submit(&self, records: &mut Vec<Record>) -> Result<Ticket, Closed> {
        self.intake.try_submit(records)
    }

    /// Waits until the ticket's record, and all before it, are kept. Returns whether they are: not
    /// where the worker ended before.
    pub async fn kept(&self, ticket: Ticket) -> bool {
        let mut kept = self.kept.subscribe();
        let is_decided = |kept: &Kept| kept.is_over || kept.records >= ticket.0;
        kept.wait_for(is_decided).await.is_ok_and(|kept| kept.records >= ticket.0)
    }

    /// Whether the ticket's record, and all before it, are kept; `None` while that is not known, and
    /// `false` where the worker ended before.
    #[must_use]
    pub fn poll_kept(&self, ticket: Ticket) -> Option<bool> {
        let kept = *self.kept.borrow();
        if kept.records >= ticket.0 { Some(true) } else { kept.is_over.then_some(false) }
    }

    /// The live windows from now on.
    #[must_use]
    pub fn watch(&self) -> LiveWindows {
        self.publisher.watch()
    }

    /// How the collector fares.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            kept: self.kept.borrow().records,
            waiting: self.intake.len() as u64,
            held_back: self.intake.held_back(),
            keeper_failures: self.keeper_failures.load(Ordering::Relaxed),
            keeper_error: self.lock_error().clone(),
            windows_thinned: self.publisher.thinned(),
            series_merged: self.table.merged(),
        }
    }

    /// Takes in nothing more. The worker keeps what it has and ends.
    pub fn close(&self) {
        self.intake.close();
    }

    /// Acknowledges records.
    pub(crate) fn note_kept(&self, records: u64) {
        self.kept.send_modify(|kept| kept.records += records);
        *self.lock_error() = None;
    }

    /// Notes that the keeper could not keep something.
    pub(crate) fn note_failure(&self, error: String) {
        self.keeper_failures.fetch_add(1, Ordering::Relaxed);
        *self.lock_error() = Some(error);
    }

    /// Takes in nothing more, and says that nothing will be kept or published any more.
    pub(crate) fn end(&self) {
        self.intake.close();
        self.publisher.close();
        self.kept.send_modify(|kept| kept.is_over = true);
    }

    fn lock_error(&self) -> MutexGuard<'_, Option<String>> {
        self.keeper_error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
