//! How far a figure may be off: intervals of rates, and of differences and ratios between runs.

use domain::{Random, Seed};

use crate::percentile::{CONFIDENCE, interpolate, quantile, type7_ranks};

/// The normal quantile of 97.5 %, for two-sided 95 % intervals.
pub const Z: f64 = 1.959_963_984_540_054;

/// How often a bootstrap resamples.
pub const RESAMPLES: usize = 1_000;

/// A range that covers the true value with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies in it, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// How many out of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proportion {
    /// Those that count.
    pub hits: u64,
    /// All.
    pub total: u64,
}

impl Proportion {
    /// `hits / total`, or 0 of none.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.hits as f64 / self.total as f64 }
    }

    /// The 95 % interval of the share (Wilson 1927), which unlike `p ± z·se` stays within 0 to 1
    /// and holds for rates near either; all of 0 to 1 where `total` is 0.
    #[must_use]
    pub fn interval(&self) -> Interval {
        if self.total == 0 {
            return Interval { low: 0.0, high: 1.0 };
        }
        let (n, share) = (self.total as f64, self.share());
        let weight = Z * Z / n;
        let centre = (share + weight / 2.0) / (1.0 + weight);
        let half = Z / (1.0 + weight) * (share * (1.0 - share) / n + weight / (4.0 * n)).sqrt();
        // At the ends the bounds are exactly 0 and 1; rounding must not move them.
        let low = if self.hits == 0 { 0.0 } else { (centre - half).max(0.0) };
        let high = if self.hits == self.total { 1.0 } else { (centre + half).min(1.0) };
        Interval { low, high }
    }
}

/// What of a sample is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The quantile at a share.
    Quantile(f64),
}

impl Statistic {
    /// Computes it, reordering `values`; `None` where there are none.
    pub fn of(self, values: &mut [f64]) -> Option<f64> {
        match self {
            Self::Mean => {
                let n = values.len() as f64;
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / n)
            }
            Self::Quantile(share) => {
                let last = values.len().checked_sub(1)?;
                let (below, _, weight) = type7_ranks(last, share);
                let (_, &mut low, higher) = values.select_nth_unstable_by(below, f64::total_cmp);
                let high = higher.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
                Some(interpolate(low, high, weight))
            }
        }
    }
}

/// Resamples a series by moving blocks (Künsch 1989): blocks of neighbours are drawn with
/// replacement from every place of the series and strung together, so that what correlates
/// neighbours (requests in one batch) stays within the blocks.
#[derive(Debug)]
pub struct Blocks<'a> {
    series: &'a [f64],
    length: usize,
    resample: Vec<f64>,
}

impl<'a> Blocks<'a> {
    /// Of `series` in the order in which its values arose, with blocks of the cube root of its
    /// length, the order that keeps the variance's error least.
    #[must_use]
    pub fn new(series: &'a [f64]) -> Self {
        let length = (series.len() as f64).cbrt().ceil() as usize;
        Self { series, length: length.max(1), resample: Vec::with_capacity(series.len()) }
    }

    /// One resample, as long as the series.
    pub fn draw(&mut self, random: &mut Random) -> &mut [f64] {
        self.resample.clear();
        let starts = (self.series.len() + 1).saturating_sub(self.length) as u64;
        while self.resample.len() < self.series.len() {
            let start = usize::try_from(random.below(starts)).expect("an index of a slice");
            let wanted = self.length.min(self.series.len() - self.resample.len());
            self.resample.extend_from_slice(&self.series[start..start + wanted]);
        }
        &mut self.resample
    }
}

/// How two values are held against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contrast {
    /// `second − first`.
    Difference,
    /// `second / first`.
    Ratio,
}

impl Contrast {
    fn of(self, first: f64, second: f64) -> f64 {
        match self {
            Self::Difference => second - first,
            Self::Ratio => second / first,
        }
    }

    /// The value that means no difference.
    #[must_use]
    pub const fn neutral(self) -> f64 {
        match self {
            Self::Difference => 0.0,
            Self::Ratio => 1.0,
        }
    }
}

/// Whether two series are drawn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// The series have nothing to do with each other.
    Independent,
    /// The n-th values of both belong to the same item and are drawn together, which takes what the
    /// items have in common out of the comparison.
    ByItem,
}

/// An effect with how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The effect found.
    pub effect: f64,
    /// Its 95 % bootstrap percentile interval.
    pub interval: Interval,
    /// The two-sided bootstrap p-value of no effect, at least `2 / (RESAMPLES + 1)`.
    pub p_value: f64,
}

/// The contrast of a statistic between two series, by block bootstrap of both; `None` where either
/// is empty, or where paired ones differ in length.
#[must_use]
pub fn contrast(
    first: &[f64],
    second: &[f64],
    statistic: Statistic,
    contrast: Contrast,
    pairing: Pairing,
    seed: Seed,
) -> Option<Estimate> {
    if pairing == Pairing::ByItem && first.len() != second.len() {
        return None;
    }
    let effect =
        contrast.of(statistic.of(&mut first.to_vec())?, statistic.of(&mut second.to_vec())?);
    // Series of the same length and the same seed draw the same places, and so stay paired.
    let (mut random_first, mut random_second) = match pairing {
        Pairing::Independent => (seed.child("first").random(), seed.child("second").random()),
        Pairing::ByItem => (seed.random(), seed.random()),
    };
    let (mut blocks_first, mut blocks_second) = (Blocks::new(first), Blocks::new(second));
    let mut effects: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn_first = statistic.of(blocks_first.draw(&mut random_first));
            let drawn_second = statistic.of(blocks_second.draw(&mut random_second));
            contrast.of(
                drawn_first.expect("as long as the series"),
                drawn_second.expect("as long as the series"),
            )
        })
        .collect();
    effects.sort_unstable_by(f64::total_cmp);

    let miss = (1.0 - CONFIDENCE) / 2.0;
    let interval = Interval {
        low: quantile(&effects, miss).expect("RESAMPLES is not 0"),
        high: quantile(&effects, 1.0 - miss).expect("RESAMPLES is not 0"),
    };
    let neutral = contrast.neutral();
    let at_most = effects.iter().filter(|effect| **effect <= neutral).count();
    let at_least = effects.iter().filter(|effect| **effect >= neutral).count();
    // The observed sample counts as one more resample, so that p is never 0.
    let p_value = 2.0 * (at_most.min(at_least) + 1) as f64 / (RESAMPLES + 1) as f64;
    Some(Estimate { effect, interval, p_value: p_value.min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe 1998, table I, method 3.
    #[test]
    fn wilson_intervals_are_the_published_ones() {
        for (hits, total, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
            (20, 20, 0.8389, 1.0),
            (0, 0, 0.0, 1.0),
        ] {
            let interval = Proportion { hits, total }.interval();
            assert!((interval.low - low).abs() < 5e-5, "{hits}/{total}: {interval:?}");
            assert!((interval.high - high).abs() < 5e-5, "{hits}/{total}: {interval:?}");
        }
    }

    /// Series whose neighbours are correlated by one half, of mean 10 and of mean 10 + `shift`.
    fn pair(trial: u64, shift: f64) -> (Vec<f64>, Vec<f64>) {
        let series = |name: &str, mean: f64| -> Vec<f64> {
            let mut random = Seed(5).nth(trial).child(name).random();
            let mut level = 0.0;
            let mut next = || {
                level = 0.5 * level + random.normal();
                mean + level
            };
            (0..200).map(|_| next()).collect()
        };
        (series("first", 10.0), series("second", 10.0 + shift))
    }

    #[test]
    fn bootstrap_intervals_cover_what_they_promise() {
        const TRIALS: u64 = 100;
        let check = |contrast_kind: Contrast, statistic: Statistic, truth: f64| {
            let covered = (0..TRIALS).filter(|&trial| {
                let (first, second) = pair(trial, 1.0);
                let seed = Seed(trial);
                let independent = Pairing::Independent;
                contrast(&first, &second, statistic, contrast_kind, independent, seed)
                    .is_some_and(|estimate| estimate.interval.contains(truth))
            });
            let covered = covered.count();
            assert!((85..=99).contains(&covered), "{contrast_kind:?} {statistic:?}: {covered} %");
        };
        check(Contrast::Difference, Statistic::Mean, 1.0);
        check(Contrast::Ratio, Statistic::Mean, 1.1);
    }

    /// Items differ far more than the runs do: only drawing both values of an item together shows
    /// the difference.
    #[test]
    fn pairing_takes_out_what_items_share() {
        let mut random = Seed(8).random();
        let first: Vec<f64> = (0..100).map(|_| 100.0 * random.exponential(1.0)).collect();
        let second: Vec<f64> = first.iter().map(|value| value + 1.0 + random.unit()).collect();
        let estimate = |pairing| {
            contrast(&first, &second, Statistic::Mean, Contrast::Difference, pairing, Seed(1))
        };
        let (apart, together) =
            (estimate(Pairing::Independent).unwrap(), estimate(Pairing::ByItem).unwrap());
        assert!(apart.interval.contains(0.0), "{apart:?}");
        assert!(together.interval.low > 1.0 && together.interval.high < 2.0, "{together:?}");
        assert!(together.p_value < 0.01 && apart.p_value > 0.5);
        assert_eq!(apart.effect, together.effect);
        let unequal = contrast(
            &first[1..],
            &second,
            Statistic::Mean,
            Contrast::Ratio,
            Pairing::ByItem,
            Seed(1),
        );
        assert_eq!(unequal, None);
    }

    #[test]
    fn statistics_need_no_sorted_values() {
        let values = [40.0, 15.0, 50.0, 20.0, 35.0];
        for share in [0.0, 0.3, 0.5, 0.9, 1.0] {
            let mut sorted = values;
            sorted.sort_unstable_by(f64::total_cmp);
            let selected = Statistic::Quantile(share).of(&mut values.clone());
            assert_eq!(selected, quantile(&sorted, share), "{share}");
        }
        assert_eq!(Statistic::Mean.of(&mut values.clone()), Some(32.0));
        assert_eq!(Statistic::Mean.of(&mut []), None);
        assert_eq!(Statistic::Quantile(0.5).of(&mut []), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let (first, second) = pair(0, 0.0);
        let estimate = |seed| {
            let median = Statistic::Quantile(0.5);
            contrast(&first, &second, median, Contrast::Difference, Pairing::Independent, seed)
        };
        assert_eq!(estimate(Seed(1)), estimate(Seed(1)));
        assert_ne!(estimate(Seed(1)), estimate(Seed(2)));
    }
}
