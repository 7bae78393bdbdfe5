//! How latencies are distributed: in buckets of equal ratio, made of a sketch's by joining
//! neighbours.

use analysis::Sketch;
use analysis::percentile::supported;

use super::Latency;
use super::course::Course;

/// The most buckets of a distribution.
const BUCKETS_MAX: usize = 60;
/// The most steps and buckets of a heatmap.
const HEATMAP_MAX: (usize, usize) = (120, 40);
/// The quantiles of a curve that every distribution has.
const SHARES: [f64; 16] =
    [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999];
/// Those that it has where there are enough values for them.
const RARE_SHARES: [f64; 2] = [0.9995, 0.9999];

/// How a latency is distributed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// The buckets' bounds in milliseconds, ascending, one more than `counts`.
    pub bounds_ms: Vec<f64>,
    /// How many values lie in each.
    pub counts: Vec<u64>,
    /// The quantiles of the curve, ascending.
    pub shares: Vec<f64>,
    /// The latency at each; `None` where there is no value at all.
    pub values_ms: Vec<Option<f64>>,
}

/// How a latency is distributed in each step of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heatmap {
    /// When the first step starts, in milliseconds since 1970.
    pub start_unix_ms: u64,
    /// How long each is.
    pub step_ms: u64,
    /// The buckets' bounds in milliseconds, ascending.
    pub bounds_ms: Vec<f64>,
    /// By step, then by bucket.
    pub counts: Vec<Vec<u64>>,
}

impl Distribution {
    pub(super) fn of(course: &Course, latency: Latency) -> Self {
        let sketch = course.latency(latency);
        let buckets = Buckets::of(&sketch, BUCKETS_MAX);
        let rare = RARE_SHARES.into_iter().filter(|share| supported(sketch.len(), *share));
        let shares: Vec<f64> = SHARES.into_iter().chain(rare).collect();
        Self {
            bounds_ms: buckets.bounds_ms(),
            counts: buckets.counts(&sketch),
            values_ms: shares.iter().map(|share| sketch.quantile_ms(*share)).collect(),
            shares,
        }
    }
}

impl Heatmap {
    pub(super) fn of(course: &Course, latency: Latency) -> Self {
        let (steps_max, buckets_max) = HEATMAP_MAX;
        let buckets = Buckets::of(&course.latency(latency), buckets_max);
        let (step_nanos, steps) = course.steps(steps_max);
        Self {
            start_unix_ms: course.start_nanos() / 1_000_000,
            step_ms: step_nanos / 1_000_000,
            bounds_ms: buckets.bounds_ms(),
            counts: steps.iter().map(|step| buckets.counts(step.latency(latency))).collect(),
        }
    }
}

/// Buckets of `each` neighbouring ones of a sketch, from the one of index `first` on.
#[derive(Clone, Copy, Debug)]
struct Buckets {
    first: i32,
    each: i32,
    count: usize,
}

impl Buckets {
    /// As few as hold all of a sketch, at most `most`. Values of zero are in the first one.
    fn of(sketch: &Sketch, most: usize) -> Self {
        let mut indices = sketch.buckets().map(|(index, _)| index);
        let Some(first) = indices.next() else {
            let count = usize::from(!sketch.is_empty());
            return Self { first: 0, each: 1, count };
        };
        let span = (indices.last().unwrap_or(first) - first + 1).cast_unsigned() as usize;
        let each = span.div_ceil(most);
        let narrow = i32::try_from(each).expect("a sketch has some four thousand buckets");
        Self { first, each: narrow, count: span.div_ceil(each) }
    }

    fn bounds_ms(self) -> Vec<f64> {
        let bound = |place: i32| Sketch::bound_seconds(self.first - 1 + place * self.each) * 1e3;
        (0..).take(self.count + 1).map(bound).collect()
    }

    /// How many values of a sketch lie in each: all of them lie in some.
    fn counts(self, sketch: &Sketch) -> Vec<u64> {
        let mut counts = vec![0; self.count];
        if let Some(first) = counts.first_mut() {
            *first += sketch.zeros();
        }
        for (index, count) in sketch.buckets() {
            counts[((index - self.first) / self.each).cast_unsigned() as usize] += count;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|nanos| sketch.record(*nanos));
        sketch
    }

    #[test]
    fn buckets_hold_every_value_and_are_few() {
        for values in [
            vec![],
            vec![0, 0],
            vec![5],
            vec![0, 1, u64::MAX],
            (1..5_000).map(|n| n * 12_345).collect(),
        ] {
            let sketch = sketch(&values);
            let buckets = Buckets::of(&sketch, 40);
            let (bounds, counts) = (buckets.bounds_ms(), buckets.counts(&sketch));
            assert_eq!(bounds.len(), counts.len() + 1);
            assert!(counts.len() <= 40 && bounds.is_sorted());
            assert_eq!(counts.iter().sum::<u64>(), values.len() as u64);
            for (count, pair) in counts.iter().zip(bounds.windows(2)).skip(1) {
                let inside = |nanos: &&u64| {
                    let ms = **nanos as f64 / 1e6;
                    ms > pair[0] * (1.0 + 1e-12) && ms <= pair[1] * (1.0 + 1e-12)
                };
                assert_eq!(values.iter().filter(inside).count() as u64, *count);
            }
        }
    }
}
