//! A small record of any number of durations, which merges exactly and is true to 0.55 %.
//!
//! A sketch with relative error (Masson, Rim, Lee: DDSketch, VLDB 2019) whose buckets are those of
//! Prometheus' native histograms at schema 6, which are also those of OpenTelemetry's exponential
//! histograms at scale 6: bucket `i` holds the durations in `(2^((i−1)/64), 2^(i/64)]` seconds. So a
//! sketch is shown to either as it is, and in their coarser schemas by joining neighbours, with
//! nothing estimated. [`crate::Recorder`] is ten times as true, and ten times as large.

use crate::histogram::NANOS_PER_MS;
use crate::percentile::{interpolate, type7_ranks};

/// The schema of Prometheus' native histograms that [`Sketch`] has the buckets of.
pub const SCHEMA: u8 = 6;

/// Buckets in a doubling.
const PER_DOUBLING: usize = 1 << SCHEMA;

const SECONDS_PER_NANO: f64 = 1e-9;

/// The most by which a quantile differs from the exact one, as a share of it: half of what a
/// bucket spans, over its middle.
pub const RELATIVE_ERROR: f64 = 0.005_416;

/// Durations, counted by bucket.
///
/// Count, sum, least and greatest are exact. Merging is associative and commutative, and merging
/// sketches gives the very sketch that had taken all the values itself. An empty one owns no memory;
/// one of durations within a doubling of each other owns 1 KB, and each further doubling 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    /// How many durations are zero.
    zeros: u64,
    /// The index of `counts[0]`, which begins a doubling.
    first: i32,
    /// Whole doublings, from the least duration's to the greatest's.
    counts: Vec<u64>,
    len: u64,
    sum_nanos: u128,
    min_nanos: u64,
    max_nanos: u64,
}

/// All that a sketch holds, to write it down and to make it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SketchParts {
    /// How many durations are zero.
    pub zeros: u64,
    /// The buckets that hold something, ascending: index and count.
    pub buckets: Vec<(i32, u64)>,
    /// The sum of all durations, in nanoseconds.
    pub sum_nanos: u128,
    /// The least duration; 0 where there is none.
    pub min_nanos: u64,
    /// The greatest.
    pub max_nanos: u64,
}

/// Parts that no sketch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SketchError {
    /// A bucket that no duration of 64 bits falls into, that is out of order, or that holds nothing.
    #[error("there can be no bucket {0} at its place")]
    Bucket(i32),
    /// Counts that add up to more than 64 bits hold.
    #[error("the counts add up to more than can be")]
    Count,
    /// The least and greatest durations are not in the outermost buckets.
    #[error("the least and greatest durations do not fit the buckets")]
    Extremes,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            zeros: 0,
            first: 0,
            counts: Vec::new(),
            len: 0,
            sum_nanos: 0,
            min_nanos: u64::MAX,
            max_nanos: 0,
        }
    }
}

impl Sketch {
    /// Takes in one duration.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.len += 1;
        self.sum_nanos += u128::from(nanos);
        self.min_nanos = self.min_nanos.min(nanos);
        self.max_nanos = self.max_nanos.max(nanos);
        if nanos == 0 {
            self.zeros += 1;
            return;
        }
        let index = bucket_of(nanos);
        let place = usize::try_from(index - self.first).unwrap_or(usize::MAX);
        match self.counts.get_mut(place) {
            Some(count) => *count += 1,
            None => *self.grown(index) += 1,
        }
    }

    /// Takes in all that `other` has.
    pub fn merge(&mut self, other: &Self) {
        self.zeros += other.zeros;
        self.len += other.len;
        self.sum_nanos += other.sum_nanos;
        self.min_nanos = self.min_nanos.min(other.min_nanos);
        self.max_nanos = self.max_nanos.max(other.max_nanos);
        if other.counts.is_empty() {
            return;
        }
        let last = other.first + length(&other.counts) - 1;
        self.grown(last);
        self.grown(other.first);
        let place = (other.first - self.first).cast_unsigned() as usize;
        for (count, more) in self.counts[place..].iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// The count of the bucket `index`, after making room for it.
    #[cold]
    fn grown(&mut self, index: i32) -> &mut u64 {
        const STEP: i32 = PER_DOUBLING as i32;
        let from = index.div_euclid(STEP) * STEP;
        if self.counts.is_empty() {
            self.first = from;
        }
        if from < self.first {
            let missing = (self.first - from).cast_unsigned() as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = from;
        }
        let needed = (from + STEP - self.first).cast_unsigned() as usize;
        if needed > self.counts.len() {
            self.counts.resize(needed, 0);
        }
        &mut self.counts[(index - self.first).cast_unsigned() as usize]
    }

    /// How many durations it holds.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of them are zero, and so in no bucket.
    #[must_use]
    pub const fn zeros(&self) -> u64 {
        self.zeros
    }

    /// The sum of all, in nanoseconds.
    #[must_use]
    pub const fn sum_nanos(&self) -> u128 {
        self.sum_nanos
    }

    /// The mean in milliseconds; `None` where nothing was recorded.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        (self.len > 0).then(|| self.sum_nanos as f64 / NANOS_PER_MS / self.len as f64)
    }

    /// The least and the greatest, in nanoseconds; `None` where nothing was recorded.
    #[must_use]
    pub fn extremes_nanos(&self) -> Option<(u64, u64)> {
        (self.len > 0).then_some((self.min_nanos, self.max_nanos))
    }

    /// The buckets that hold something, ascending: index and count.
    pub fn buckets(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        (self.first..).zip(self.counts.iter().copied()).filter(|&(_, count)| count > 0)
    }

    /// The greatest duration that falls into the bucket `index`, in seconds.
    #[must_use]
    pub fn bound_seconds(index: i32) -> f64 {
        const STEP: i32 = PER_DOUBLING as i32;
        let (doubling, place) = (index.div_euclid(STEP), index.rem_euclid(STEP));
        BOUNDS[place.cast_unsigned() as usize] * f64::from(doubling).exp2()
    }

    /// The `share`-quantile in milliseconds, interpolated like [`crate::percentile::quantile`] and
    /// within [`RELATIVE_ERROR`] of it; `None` where nothing was recorded.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        self.quantiles_ms([share]).map(|[value]| value)
    }

    /// The quantiles at ascending `shares`, each as [`Sketch::quantile_ms`] gives it, found on one
    /// way through the buckets.
    #[must_use]
    pub fn quantiles_ms<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        let last = usize::try_from(self.len.checked_sub(1)?).unwrap_or(usize::MAX);
        debug_assert!(shares.is_sorted(), "the way leads upward");
        let mut walk = Walk { sketch: self, place: 0, before: self.zeros };
        Some(shares.map(|share| {
            let (below, above, weight) = type7_ranks(last, share);
            let lower = walk.at_rank(below as u64);
            // A copy goes on, since the next quantile may lie between the two.
            let upper = walk.clone().at_rank(above as u64);
            interpolate(lower, upper, weight) / NANOS_PER_MS
        }))
    }

    /// All that it holds.
    #[must_use]
    pub fn parts(&self) -> SketchParts {
        let (min_nanos, max_nanos) = self.extremes_nanos().unwrap_or_default();
        SketchParts {
            zeros: self.zeros,
            buckets: self.buckets().collect(),
            sum_nanos: self.sum_nanos,
            min_nanos,
            max_nanos,
        }
    }

    /// The sketch that consists of `parts`.
    ///
    /// # Errors
    /// Where no sketch has such parts: they were damaged.
    pub fn from_parts(parts: &SketchParts) -> Result<Self, SketchError> {
        let mut sketch = Self::default();
        sketch.merge_parts(parts)?;
        Ok(sketch)
    }

    /// Takes in all that the sketch of `parts` has.
    ///
    /// # Errors
    /// Where no sketch has such parts; nothing is taken in then.
    pub fn merge_parts(&mut self, parts: &SketchParts) -> Result<(), SketchError> {
        let more = parts.checked_len()?;
        if more == 0 {
            return Ok(());
        }
        self.len = self.len.checked_add(more).ok_or(SketchError::Count)?;
        self.zeros += parts.zeros;
        self.sum_nanos = self.sum_nanos.saturating_add(parts.sum_nanos);
        self.min_nanos = self.min_nanos.min(parts.min_nanos);
        self.max_nanos = self.max_nanos.max(parts.max_nanos);
        let (Some(&(least, _)), Some(&(greatest, _))) =
            (parts.buckets.first(), parts.buckets.last())
        else {
            return Ok(());
        };
        self.grown(greatest);
        self.grown(least);
        for &(index, count) in &parts.buckets {
            self.counts[(index - self.first).cast_unsigned() as usize] += count;
        }
        Ok(())
    }
}

/// A way through a sketch's buckets, from one rank to a later one.
#[derive(Clone)]
struct Walk<'a> {
    sketch: &'a Sketch,
    /// The bucket it stands at.
    place: usize,
    /// How many durations lie before that.
    before: u64,
}

impl Walk<'_> {
    /// The duration of the given rank, counted from zero, in nanoseconds: the middle of its bucket,
    /// held to the true least and greatest.
    fn at_rank(&mut self, rank: u64) -> f64 {
        let Sketch { zeros, first, counts, len, min_nanos, max_nanos, .. } = self.sketch;
        if rank == 0 {
            return *min_nanos as f64;
        }
        if rank + 1 >= *len {
            return *max_nanos as f64;
        }
        if rank < *zeros {
            return 0.0;
        }
        while rank >= self.before + counts[self.place] {
            self.before += counts[self.place];
            self.place += 1;
        }
        let index = first + i32::try_from(self.place).expect("there are some four thousand");
        let (below, above) = (Sketch::bound_seconds(index - 1), Sketch::bound_seconds(index));
        let middle = 2.0 * below * above / (below + above) / SECONDS_PER_NANO;
        middle.clamp(*min_nanos as f64, *max_nanos as f64)
    }
}

impl SketchParts {
    /// How many durations they are, where a sketch may have such parts.
    fn checked_len(&self) -> Result<u64, SketchError> {
        let known = bucket_of(1)..=bucket_of(u64::MAX);
        let (mut len, mut last) = (self.zeros, None);
        for &(index, count) in &self.buckets {
            if !known.contains(&index) || last >= Some(index) || count == 0 {
                return Err(SketchError::Bucket(index));
            }
            len = len.checked_add(count).ok_or(SketchError::Count)?;
            last = Some(index);
        }
        let bucket = |nanos| if nanos == 0 { None } else { Some(bucket_of(nanos)) };
        let least = self.buckets.first().map(|(index, _)| *index).filter(|_| self.zeros == 0);
        if len > 0 && (bucket(self.min_nanos), bucket(self.max_nanos)) != (least, last) {
            return Err(SketchError::Extremes);
        }
        Ok(len)
    }
}

fn length(counts: &[u64]) -> i32 {
    i32::try_from(counts.len()).expect("there are some four thousand buckets")
}

/// The bucket of a duration above zero.
///
/// The seven highest bits of the mantissa tell it but for one bound that may lie between them: a
/// cell of 1/128 is narrower than the narrowest bucket.
#[inline]
fn bucket_of(nanos: u64) -> i32 {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    const ONE: u64 = 1.0_f64.to_bits();
    let bits = (nanos as f64 * SECONDS_PER_NANO).to_bits();
    let exponent = (bits >> MANTISSA_BITS) as i32 - (ONE >> MANTISSA_BITS) as i32;
    let mantissa = f64::from_bits((bits & ((1 << MANTISSA_BITS) - 1)) | ONE);
    let place = PLACES[(bits >> (MANTISSA_BITS - CELL_BITS)) as usize % CELLS];
    let above = mantissa > BOUNDS[usize::from(place)];
    exponent * PER_DOUBLING as i32 + i32::from(place) + i32::from(above)
}

const CELL_BITS: u32 = 7;
const CELLS: usize = 1 << CELL_BITS;

/// `2^(j/64)` for `j` from 0 to 64, the products of roots of 2. Computed at compile time, so the
/// same on every machine.
static BOUNDS: [f64; PER_DOUBLING + 1] = {
    let mut bounds = [1.0; PER_DOUBLING + 1];
    let mut root = 2.0;
    let mut half = PER_DOUBLING;
    while half >= 1 {
        // `root` is 2^(half/64), and belongs to every bound whose index has that bit.
        let mut place = 0;
        while place <= PER_DOUBLING {
            if place & half != 0 {
                bounds[place] *= root;
            }
            place += 1;
        }
        root = square_root(root);
        half /= 2;
    }
    bounds
};

/// The first bound that the least mantissa of each cell does not exceed.
static PLACES: [u8; CELLS] = {
    let mut places = [0; CELLS];
    let mut cell = 0;
    while cell < CELLS {
        let least = 1.0 + cell as f64 / CELLS as f64;
        let mut place = 0;
        while BOUNDS[place] < least {
            place += 1;
        }
        places[cell] = place as u8;
        cell += 1;
    }
    places
};

/// Newton's method from above, which falls until it is there.
const fn square_root(square: f64) -> f64 {
    let mut root = square;
    loop {
        let next = f64::midpoint(root, square / root);
        if next >= root {
            return root;
        }
        root = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|&nanos| sketch.record(nanos));
        sketch
    }

    fn merged(first: &Sketch, second: &Sketch) -> Sketch {
        let mut merged = first.clone();
        merged.merge(second);
        merged
    }

    /// Durations from nothing to centuries, as likely in each power of two.
    fn duration() -> impl Strategy<Value = u64> {
        (0_u32..=64, any::<u64>()).prop_map(|(bits, random)| random.checked_shr(bits).unwrap_or(0))
    }

    fn durations() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(duration(), 0..100)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn merging_is_recording_all_in_any_order(
            first in durations(), second in durations(), third in durations(),
        ) {
            let parts = [&first, &second, &third].map(|values| sketch(values));
            let left = merged(&merged(&parts[0], &parts[1]), &parts[2]);
            let right = merged(&parts[0], &merged(&parts[1], &parts[2]));
            let turned = merged(&parts[2], &merged(&parts[1], &parts[0]));
            let all = sketch(&[first, second, third].concat());
            let mut by_parts = merged(&parts[0], &parts[1]);
            by_parts.merge_parts(&parts[2].parts()).expect("they are a sketch's");
            prop_assert_eq!(&by_parts, &all);
            prop_assert_eq!(&left, &all);
            prop_assert_eq!(&right, &all);
            prop_assert_eq!(&turned, &all);
            prop_assert_eq!(&Sketch::from_parts(&all.parts()), &Ok(all.clone()));
        }

        #[test]
        fn a_duration_lies_in_its_bucket(nanos in duration()) {
            prop_assume!(nanos > 0);
            let seconds = nanos as f64 * SECONDS_PER_NANO;
            let index = bucket_of(nanos);
            prop_assert!(seconds <= Sketch::bound_seconds(index));
            prop_assert!(seconds > Sketch::bound_seconds(index - 1));
        }

        #[test]
        fn quantiles_are_within_their_error(values in durations()) {
            let mut exact: Vec<f64> = values.iter().map(|&nanos| nanos as f64 / 1e6).collect();
            exact.sort_unstable_by(f64::total_cmp);
            let sketch = sketch(&values);
            for share in [0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0] {
                match (crate::percentile::quantile(&exact, share), sketch.quantile_ms(share)) {
                    (None, None) => {}
                    (Some(exact), Some(got)) => {
                        let error = (got - exact).abs();
                        prop_assert!(error <= RELATIVE_ERROR * exact, "{got} for {exact}");
                    }
                    (exact, got) => prop_assert!(false, "{got:?} for {exact:?}"),
                }
            }
        }
    }

    #[test]
    fn bounds_are_the_powers_they_stand_for() {
        for (place, bound) in BOUNDS.iter().enumerate() {
            let exact = (place as f64 / PER_DOUBLING as f64).exp2();
            assert!((bound - exact).abs() <= 4.0 * f64::EPSILON, "{bound} for {exact}");
        }
        assert_eq!((BOUNDS[0], BOUNDS[PER_DOUBLING]), (1.0, 2.0));
        // Powers of two of a second are the greatest of their bucket.
        for (nanos, index) in [(250_000_000, -128), (1_000_000_000, 0), (2_000_000_000, 64)] {
            assert_eq!(bucket_of(nanos), index);
            assert_eq!(Sketch::bound_seconds(index), nanos as f64 / 1e9);
            assert_eq!(bucket_of(nanos + 1), index + 1);
        }
    }

    #[test]
    fn extremes_and_moments_are_exact() {
        let sketch = sketch(&[0, 3_000_000, 1_500_000, u64::MAX]);
        assert_eq!(sketch.extremes_nanos(), Some((0, u64::MAX)));
        assert_eq!((sketch.len(), sketch.zeros()), (4, 1));
        assert_eq!(sketch.sum_nanos(), u128::from(u64::MAX) + 4_500_000);
        assert_eq!(sketch.quantile_ms(1.0), Some(u64::MAX as f64 / 1e6));
        assert_eq!(sketch.quantile_ms(0.0), Some(0.0));
        let empty = Sketch::default();
        assert_eq!(
            (empty.extremes_nanos(), empty.mean_ms(), empty.quantile_ms(0.5)),
            (None, None, None)
        );
    }

    #[test]
    fn damaged_parts_make_no_sketch() {
        let parts = sketch(&[5_000, 70_000, 70_000]).parts();
        let with = |change: &dyn Fn(&mut SketchParts)| {
            let mut damaged = parts.clone();
            change(&mut damaged);
            Sketch::from_parts(&damaged)
        };
        assert_eq!(with(&|parts| parts.buckets[0].0 = 9_999), Err(SketchError::Bucket(9_999)));
        assert_eq!(with(&|parts| parts.buckets[1].1 = u64::MAX), Err(SketchError::Count));
        assert_eq!(with(&|parts| parts.max_nanos = 90_000), Err(SketchError::Extremes));
        assert_eq!(with(&|parts| parts.min_nanos = 0), Err(SketchError::Extremes));
        assert_eq!(with(&|parts| parts.zeros = 1), Err(SketchError::Extremes));
        let out_of_order = SketchError::Bucket(parts.buckets[0].0);
        assert_eq!(with(&|parts| parts.buckets.reverse()), Err(out_of_order));
        assert_eq!(with(&|parts| parts.buckets[0].1 = 0), Err(out_of_order));
    }
}
