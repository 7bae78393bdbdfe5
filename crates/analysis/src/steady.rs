//! Where a series settles, if it does.

/// How many values each batch mean of MSER-5 is taken over.
pub const BATCH: usize = 5;

/// The fewest batches a verdict is based on.
const BATCHES_MIN: usize = 10;

/// Whether and where a series becomes steady.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steady {
    /// From this index on; 0 where it is steady all along.
    From(usize),
    /// Nowhere: it was still changing past its middle.
    Never,
    /// It is too short to tell (fewer than 50 values).
    TooShort,
}

/// Finds where the warm-up of a `series` ends by MSER-5.
///
/// The marginal standard error rule (White 1997; White, Cobb and Spratt 2000): average the series
/// over batches of five, and cut where the standard error of the mean of what remains is least,
/// `argmin_d Σ_{i ≥ d} (z_i − z̄_d)² / (m − d)²` over the `m` batches. Cutting a transient lowers
/// the sum of squares faster than the shrinking `m − d` raises the quotient; cutting steady values
/// does not. A cut past the middle means that there is no steady part to speak of. The last quarter
/// is not tried: few batches agree with each other by chance.
#[must_use]
pub fn mser5(series: &[f64]) -> Steady {
    let batches: Vec<f64> =
        series.chunks_exact(BATCH).map(|batch| batch.iter().sum::<f64>() / BATCH as f64).collect();
    if batches.len() < BATCHES_MIN {
        return Steady::TooShort;
    }
    let cut = least_standard_error(&batches);
    if cut > batches.len() / 2 { Steady::Never } else { Steady::From(cut * BATCH) }
}

/// The cut whose remainder has the least squared standard error, the first of equals.
fn least_standard_error(batches: &[f64]) -> usize {
    let tried = batches.len() - batches.len() / 4;
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    let mut best = (f64::INFINITY, 0);
    // From the end backwards, so that each remainder extends the one before (Welford 1962).
    for (cut, value) in batches.iter().enumerate().rev() {
        count += 1.0;
        let distance = value - mean;
        mean += distance / count;
        squares += distance * (value - mean);
        let error = squares / (count * count);
        if cut < tried && error <= best.0 {
            best = (error, cut);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use domain::Seed;

    use super::*;

    /// A series of 1,000 values made of a shape and noise of deviation 1.
    fn noisy(seed: u64, shape: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut random = Seed(seed).random();
        (0..1_000).map(|index| shape(f64::from(index)) + random.normal()).collect()
    }

    #[test]
    fn a_known_warm_up_is_cut() {
        for seed in 0..20 {
            let step = noisy(seed, |index| if index < 200.0 { 10.0 } else { 20.0 });
            let Steady::From(cut) = mser5(&step) else { panic!("seed {seed}") };
            assert!((200..=260).contains(&cut), "step of 200, seed {seed}: cut at {cut}");

            let decay = noisy(seed, |index| 10.0 * (-index / 60.0).exp());
            let Steady::From(cut) = mser5(&decay) else { panic!("seed {seed}") };
            assert!((80..=300).contains(&cut), "decay by 60, seed {seed}: cut at {cut}");
        }
    }

    #[test]
    fn a_steady_series_is_left_nearly_whole() {
        let cuts: Vec<usize> = (0..50)
            .map(|seed| match mser5(&noisy(seed, |_| 0.0)) {
                Steady::From(cut) => cut,
                Steady::Never | Steady::TooShort => usize::MAX,
            })
            .collect();
        let small = cuts.iter().filter(|cut| **cut <= 250).count();
        assert!(small >= 45, "cut at {cuts:?}");
        assert_eq!(mser5(&[4.2; 100]), Steady::From(0));
    }

    #[test]
    fn a_series_that_keeps_growing_never_settles() {
        for seed in 0..20 {
            assert_eq!(mser5(&noisy(seed, |index| 0.1 * index)), Steady::Never);
            // Settled only for its last three tenths.
            let late = noisy(seed, |index| index.min(700.0) * 0.05);
            assert_eq!(mser5(&late), Steady::Never);
        }
    }

    #[test]
    fn a_short_series_tells_nothing() {
        assert_eq!(mser5(&[1.0; 49]), Steady::TooShort);
        assert_eq!(mser5(&[1.0; 50]), Steady::From(0));
    }

    /// By hand: ten batches of means 9, 1, 1, …: with all, squares of 57.6 over 10²; without the
    /// first, none.
    #[test]
    fn batches_are_of_five() {
        let mut series = vec![1.0; 50];
        series[..5].fill(9.0);
        assert_eq!(mser5(&series), Steady::From(5));
    }
}
