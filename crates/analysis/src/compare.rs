//! Two runs held against each other.

use domain::Seed;

use crate::Interval;
use crate::interval::{Contrast, Estimate, Pairing, Statistic, contrast};
use crate::percentile::CONFIDENCE;

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Better {
    /// Latencies.
    Lower,
    /// Speeds and rates.
    Higher,
}

/// A figure's values in two runs, in the order in which they arose.
#[derive(Clone, Copy, Debug)]
pub struct Comparand<'a> {
    /// What the figure is called.
    pub name: &'a str,
    /// Its values in the run compared against.
    pub baseline: &'a [f64],
    /// Its values in the run in question.
    pub candidate: &'a [f64],
    /// What of the values is compared.
    pub statistic: Statistic,
    /// Whether the n-th values of both belong to the same item.
    pub pairing: Pairing,
    /// Which way it is better.
    pub better: Better,
}

/// What a comparison shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The candidate is better.
    Faster,
    /// The candidate is worse.
    Slower,
    /// Neither is shown, which is not to say that they are equal: the interval tells how large a
    /// difference would have gone unseen.
    NoDifferenceShown,
}

/// One figure compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What the figure is called.
    pub name: String,
    /// Candidate over baseline.
    pub ratio: f64,
    /// The ratio's own 95 % interval, not widened for the number of figures.
    pub interval: Interval,
    /// The p-value of no difference, corrected for the number of figures.
    pub p_value: f64,
    /// What that shows.
    pub change: Change,
}

/// Compares figures of two runs by the ratio of candidate to baseline, with block bootstrap and
/// Holm's correction over all figures compared, so that the chance of any false alarm among them
/// is at most 5 %.
///
/// Figures without a value in either run, or paired ones of unequal length, are left out.
#[must_use]
pub fn compare(figures: &[Comparand<'_>], seed: Seed) -> Vec<Comparison> {
    let estimates: Vec<(&Comparand<'_>, Estimate)> = figures
        .iter()
        .filter_map(|figure| {
            let seed = seed.child(figure.name);
            let Comparand { baseline, candidate, statistic, pairing, .. } = *figure;
            contrast(baseline, candidate, statistic, Contrast::Ratio, pairing, seed)
                .map(|estimate| (figure, estimate))
        })
        .collect();
    let p_values: Vec<f64> = estimates.iter().map(|(_, estimate)| estimate.p_value).collect();
    estimates
        .iter()
        .zip(holm(&p_values))
        .map(|((figure, estimate), p_value)| Comparison {
            name: figure.name.to_owned(),
            ratio: estimate.effect,
            interval: estimate.interval,
            p_value,
            change: change(estimate.effect, p_value, figure.better),
        })
        .collect()
}

fn change(ratio: f64, p_value: f64, better: Better) -> Change {
    // 1 − 0.95 rounds to a little above 0.05, so that a p-value of exactly 0.05 shows a change.
    if p_value > 1.0 - CONFIDENCE || ratio == Contrast::Ratio.neutral() {
        return Change::NoDifferenceShown;
    }
    match (ratio < Contrast::Ratio.neutral(), better) {
        (true, Better::Lower) | (false, Better::Higher) => Change::Faster,
        (true, Better::Higher) | (false, Better::Lower) => Change::Slower,
    }
}

/// Adjusts p-values for their number (Holm 1979): in ascending order the `i`-th of `m` is multiplied
/// by `m − i + 1`, never falling below the one before, and cut off at 1. Returned in the order
/// given.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        let factor = (p_values.len() - rank) as f64;
        highest = highest.max((p_values[index] * factor).min(1.0));
        adjusted[index] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_adjusts_as_in_the_textbook() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        assert!(adjusted.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{adjusted:?}");
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    fn latencies(seed: u64, n: u64, scale: f64) -> Vec<f64> {
        let mut random = Seed(seed).random();
        (0..n).map(|_| scale * (0.3 * random.normal()).exp()).collect()
    }

    #[test]
    fn changes_are_told_from_noise() {
        let (base, same, better) =
            (latencies(1, 400, 100.0), latencies(2, 400, 100.0), latencies(3, 400, 80.0));
        let figure = |name, candidate, better| Comparand {
            name,
            baseline: &base,
            candidate,
            statistic: Statistic::Quantile(0.5),
            pairing: Pairing::Independent,
            better,
        };
        let compared = compare(
            &[
                figure("same", &same, Better::Lower),
                figure("latency", &better, Better::Lower),
                figure("speed", &better, Better::Higher),
                figure("missing", &[], Better::Lower),
            ],
            Seed(4),
        );
        let changes: Vec<(&str, Change)> =
            compared.iter().map(|figure| (figure.name.as_str(), figure.change)).collect();
        assert_eq!(
            changes,
            [
                ("same", Change::NoDifferenceShown),
                ("latency", Change::Faster),
                ("speed", Change::Slower)
            ]
        );
        assert!(compared[1].interval.contains(0.8), "{:?}", compared[1]);
        assert!(compared[0].interval.contains(1.0), "{:?}", compared[0]);
    }

    /// Ten figures without any difference: uncorrected, four runs of ten would raise an alarm.
    #[test]
    fn many_figures_raise_no_more_alarms_than_one() {
        let alarms = (0..10).filter(|&trial| {
            let series: Vec<(Vec<f64>, Vec<f64>)> = (0..10)
                .map(|index| {
                    let seed = 1_000 + trial * 100 + index * 2;
                    (latencies(seed, 60, 1.0), latencies(seed + 1, 60, 1.0))
                })
                .collect();
            let names: Vec<String> = (0..10).map(|index| format!("figure {index}")).collect();
            let figures: Vec<Comparand<'_>> = series
                .iter()
                .zip(&names)
                .map(|((baseline, candidate), name)| Comparand {
                    name,
                    baseline,
                    candidate,
                    statistic: Statistic::Mean,
                    pairing: Pairing::Independent,
                    better: Better::Lower,
                })
                .collect();
            let compared = compare(&figures, Seed(trial));
            compared.iter().any(|figure| figure.change != Change::NoDifferenceShown)
        });
        assert!(alarms.count() <= 1);
    }
}
