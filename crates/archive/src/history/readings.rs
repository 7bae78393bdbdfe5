//! Answers to the questions of alert rules.

use alert::question::Latency;
use alert::{Moment, Quantity, Question, Reading};
use analysis::rollup::{Resolution, Rollup};

use super::grid::{Grid, Step};
use super::group::groups;
use super::{History, HistoryError};
use crate::archive::length;

impl History {
    /// Answers a question at `now`. A window that has not ended counts as far as it is known, and a
    /// group for as long as a window of its series is kept.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn readings(&self, question: &Question, now: Moment) -> Result<Vec<Reading>, HistoryError> {
        let to_s = now.unix_ms().div_ceil(1_000);
        let window_s = u64::try_from(question.window.as_millis().div_ceil(1_000)).unwrap_or(to_s);
        let grid = Grid::new(to_s.saturating_sub(window_s), to_s, Step::Points(1), &self.kept()?)?;
        let known = self.reader.first_rollups(length(Resolution::Hour))?;
        let keys = known.keys().map(String::as_str);
        let mut readings = Vec::new();
        for (labels, keys) in groups(keys, &question.filters, &question.group_by) {
            let mut whole = Rollup::default();
            for step in self.steps(&grid, &keys)?.unwrap_or_default() {
                whole.merge(&step);
            }
            let value = figure(question.quantity, &whole, window_s);
            readings.extend(value.map(|value| Reading { labels, value }));
        }
        Ok(readings)
    }
}

/// The figure of what ended in so many seconds; `None` where it has none.
fn figure(quantity: Quantity, whole: &Rollup, window_s: u64) -> Option<f64> {
    let ended = &whole.ended;
    let requests = ended.requests() as f64;
    match quantity {
        Quantity::LatencyQuantile { latency, quantile } => {
            let sketch = match latency {
                Latency::E2e => &ended.e2e,
                Latency::Ttft => &ended.ttft,
                Latency::Tpot => &ended.tpot,
            };
            sketch.quantile_ms(quantile).map(|ms| ms / 1e3)
        }
        Quantity::ErrorRate => (requests > 0.0).then(|| ended.failed.total() as f64 / requests),
        Quantity::RequestRate => Some(requests / window_s as f64),
        // No request has a price.
        Quantity::CostPerHour => Some(0.0),
    }
}
