//! When tokens came, in bins that grow wider with the time they span.

use std::time::Duration;

/// How long a bin of a series is, and the widest a bin gets.
pub(crate) const BIN: Duration = Duration::from_millis(100);

const BIN_NANOS: u64 = BIN.as_nanos() as u64;

/// How wide bins are at first, so that the end of a short window falls into a narrow one.
const FINEST_NANOS: u64 = BIN_NANOS / 128;

/// The most bins kept, 8 MB: 13 minutes of the finest, 29 hours of the widest. Tokens after that are
/// counted, but in no bin.
const BINS_MAX: usize = 1 << 20;

/// Counts tokens by when they came after the beginning of a window, whose end may not be known yet.
#[derive(Clone, Debug)]
pub(crate) struct TokenTimeline {
    /// The end of the window, if known: what comes later is not counted.
    end_nanos: Option<u64>,
    /// How wide each bin is: a whole number of them makes a bin of a series.
    width_nanos: u64,
    bins: Vec<f64>,
    total: f64,
    latest_nanos: u64,
}

impl TokenTimeline {
    pub(crate) fn new(end_nanos: Option<u64>) -> Self {
        let (bins, width_nanos) = (Vec::new(), FINEST_NANOS);
        Self { end_nanos, width_nanos, bins, total: 0.0, latest_nanos: 0 }
    }

    /// Counts `tokens` that came `nanos` after the window began.
    pub(crate) fn add(&mut self, nanos: i64, tokens: f64) {
        let Ok(nanos) = u64::try_from(nanos) else { return };
        if self.end_nanos.is_some_and(|end| nanos > end) {
            return;
        }
        self.total += tokens;
        self.latest_nanos = self.latest_nanos.max(nanos);
        while self.place(nanos) >= BINS_MAX {
            if self.width_nanos >= BIN_NANOS {
                return;
            }
            self.widen();
        }
        let bin = self.place(nanos);
        if bin >= self.bins.len() {
            self.bins.resize(bin + 1, 0.0);
        }
        self.bins[bin] += tokens;
    }

    /// Which bin a moment falls into.
    fn place(&self, nanos: u64) -> usize {
        usize::try_from(nanos / self.width_nanos).unwrap_or(usize::MAX)
    }

    /// Joins each two neighbouring bins.
    fn widen(&mut self) {
        self.width_nanos *= 2;
        self.bins = self.bins.chunks(2).map(|pair| pair.iter().sum()).collect();
    }

    /// The tokens up to `end_nanos`: exact where all counted came by then (as always where the end
    /// was known), else with the bin that the end falls into counted by the part before it.
    pub(crate) fn until(&self, end_nanos: u64) -> f64 {
        if self.latest_nanos <= end_nanos {
            return self.total;
        }
        let whole = self.place(end_nanos);
        let before: f64 = self.bins.iter().take(whole).sum();
        let part = (end_nanos % self.width_nanos) as f64 / self.width_nanos as f64;
        before + self.bins.get(whole).map_or(0.0, |tokens| tokens * part)
    }

    /// The tokens of each [`BIN`] that lies wholly before `end_nanos`.
    pub(crate) fn series(&self, end_nanos: u64) -> Vec<f64> {
        let whole = usize::try_from(end_nanos / BIN_NANOS).unwrap_or(usize::MAX).min(BINS_MAX);
        let each = usize::try_from(BIN_NANOS / self.width_nanos).expect("a bin is 128 at most");
        let mut series: Vec<f64> =
            self.bins.chunks(each).take(whole).map(|bins| bins.iter().sum()).collect();
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
        // The bin of 0.78 ms that begins at 250 ms holds 8 tokens, and half of it lies before.
        assert_eq!(open.until(at_250 + FINEST_NANOS / 2), 7.0 + 4.0);
        assert_eq!(open.series(at_400), [3.0, 4.0, 8.0, 16.0]);
        assert_eq!(open.series(550_000_000), [3.0, 4.0, 8.0, 16.0, 0.0]);
        assert_eq!(open.series(at_250), [3.0, 4.0]);
    }

    #[test]
    fn bins_grow_wider_and_lose_nothing() {
        let arrivals = [(0, 1.0), (99, 2.0), (150, 4.0), (3_600_000, 8.0), (3_600_050, 16.0)];
        let mut timeline = TokenTimeline::new(None);
        for (ms, tokens) in arrivals {
            timeline.add(ms * MS, tokens);
        }
        assert_eq!(timeline.width_nanos, 8 * FINEST_NANOS, "an hour of bins of 6.25 ms");
        let series = timeline.series(3_600_100_000_000);
        assert_eq!(series.len(), 36_001);
        assert_eq!((series[0], series[1], series[36_000]), (3.0, 4.0, 24.0));
        assert_eq!(timeline.until(3_600_000_000_000), 7.0);
        // Days later bins get no wider; what comes then is in the total alone.
        timeline.add(i64::MAX, 32.0);
        assert_eq!((timeline.width_nanos, timeline.total), (BIN_NANOS, 63.0));
        assert!(timeline.bins.len() <= BINS_MAX);
    }
}
