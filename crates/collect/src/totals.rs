//! What every series amounts to since the collector began.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use analysis::rollup::Rollup;

use crate::Tracked;
use crate::breakdown::Breakdown;

/// Sums that only grow, written by the worker and read by whoever exposes them.
#[derive(Debug, Default)]
pub(crate) struct Totals(Mutex<Vec<Option<Total>>>);

/// One series' sum.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    pub(crate) series: Arc<Tracked>,
    pub(crate) rollup: Rollup,
    pub(crate) breakdown: Breakdown,
}

impl Total {
    fn new(series: Arc<Tracked>) -> Self {
        Self { series, rollup: Rollup::default(), breakdown: Breakdown::default() }
    }
}

impl Totals {
    pub(crate) fn add(&self, series: &Arc<Tracked>, rollup: &Rollup, breakdown: &Breakdown) {
        let mut totals = self.lock();
        let place = series.place();
        if place >= totals.len() {
            totals.resize(place + 1, None);
        }
        let total = totals[place].get_or_insert_with(|| Total::new(Arc::clone(series)));
        total.rollup.merge(rollup);
        total.breakdown.merge(breakdown);
    }

    /// A copy of the sums of `tracked`, nothing where none of a series' requests has ended.
    pub(crate) fn of(&self, tracked: Vec<Arc<Tracked>>) -> Vec<Total> {
        let totals = self.lock();
        let total = |series: Arc<Tracked>| {
            let known = totals.get(series.place()).cloned().flatten();
            known.unwrap_or_else(|| Total::new(series))
        };
        tracked.into_iter().map(total).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Total>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
