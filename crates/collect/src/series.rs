//! The series that are kept apart, at most so many, and what each is busy with right now.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::Series;

/// What a part of a series is called that there was no room for.
pub const OTHER: &str = "other";

/// A series that the collector keeps apart, and what is going on in it.
///
/// Producers that tell it of requests as they begin, and of chunks as they come, are seen at work;
/// records alone tell of requests that have ended.
#[derive(Debug)]
pub struct Tracked {
    place: usize,
    series: Series,
    in_flight: AtomicU64,
    in_flight_max: AtomicU64,
    chunks: AtomicU64,
}

impl Tracked {
    const fn new(place: usize, series: Series) -> Self {
        Self {
            place,
            series,
            in_flight: AtomicU64::new(0),
            in_flight_max: AtomicU64::new(0),
            chunks: AtomicU64::new(0),
        }
    }

    /// What its requests have in common.
    #[must_use]
    pub const fn series(&self) -> &Series {
        &self.series
    }

    /// Its place among all, counted from zero.
    pub(crate) const fn place(&self) -> usize {
        self.place
    }

    /// Says that a request begins. It is in flight until the answer is dropped.
    #[must_use = "the request is in flight for as long as this is held"]
    pub fn begin(self: &Arc<Self>) -> InFlight {
        let others = self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.in_flight_max.fetch_max(others + 1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// For a producer that counts its requests in flight itself: none of them, until it says so.
    #[must_use]
    pub const fn gauge(self: Arc<Self>) -> InFlightGauge {
        InFlightGauge { tracked: self, shown: 0 }
    }

    /// Says that so many token-bearing chunks came.
    pub fn note_chunks(&self, count: u64) {
        self.chunks.fetch_add(count, Ordering::Relaxed);
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The most that were in flight at once since the last time this was asked.
    pub(crate) fn take_in_flight_max(&self) -> u64 {
        let now = self.in_flight();
        self.in_flight_max.swap(now, Ordering::Relaxed).max(now)
    }

    /// The chunks that came since the last time this was asked.
    pub(crate) fn take_chunks(&self) -> u64 {
        self.chunks.swap(0, Ordering::Relaxed)
    }
}

/// Requests in flight, of a producer that counts them itself.
#[derive(Debug)]
pub struct InFlightGauge {
    tracked: Arc<Tracked>,
    shown: u64,
}

impl InFlightGauge {
    /// Says how many there are now.
    pub fn set(&mut self, now: u64) {
        let tracked = &self.tracked;
        if now >= self.shown {
            let before = tracked.in_flight.fetch_add(now - self.shown, Ordering::Relaxed);
            tracked.in_flight_max.fetch_max(before + now - self.shown, Ordering::Relaxed);
        } else {
            tracked.in_flight.fetch_sub(self.shown - now, Ordering::Relaxed);
        }
        self.shown = now;
    }
}

impl Drop for InFlightGauge {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct InFlight(Arc<Tracked>);

impl InFlight {
    /// The series it is in.
    #[must_use]
    pub const fn tracked(&self) -> &Arc<Tracked> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All series, at most so many: each costs memory here and in whatever reads the metrics.
#[derive(Debug)]
pub struct SeriesTable {
    bound: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    places: HashMap<Series, usize>,
    tracked: Vec<Arc<Tracked>>,
    merged: u64,
}

impl SeriesTable {
    /// A table of at most `bound` series, and a few for what there is no room for.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { bound, table: Mutex::default() }
    }

    /// The series, tracked from now on. Where there is no room for another, its names are taken for
    /// [`OTHER`], and that is counted. Ask once and keep the answer.
    #[must_use]
    pub fn track(&self, series: &Series) -> Arc<Tracked> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&place) = table.places.get(series) {
            return Arc::clone(&table.tracked[place]);
        }
        if table.tracked.len() < self.bound {
            return table.add(series.clone());
        }
        table.merged += 1;
        let other = nameless(series);
        match table.places.get(&other) {
            Some(&place) => Arc::clone(&table.tracked[place]),
            None => table.add(other),
        }
    }

    /// Every series, in the order they came up.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Tracked>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).tracked.clone()
    }

    /// How often a series was asked for that there was no room for.
    #[must_use]
    pub fn merged(&self) -> u64 {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).merged
    }
}

impl Table {
    fn add(&mut self, series: Series) -> Arc<Tracked> {
        let tracked = Arc::new(Tracked::new(self.tracked.len(), series.clone()));
        self.places.insert(series, tracked.place);
        self.tracked.push(Arc::clone(&tracked));
        tracked
    }
}

/// The series without its names, of which there are as many as vantages and sources.
fn nameless(series: &Series) -> Series {
    let other: Arc<str> = Arc::from(OTHER);
    Series {
        model: Arc::clone(&other),
        provider: Arc::clone(&other),
        region: Arc::clone(&other),
        vantage: series.vantage,
        vantage_region: Arc::clone(&other),
        scenario: other,
        source: series.source,
    }
}
