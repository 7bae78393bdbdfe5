//! Percentiles of a sample, how many values one needs to mean anything, and how far it may be off.
//!
//! A quantile is the linear interpolation between the two nearest order statistics, Hyndman and
//! Fan's type 7: for `n` sorted values the `q`-quantile lies at rank `q (n − 1)` counted from zero.
//! It is what `numpy.percentile` computes by default, and so what most tools of the field print.

use crate::Interval;

/// How sure an interval is to cover the true value, everywhere in this crate.
pub const CONFIDENCE: f64 = 0.95;

/// The percentiles every summary carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quantile {
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
    /// The 99.9th percentile.
    P999,
}

impl Quantile {
    /// Every one, in ascending order.
    pub const ALL: [Self; 5] = [Self::P50, Self::P90, Self::P95, Self::P99, Self::P999];

    /// The share of values below it.
    #[must_use]
    pub const fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
            Self::P999 => 0.999,
        }
    }

    /// What people call it: `p99.9` for the last.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
        }
    }

    /// How many values it takes for ten of them to lie above it: `10 / (1 − q)`.
    #[must_use]
    pub const fn required(self) -> u64 {
        match self {
            Self::P50 => 20,
            Self::P90 => 100,
            Self::P95 => 200,
            Self::P99 => 1_000,
            Self::P999 => 10_000,
        }
    }
}

/// Whether `n` values support the quantile at `share`: at least ten are expected above it.
#[must_use]
pub fn supported(n: u64, share: f64) -> bool {
    // The slack forgives 1 − 0.9 for not being 0.1.
    n as f64 * (1.0 - share) >= 10.0 - 1e-6
}

/// The `share`-quantile of ascending `sorted` values (type 7); `None` where there are none.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let (below, above, weight) = type7_ranks(last, share);
    Some(interpolate(sorted[below], sorted[above], weight))
}

/// The two ranks, counted from zero up to `last`, between which the quantile lies, and how far it
/// lies from the first to the second.
pub(crate) fn type7_ranks(last: usize, share: f64) -> (usize, usize, f64) {
    let rank = share.clamp(0.0, 1.0) * last as f64;
    let below = rank.floor() as usize;
    (below, (below + 1).min(last), rank - rank.floor())
}

pub(crate) fn interpolate(below: f64, above: f64, weight: f64) -> f64 {
    below + weight * (above - below)
}

/// The ranks, counted from zero, of the two order statistics of `n` independent values that enclose
/// the `share`-quantile with at least 95 % confidence, at most 2.5 % missed on either side.
///
/// The number of values below the true quantile is binomial, `B ~ Bin(n, q)`, whatever the values'
/// distribution, so `P(x_l ≤ Q < x_u) = P(l ≤ B < u)` for ranks counted from one (Conover,
/// *Practical Nonparametric Statistics*, 3.2). `None` where `n` is too small for one of the sides.
///
/// The binomial is summed outward from its mode by the ratio of neighbouring terms, which is exact
/// to rounding at any `n` and needs no special function.
#[must_use]
pub fn order_statistic_ranks(n: u64, share: f64) -> Option<(u64, u64)> {
    let miss = (1.0 - CONFIDENCE) / 2.0;
    let (first, terms) = binomial_terms(n, share)?;
    let total: f64 = terms.iter().sum();

    // The largest l ≥ 1 with P(B ≤ l − 1) ≤ miss.
    let mut below = 0.0;
    let mut lower = None;
    for (term, successes) in terms.iter().zip(first..) {
        below += term / total;
        if below > miss {
            break;
        }
        lower = Some(successes + 1);
    }

    // The smallest u ≤ n with P(B ≥ u) ≤ miss.
    let mut above = 0.0;
    let mut upper = None;
    for (index, term) in terms.iter().enumerate().rev() {
        above += term / total;
        if above > miss {
            break;
        }
        upper = Some(first + index as u64);
    }
    Some((lower? - 1, upper? - 1))
}

/// The terms of `Bin(n, share)` that are not negligible, relative to the largest, and the number of
/// successes the first stands for.
fn binomial_terms(n: u64, share: f64) -> Option<(u64, Vec<f64>)> {
    if n == 0 || share <= 0.0 || share >= 1.0 {
        return None;
    }
    const NEGLIGIBLE: f64 = 1e-18;
    let odds = share / (1.0 - share);
    let mode = (((n + 1) as f64 * share).floor() as u64).min(n);

    let mut lower = Vec::new();
    let (mut term, mut successes) = (1.0, mode);
    while successes > 0 {
        term *= successes as f64 / ((n - successes + 1) as f64 * odds);
        if term < NEGLIGIBLE {
            break;
        }
        successes -= 1;
        lower.push(term);
    }
    let first = successes;
    lower.reverse();
    let mut terms = lower;
    terms.push(1.0);

    let (mut term, mut successes) = (1.0, mode);
    while successes < n {
        term *= (n - successes) as f64 * odds / (successes + 1) as f64;
        if term < NEGLIGIBLE {
            break;
        }
        successes += 1;
        terms.push(term);
    }
    Some((first, terms))
}

/// The 95 % interval of a quantile of ascending, independent `sorted` values, from order statistics.
#[must_use]
pub fn quantile_interval(sorted: &[f64], share: f64) -> Option<Interval> {
    interval_at(sorted, share, sorted.len() as u64)
}

/// The same where `sorted` are worth only `effective` independent values: the ranks of that many
/// are stretched over all.
fn interval_at(sorted: &[f64], share: f64, effective: u64) -> Option<Interval> {
    let (lower, upper) = order_statistic_ranks(effective, share)?;
    let stretch = sorted.len() as f64 / effective as f64;
    let lower = (lower as f64 * stretch).floor() as usize;
    let upper = ((upper + 1) as f64 * stretch).ceil() as usize - 1;
    Some(Interval { low: sorted[lower], high: sorted[upper.min(sorted.len() - 1)] })
}

/// By what factor the correlation of successive values inflates the variance of the share of them
/// at or below `threshold`, 1 where they are independent.
///
/// Requests share batches and queues, so neighbours in time resemble each other and `n` of them
/// tell less than `n` independent ones. Batch means: split the series into `√n` batches; under
/// independence the variance of a batch of `m` values' share is `p (1 − p) / m`, and what is found
/// over that is the factor. Values below 1 are taken for noise.
fn variance_inflation(series: &[f64], threshold: f64) -> f64 {
    let size = (series.len() as f64).sqrt().floor() as usize;
    if size < 4 {
        return 1.0;
    }
    let shares: Vec<f64> = series
        .chunks_exact(size)
        .map(|batch| batch.iter().filter(|value| **value <= threshold).count() as f64 / size as f64)
        .collect();
    let (share, deviation) = mean_and_deviation(&shares);
    let independent = share * (1.0 - share) / size as f64;
    if independent > 0.0 { (deviation * deviation / independent).max(1.0) } else { 1.0 }
}

/// The mean, and the deviation with `n − 1`, of `values`; zero where there are too few.
pub(crate) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// The least of ascending values up to which `share` of the `total` weight lies.
fn weighted_quantile(sorted: &[(f64, u64)], total: u128, share: f64) -> f64 {
    let wanted = share * total as f64;
    let mut reached = 0_u128;
    let found = sorted.iter().find(|(_, weight)| {
        reached += u128::from(*weight);
        reached as f64 >= wanted
    });
    found.or(sorted.last()).map_or(f64::NAN, |(value, _)| *value)
}

/// One percentile of a summary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    /// Which.
    pub quantile: Quantile,
    /// Its value.
    pub value: f64,
    /// Its 95 % interval; `None` where there are too few values for one, or where they are pooled
    /// from requests (as gaps between tokens are) and no rule for independent values applies.
    pub interval: Option<Interval>,
    /// Whether there are values enough to rely on it. It is to be shown with a warning if not.
    pub supported: bool,
}

/// What a sample of values looks like, in the values' own unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// How many values there are, at least 1.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with `n − 1`; 0 for a single value.
    pub sd: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The percentiles, in the order of [`Quantile::ALL`].
    pub percentiles: [Percentile; 5],
}

impl Summary {
    /// Summarizes `series`, values in the order in which they arose; `None` where there are none.
    ///
    /// Percentile intervals are those of order statistics, for as many independent values as the
    /// series is worth given its own correlation. Values that are no number are not allowed.
    #[must_use]
    pub fn of_series(series: &[f64]) -> Option<Self> {
        let mut sorted = series.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let (mean, sd) = mean_and_deviation(series);
        let n = sorted.len() as u64;
        let percentiles = Quantile::ALL.map(|quantile_name| {
            let share = quantile_name.share();
            let value = quantile(&sorted, share).expect("there is a value");
            let effective = n as f64 / variance_inflation(series, value);
            Percentile {
                quantile: quantile_name,
                value,
                interval: interval_at(&sorted, share, (effective.floor() as u64).max(1)),
                supported: supported(n, share),
            }
        });
        Some(Self { n, mean, sd, min, max, percentiles })
    }

    /// Summarizes `(value, weight)` pairs as a value that occurs `weight` times, without intervals;
    /// `None` where there is no weight.
    ///
    /// A percentile is the least value up to which that share of all weight lies (type 1), and
    /// supported where as many pairs would support it. `n` is the sum of weights, over which the
    /// deviation is taken too. Values that are no number are not allowed.
    #[must_use]
    pub fn of_weighted(pairs: &[(f64, u64)]) -> Option<Self> {
        let mut sorted: Vec<(f64, u64)> =
            pairs.iter().copied().filter(|(_, weight)| *weight > 0).collect();
        sorted.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let (&(min, _), &(max, _)) = (sorted.first()?, sorted.last()?);
        let total: u128 = sorted.iter().map(|(_, weight)| u128::from(*weight)).sum();
        let average = |of: &dyn Fn(f64) -> f64| {
            sorted.iter().map(|(value, weight)| of(*value) * *weight as f64).sum::<f64>()
                / total as f64
        };
        let mean = average(&|value| value);
        let sd = average(&|value| (value - mean) * (value - mean)).sqrt();
        let percentiles = Quantile::ALL.map(|quantile| Percentile {
            quantile,
            value: weighted_quantile(&sorted, total, quantile.share()),
            interval: None,
            supported: supported(sorted.len() as u64, quantile.share()),
        });
        let n = u64::try_from(total).unwrap_or(u64::MAX);
        Some(Self { n, mean, sd, min, max, percentiles })
    }

    /// The same with the deviation over `n` rather than `n − 1`, as `numpy.std` has it.
    #[must_use]
    pub fn with_population_sd(mut self) -> Self {
        let n = self.n as f64;
        self.sd *= ((n - 1.0) / n).sqrt();
        self
    }

    /// One percentile with what belongs to it.
    #[must_use]
    pub const fn percentile(&self, quantile: Quantile) -> &Percentile {
        &self.percentiles[quantile as usize]
    }

    /// One percentile's value.
    #[must_use]
    pub const fn value(&self, quantile: Quantile) -> f64 {
        self.percentile(quantile).value
    }

    /// The median.
    #[must_use]
    pub const fn median(&self) -> f64 {
        self.value(Quantile::P50)
    }
}

#[cfg(test)]
mod tests {
    use domain::{Random, Seed};

    use super::*;

    /// Worked out as `numpy.percentile` documents its default.
    #[test]
    fn quantiles_are_interpolated_like_numpy_does() {
        let values = [15.0, 20.0, 35.0, 40.0, 50.0];
        for (share, expected) in
            [(0.0, 15.0), (0.05, 16.0), (0.4, 29.0), (0.5, 35.0), (0.9, 46.0), (1.0, 50.0)]
        {
            let got = quantile(&values, share).unwrap();
            assert!((got - expected).abs() < 1e-9, "{share}: {got}");
        }
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn support_takes_ten_values_above() {
        for quantile in Quantile::ALL {
            assert!(supported(quantile.required(), quantile.share()), "{quantile:?}");
            assert!(!supported(quantile.required() - 1, quantile.share()), "{quantile:?}");
        }
    }

    /// Summed from exact fractions; those of the median stand in every table of the sign test.
    #[test]
    fn order_statistics_enclose_a_quantile() {
        for (n, share, expected) in [
            (5, 0.5, None),
            (6, 0.5, Some((0, 5))),
            (10, 0.5, Some((1, 8))),
            (20, 0.5, Some((5, 14))),
            (100, 0.5, Some((39, 60))),
            (71, 0.95, None),
            (72, 0.95, Some((63, 71))),
            (200, 0.9, Some((170, 188))),
            (367, 0.99, None),
            (368, 0.99, Some((359, 367))),
            (1_000, 0.99, Some((982, 996))),
            (1_000, 0.95, Some((935, 963))),
            (0, 0.5, None),
        ] {
            assert_eq!(order_statistic_ranks(n, share), expected, "n {n}, share {share}");
        }
        // Of ten million, as far as the normal approximation says: 1.96 × √(n q (1 − q)) = 616.7.
        let (lower, upper) = order_statistic_ranks(10_000_000, 0.99).unwrap();
        assert!((lower as f64 - 9_900_000.0 + 616.7).abs() < 3.0, "{lower}");
        assert!((upper as f64 - 9_900_000.0 - 616.7).abs() < 3.0, "{upper}");
    }

    /// How often the interval of `share` covers `truth` over `trials` series of 400 values.
    fn coverage(truth: f64, share: f64, mut draw: impl FnMut(&mut Random) -> f64) -> f64 {
        const TRIALS: u64 = 1_000;
        let quantile = Quantile::ALL.into_iter().find(|quantile| quantile.share() == share);
        let quantile = quantile.expect("a quantile of the summary");
        let covered = (0..TRIALS).filter(|&trial| {
            let mut random = Seed(11).nth(trial).random();
            let series: Vec<f64> = (0..400).map(|_| draw(&mut random)).collect();
            let summary = Summary::of_series(&series).unwrap();
            summary.percentile(quantile).interval.unwrap().contains(truth)
        });
        covered.count() as f64 / TRIALS as f64
    }

    #[test]
    fn intervals_cover_what_they_promise() {
        let independent = coverage(-0.1_f64.ln(), 0.9, |random| random.exponential(1.0));
        assert!((0.94..0.995).contains(&independent), "independent: {independent}");

        // Neighbours correlated by 0.8, as requests of one batch are: 400 are worth some 45, which
        // intervals that take them for independent would cover about half the time.
        let mut level = 0.0;
        let correlated = coverage(0.0, 0.5, |random| {
            level = 0.8 * level + 0.6 * random.normal();
            level
        });
        assert!((0.88..0.99).contains(&correlated), "correlated: {correlated}");
    }

    #[test]
    fn a_summary_holds_the_moments() {
        let summary = Summary::of_series(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((summary.n, summary.mean, summary.min, summary.max), (8, 5.0, 2.0, 9.0));
        assert!((summary.sd - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!(summary.median(), 4.5);
        assert_eq!(summary.percentile(Quantile::P999).interval, None);
        assert_eq!(Summary::of_series(&[]), None);
        // The sum of squares is 32: over 8 instead of 7.
        assert!((summary.with_population_sd().sd - 2.0).abs() < 1e-12);
    }

    /// Two values of one and three weights are four values.
    #[test]
    fn a_weight_is_a_number_of_values() {
        let summary = Summary::of_weighted(&[(30.0, 1), (10.0, 3), (99.0, 0)]).unwrap();
        assert_eq!((summary.n, summary.mean, summary.min, summary.max), (4, 15.0, 10.0, 30.0));
        // √((3 × 5² + 15²) / 4) = √75.
        assert!((summary.sd - 75.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(summary.median(), 10.0);
        assert_eq!(summary.value(Quantile::P90), 30.0);
        assert!(!summary.percentile(Quantile::P50).supported);
        // Three quarters of the weight are reached by the first value exactly.
        assert_eq!(weighted_quantile(&[(10.0, 3), (30.0, 1)], 4, 0.75), 10.0);
        assert_eq!(Summary::of_weighted(&[(99.0, 0)]), None);
    }
}
