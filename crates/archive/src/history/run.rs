//! One run of a benchmark, looked at as a whole: over its time, and by its latencies.
//!
//! A view is made on one way through the run's records, in memory that does not grow with their
//! number: [`course`] gathers them by the time they belong to, in bins that grow wider with the run,
//! and [`timeline`] and [`shape`] draw from those.

mod course;
mod shape;
mod timeline;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::durable::{DurableError, RecordFilter};

use super::History;
use crate::samples::{self, Grid, Watched};
pub use shape::{Distribution, Heatmap};
pub use timeline::Timeline;

use course::Course;

/// How many records make a view that is worth keeping.
const LARGE: u64 = 2_000;
/// How many views are kept.
const KEPT_MAX: usize = 16;

/// A latency of which there are distributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Time to the first token.
    Ttft,
    /// Time per output token.
    Tpot,
    /// The gaps between chunks, pooled.
    Itl,
    /// End-to-end latency.
    E2e,
}

impl Latency {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Ttft, Self::Tpot, Self::Itl, Self::E2e];

    /// The word used in questions and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::Itl => "itl",
            Self::E2e => "e2e",
        }
    }
}

/// A run of a benchmark as a whole. Requests sent to warm up are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct RunView {
    /// How many requests ended.
    pub requests: u64,
    /// The run over its time.
    pub timeline: Timeline,
    /// What was looked at meanwhile, in the steps of the timeline.
    pub watched: Vec<Watched>,
    distributions: [Distribution; Latency::ALL.len()],
    heatmaps: [Heatmap; Latency::ALL.len()],
}

impl RunView {
    fn of(course: &Course, timeline: Timeline, watched: Vec<Watched>) -> Self {
        Self {
            requests: course.requests(),
            timeline,
            watched,
            distributions: Latency::ALL.map(|latency| Distribution::of(course, latency)),
            heatmaps: Latency::ALL.map(|latency| Heatmap::of(course, latency)),
        }
    }

    /// How a latency was distributed over the whole run.
    #[must_use]
    pub const fn distribution(&self, latency: Latency) -> &Distribution {
        &self.distributions[latency as usize]
    }

    /// How a latency was distributed over each step of the run's time.
    #[must_use]
    pub const fn heatmap(&self, latency: Latency) -> &Heatmap {
        &self.heatmaps[latency as usize]
    }
}

/// Views that need not be made again.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// The last ones asked for, the latest last.
    kept: Mutex<VecDeque<(Place, Arc<RunView>)>>,
    /// Held while one is made: one at a time, and whoever waits for the same finds it.
    making: Mutex<()>,
}

/// A benchmark, and which of its runs.
type Place = (String, u64);

impl Views {
    fn find(&self, place: &Place) -> Option<Arc<RunView>> {
        let mut kept = lock(&self.kept);
        let found = kept.iter().position(|(known, _)| known == place)?;
        let entry = kept.remove(found)?;
        let view = Arc::clone(&entry.1);
        kept.push_back(entry);
        Some(view)
    }

    fn keep(&self, place: Place, view: Arc<RunView>) {
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((place, view));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl History {
    /// A run of a benchmark, by its place among the benchmark's. `is_over` says that no more records
    /// of it will come, so that its view may be kept.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn run(
        &self,
        benchmark: &str,
        index: u64,
        is_over: bool,
    ) -> Result<Arc<RunView>, DurableError> {
        let place = (benchmark.to_owned(), index);
        let _making = lock(&self.views.making);
        if let Some(view) = self.views.find(&place) {
            return Ok(view);
        }
        let mut course = Course::default();
        let filter = RecordFilter { run_index: Some(index), ..RecordFilter::run(benchmark) };
        self.reader.pick(&filter, |record| {
            course.record(&record.exchange, record.provenance.label.origin);
            Ok(())
        })?;
        let timeline = Timeline::of(&course);
        let grid = Grid {
            start_nanos: timeline.start_unix_ms * 1_000_000,
            step_nanos: timeline.step_ms * 1_000_000,
            steps: timeline.requests_per_second.len(),
        };
        let watched = samples::watched(&self.reader, benchmark, grid)?;
        let view = Arc::new(RunView::of(&course, timeline, watched));
        if is_over && view.requests >= LARGE {
            self.views.keep(place, Arc::clone(&view));
        }
        Ok(view)
    }
}
