//! A bounded record of any number of durations, which merges exactly.

use hdrhistogram::Histogram;

use crate::percentile::{interpolate, supported, type7_ranks};
use crate::{Percentile, Quantile, Summary};

/// Nanoseconds in a millisecond.
pub(crate) const NANOS_PER_MS: f64 = 1e6;

/// Records durations in nanoseconds to three significant digits (at most 0.05 % off), in some
/// 200 KB for values up to ten seconds however many there are.
///
/// Count, mean, deviation, least and greatest are exact. Merging recorders gives the very recorder
/// that had taken all the values itself.
#[derive(Clone, Debug)]
pub struct Recorder {
    values: Histogram<u64>,
    sum: u128,
    /// Of squares, in ms²: as integers they could overflow.
    squares_ms: f64,
    min: u64,
    max: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        let values = Histogram::new(3).expect("three digits are within the crate's bounds");
        Self { values, sum: 0, squares_ms: 0.0, min: u64::MAX, max: 0 }
    }
}

impl Recorder {
    /// Takes in one duration.
    pub fn record(&mut self, nanos: u64) {
        self.values.record(nanos).expect("the histogram resizes itself up to u64::MAX");
        self.sum += u128::from(nanos);
        let ms = nanos as f64 / NANOS_PER_MS;
        self.squares_ms += ms * ms;
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
    }

    /// Takes in all that `other` has.
    pub fn merge(&mut self, other: &Self) {
        self.values.add(&other.values).expect("the histogram resizes itself up to u64::MAX");
        self.sum += other.sum;
        self.squares_ms += other.squares_ms;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many durations it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.values.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The `share`-quantile in milliseconds, interpolated like [`crate::percentile::quantile`];
    /// `None` where nothing was recorded.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let last = usize::try_from(self.len()).unwrap_or(usize::MAX).checked_sub(1)?;
        let (below, above, weight) = type7_ranks(last, share);
        Some(interpolate(self.at_rank(below), self.at_rank(above), weight) / NANOS_PER_MS)
    }

    /// The value of the given rank, counted from zero: the middle of its cell, held to the true
    /// least and greatest.
    fn at_rank(&self, rank: usize) -> f64 {
        let share = (rank as f64 + 0.5) / self.len() as f64;
        let value = self.values.median_equivalent(self.values.value_at_quantile(share));
        value.clamp(self.min, self.max) as f64
    }

    /// Summarizes the durations in milliseconds, without intervals: they are pooled, and those of
    /// one request are anything but independent. `None` where nothing was recorded.
    #[must_use]
    pub fn summary_ms(&self) -> Option<Summary> {
        if self.is_empty() {
            return None;
        }
        let n = self.len();
        let mean = self.sum as f64 / NANOS_PER_MS / n as f64;
        let spread = (self.squares_ms - n as f64 * mean * mean).max(0.0);
        let percentiles = Quantile::ALL.map(|quantile| Percentile {
            quantile,
            value: self.quantile_ms(quantile.share()).expect("there is a value"),
            interval: None,
            supported: supported(n, quantile.share()),
        });
        Some(Summary {
            n,
            mean,
            sd: if n > 1 { (spread / (n - 1) as f64).sqrt() } else { 0.0 },
            min: self.min as f64 / NANOS_PER_MS,
            max: self.max as f64 / NANOS_PER_MS,
            percentiles,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recorder(values: &[u64]) -> Recorder {
        let mut recorder = Recorder::default();
        values.iter().for_each(|&nanos| recorder.record(nanos));
        recorder
    }

    /// Durations from nanoseconds to minutes, as likely in each power of ten.
    fn durations() -> impl Strategy<Value = Vec<u64>> {
        let duration = (0_u32..11, 1_u64..10_000)
            .prop_map(|(power, digits)| digits * 10_u64.pow(power) / 1_000);
        prop::collection::vec(duration, 0..100)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

        #[test]
        fn merging_is_recording_all(first in durations(), second in durations()) {
            let mut merged = recorder(&first);
            merged.merge(&recorder(&second));
            let all = recorder(&[first, second].concat());
            prop_assert_eq!(merged.len(), all.len());
            match (merged.summary_ms(), all.summary_ms()) {
                (None, None) => {}
                (Some(merged), Some(all)) => {
                    prop_assert_eq!(merged.percentiles, all.percentiles);
                    prop_assert_eq!((merged.mean, merged.min, merged.max), (all.mean, all.min, all.max));
                    // Squares are summed in another order.
                    prop_assert!((merged.sd - all.sd).abs() <= 1e-6 * all.sd.max(1.0));
                }
                (merged, all) => prop_assert!(false, "{merged:?} for {all:?}"),
            }
        }

        #[test]
        fn percentiles_are_true_to_three_digits(values in durations()) {
            let mut exact: Vec<f64> = values.iter().map(|&nanos| nanos as f64 / 1e6).collect();
            exact.sort_unstable_by(f64::total_cmp);
            let recorder = recorder(&values);
            for share in [0.0, 0.25, 0.5, 0.9, 0.99, 1.0] {
                match (crate::percentile::quantile(&exact, share), recorder.quantile_ms(share)) {
                    (None, None) => {}
                    (Some(exact), Some(got)) => {
                        prop_assert!((got - exact).abs() <= 6e-4 * exact + 1e-9, "{got} for {exact}");
                    }
                    (exact, got) => prop_assert!(false, "{got:?} for {exact:?}"),
                }
            }
        }
    }

    #[test]
    fn extremes_are_taken_in() {
        let recorder = recorder(&[0, u64::MAX]);
        let summary = recorder.summary_ms().unwrap();
        assert_eq!((summary.n, summary.min, summary.max), (2, 0.0, u64::MAX as f64 / 1e6));
        assert!(Recorder::default().summary_ms().is_none());
    }
}
