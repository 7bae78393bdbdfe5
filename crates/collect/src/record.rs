//! What is collected, and who keeps it.

use std::error::Error;
use std::sync::Arc;

use analysis::Origin;
use analysis::rollup::Delta;
use domain::Exchange;

use crate::Tracked;

/// The run of a benchmark that a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunTag {
    /// The benchmark's id.
    pub benchmark: Arc<str>,
    /// The run's place among the benchmark's, from zero.
    pub index: u64,
    /// Its load in words.
    pub load: Arc<str>,
}

/// A request that has ended, with what only its producer knows.
#[derive(Clone, Debug)]
pub struct Record {
    /// The series it counts in.
    pub series: Arc<Tracked>,
    /// The run it belongs to; `None` for traffic that is no run.
    pub run: Option<Arc<RunTag>>,
    /// From when its latencies are counted.
    pub origin: Origin,
    /// The request.
    pub exchange: Exchange,
}

/// What is new in a window of a series.
#[derive(Clone, Debug)]
pub struct SeriesDelta {
    /// The series.
    pub series: Arc<Tracked>,
    /// The window, of a second, and what is new in it.
    pub delta: Delta,
}

/// Whoever makes records outlive the process.
///
/// It is called from one thread, and may block: producers notice only once the intake is full.
pub trait Keeper {
    /// Why it cannot.
    type Error: Error + Send + 'static;

    /// Keeps records, in the order they were taken in. Where it returns they are acknowledged, so by
    /// then they must survive a crash.
    ///
    /// # Errors
    /// Where they cannot be kept: none of them then counts as kept. The same ones, with none before
    /// them, are handed over again after a while.
    fn keep(&mut self, records: &[Record]) -> Result<(), Self::Error>;

    /// Keeps what is new in windows of a second: to be added to what they have, and to the coarser
    /// windows they lie in. All deltas handed over so far are of exactly those records that were
    /// kept so far, so that after a crash the rest can be rolled up anew from the records.
    ///
    /// # Errors
    /// Where they cannot be kept: none of them then counts as kept. They are handed over again, and
    /// no records are before that.
    fn roll_up(&mut self, deltas: &[SeriesDelta]) -> Result<(), Self::Error>;
}

/// Stands for a record and all that were taken in before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

/// The collector has been closed, and takes in nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("records are no longer collected")]
pub struct Closed;
