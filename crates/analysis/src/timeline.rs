//! When tokens came, in bins of a tenth of a second.

use std::time::Duration;

/// How long a bin is.
pub(crate) const BIN: Duration = Duration::from_millis(100);

const BIN_NANOS: u64 = BIN.as_nanos() as u64;

/// The most bins kept: a day, 7 MB. Tokens after that are counted, but in no bin.
const BINS_MAX: usize = 864_000;

/// Counts tokens by when they came after the beginning of a window, whose end may not be known yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenTimeline {
    /// The end of the window, if known: what comes later is not counted.
    end_nanos: Option<u64>,
    bins: Vec<f64>,
    total: f64,
    latest_nanos: u64,
}

impl TokenTimeline {
    pub(crate) fn new(end_nanos: Option<u64>) -> Self {
        Self { end_nanos, ..Self::default() }
    }

    /// Counts `tokens` that came `nanos` after the window began.
    pub(crate) fn add(&mut self, nanos: i64, tokens: f64) {
        let Ok(nanos) = u64::try_from(nanos) else { return };
        if self.end_nanos.is_some_and(|end| nanos > end) {
            return;
        }
        self.total += tokens;
        self.latest_nanos = self.latest_nanos.max(nanos);
        let bin = usize::try_from(nanos / BIN_NANOS).unwrap_or(usize::MAX);
        if bin >= BINS_MAX {
            return;
        }
        if bin >= self.bins.len() {
            self.bins.resize(bin + 1, 0.0);
        }
        self.bins[bin] += tokens;
    }

    /// The tokens up to `end_nanos`: exact where all counted came by then (as always where the end
    /// was known), else with the bin that the end falls into counted by the part before it.
    pub(crate) fn until(&self, end_nanos: u64) -> f64 {
        if self.latest_nanos <= end_nanos {
            return self.total;
        }
        let whole = usize::try_from(end_nanos / BIN_NANOS).unwrap_or(usize::MAX);
        let before: f64 = self.bins.iter().take(whole).sum();
        let part = (end_nanos % BIN_NANOS) as f64 / BIN_NANOS as f64;
        before + self.bins.get(whole).map_or(0.0, |tokens| tokens * part)
    }

    /// The tokens of each bin that lies wholly before `end_nanos`.
    pub(crate) fn series(&self, end_nanos: u64) -> Vec<f64> {
        let whole = usize::try_from(end_nanos / BIN_NANOS).unwrap_or(usize::MAX).min(BINS_MAX);
        let mut series: Vec<f64> = self.bins.iter().copied().take(whole).collect();
        series.resize(whole, 0.0);
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn counts_what_came_inside_the_window() {
        let arrivals = [(-5, 100.0), (0, 1.0), (99, 2.0), (100, 4.0), (250, 8.0), (320, 16.0)];
        let known = |end| {
            let mut timeline = TokenTimeline::new(Some(end));
            arrivals.iter().for_each(|&(ms, tokens)| timeline.add(ms * MS, tokens));
            timeline
        };
        let mut open = TokenTimeline::new(None);
        arrivals.iter().for_each(|&(ms, tokens)| open.add(ms * MS, tokens));

        let (at_250, at_400) = (250_000_000, 400_000_000);
        assert_eq!(known(at_250).until(at_250), 15.0);
        assert_eq!(open.until(at_400), 31.0);
        // The bin from 200 to 300 ms holds 8 tokens, and half of it lies before the end.
        assert_eq!(open.until(at_250), 7.0 + 4.0);
        assert_eq!(open.series(at_400), [3.0, 4.0, 8.0, 16.0]);
        assert_eq!(open.series(550_000_000), [3.0, 4.0, 8.0, 16.0, 0.0]);
        assert_eq!(open.series(at_250), [3.0, 4.0]);
    }
}
