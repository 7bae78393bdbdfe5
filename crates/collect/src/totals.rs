//! What every series amounts to since the collector began.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use analysis::rollup::Rollup;

use crate::Tracked;

/// Sums that only grow, written by the worker and read by whoever exposes them.
#[derive(Debug, Default)]
pub(crate) struct Totals(Mutex<Vec<Option<Total>>>);

/// One series' sum.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    pub(crate) series: Arc<Tracked>,
    pub(crate) rollup: Rollup,
}

impl Totals {
    pub(crate) fn add(&self, series: &Arc<Tracked>, rollup: &Rollup) {
        let mut totals = self.lock();
        let place = series.place();
        if place >= totals.len() {
            totals.resize(place + 1, None);
        }
        totals[place]
            .get_or_insert_with(|| Total { series: Arc::clone(series), rollup: Rollup::default() })
            .rollup
            .merge(rollup);
    }

    /// A copy of all of them, in the order of the series' places.
    pub(crate) fn all(&self) -> Vec<Total> {
        self.lock().iter().flatten().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Total>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
