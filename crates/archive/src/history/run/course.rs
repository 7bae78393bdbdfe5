//! A run's records by the time they belong to.

use analysis::metrics::gaps_nanos;
use analysis::{Convention, Figures, Origin, Sketch};
use domain::Exchange;

use super::Latency;

/// How wide bins are at first: a quarter of the shortest step shown.
const FINEST_NANOS: u64 = 250_000_000;
/// The most bins kept. Longer runs have wider ones.
const BINS_MAX: u64 = 1_200;

/// What happened in a stretch of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Bin {
    /// Requests that ended.
    pub(super) ended: u64,
    /// Of these, those that failed.
    pub(super) failed: u64,
    /// Tokens that came. Those of a chunk that held several are shares.
    pub(super) output_tokens: f64,
    /// The time requests were in flight, of all together.
    pub(super) busy_nanos: u128,
    /// Latencies of those that succeeded, in the order of [`Latency::ALL`]: when they ended, but gaps
    /// when the later chunk came.
    latencies: [Sketch; Latency::ALL.len()],
}

impl Bin {
    pub(super) const fn latency(&self, latency: Latency) -> &Sketch {
        &self.latencies[latency as usize]
    }

    const fn latency_mut(&mut self, latency: Latency) -> &mut Sketch {
        &mut self.latencies[latency as usize]
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.ended += other.ended;
        self.failed += other.failed;
        self.output_tokens += other.output_tokens;
        self.busy_nanos += other.busy_nanos;
        for (sketch, other) in self.latencies.iter_mut().zip(&other.latencies) {
            sketch.merge(other);
        }
    }
}

/// A run over its time, in bins of one width. Times are in nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Course {
    width_nanos: u64,
    /// The number of the first bin, counted from 1970.
    first: u64,
    bins: Vec<Bin>,
}

impl Default for Course {
    fn default() -> Self {
        Self { width_nanos: FINEST_NANOS, first: 0, bins: Vec::new() }
    }
}

impl Course {
    /// Takes in a request, whose latencies count from `origin`.
    pub(super) fn record(&mut self, exchange: &Exchange, origin: Origin) {
        if exchange.warmup {
            return;
        }
        let timeline = &exchange.timeline;
        let end = timeline.finished.arrived.as_nanos();
        let start = timeline.started.as_nanos().min(end);
        self.reach(start);
        self.reach(end);
        self.stay(start, end);
        self.tokens(exchange, start, end);
        let is_success = exchange.outcome.is_success();
        let bin = self.bin(end);
        bin.ended += 1;
        bin.failed += u64::from(!is_success);
        if !is_success {
            return;
        }
        let figures = Figures::of(exchange, origin, Convention::Prony);
        let ms = [
            (Latency::Ttft, figures.ttft_ms),
            (Latency::Tpot, figures.tpot_ms),
            (Latency::E2e, Some(figures.e2e_ms)),
        ];
        for (latency, ms) in ms {
            if let Some(ms) = ms {
                bin.latency_mut(latency).record((ms * 1e6).round().max(0.0) as u64);
            }
        }
        if exchange.streamed {
            self.gaps(exchange, start, end);
        }
    }

    /// How many requests ended.
    pub(super) fn requests(&self) -> u64 {
        self.bins.iter().map(|bin| bin.ended).sum()
    }

    /// When the first bin starts.
    pub(super) const fn start_nanos(&self) -> u64 {
        self.first * self.width_nanos
    }

    /// A latency over the whole run.
    pub(super) fn latency(&self, latency: Latency) -> Sketch {
        let mut whole = Sketch::default();
        self.bins.iter().for_each(|bin| whole.merge(bin.latency(latency)));
        whole
    }

    /// The run in at most `steps_max` steps of a second or more, and how long they are.
    pub(super) fn steps(&self, steps_max: usize) -> (u64, Vec<Bin>) {
        let each = self.bins.len().div_ceil(steps_max).max(4);
        let join = |bins: &[Bin]| {
            let mut joined = Bin::default();
            bins.iter().for_each(|bin| joined.merge(bin));
            joined
        };
        (self.width_nanos * each as u64, self.bins.chunks(each).map(join).collect())
    }

    /// Makes sure that there is a bin for a moment.
    fn reach(&mut self, nanos: u64) {
        if self.bins.is_empty() {
            self.first = nanos / self.width_nanos;
            self.bins.push(Bin::default());
            return;
        }
        while self.span_with(nanos) > BINS_MAX {
            self.widen();
        }
        let number = nanos / self.width_nanos;
        if number < self.first {
            let missing = usize::try_from(self.first - number).expect("bins are few");
            self.bins.splice(0..0, std::iter::repeat_n(Bin::default(), missing));
            self.first = number;
        }
        let needed = usize::try_from(number - self.first).expect("bins are few") + 1;
        if needed > self.bins.len() {
            self.bins.resize(needed, Bin::default());
        }
    }

    /// How many bins there would be with that of a moment.
    fn span_with(&self, nanos: u64) -> u64 {
        let number = nanos / self.width_nanos;
        let last = self.first + self.bins.len() as u64 - 1;
        last.max(number) - self.first.min(number) + 1
    }

    /// Joins each two neighbouring bins.
    fn widen(&mut self) {
        if self.first % 2 == 1 {
            self.bins.insert(0, Bin::default());
            self.first -= 1;
        }
        self.width_nanos *= 2;
        self.first /= 2;
        let join = |pair: &[Bin]| {
            let mut joined = pair[0].clone();
            pair.iter().skip(1).for_each(|bin| joined.merge(bin));
            joined
        };
        self.bins = self.bins.chunks(2).map(join).collect();
    }

    /// The bin of a moment that was reached.
    fn bin(&mut self, nanos: u64) -> &mut Bin {
        let place = nanos / self.width_nanos - self.first;
        &mut self.bins[usize::try_from(place).expect("bins are few")]
    }

    /// The moment at which the bin of another one ends.
    const fn end_of(&self, nanos: u64) -> u64 {
        (nanos / self.width_nanos + 1).saturating_mul(self.width_nanos)
    }

    /// Adds the time from `start` to `end` to the bins it falls into.
    fn stay(&mut self, start: u64, end: u64) {
        let mut from = start;
        while from < end {
            let until = self.end_of(from).min(end);
            self.bin(from).busy_nanos += u128::from(until - from);
            from = until;
        }
    }

    /// Counts a request's tokens when they came: each chunk is taken to have held as many as any
    /// other. Of one that failed without a chunk nothing came.
    fn tokens(&mut self, exchange: &Exchange, start: u64, end: u64) {
        let output = exchange.usage.output.count() as f64;
        let chunks = exchange.timeline.chunks.arrived_nanos();
        if chunks.is_empty() {
            if exchange.outcome.is_success() {
                self.bin(end).output_tokens += output;
            }
            return;
        }
        let share = output / chunks.len() as f64;
        let moments = chunks.iter().map(|nanos| start.saturating_add(*nanos).min(end));
        // By as many at once as fall into a bin.
        let (mut bin_end, mut at, mut came) = (0, start, 0_u32);
        for moment in moments {
            if moment >= bin_end {
                self.bin(at).output_tokens += share * f64::from(came);
                (bin_end, at, came) = (self.end_of(moment), moment, 0);
            }
            came += 1;
        }
        self.bin(at).output_tokens += share * f64::from(came);
    }

    fn gaps(&mut self, exchange: &Exchange, start: u64, end: u64) {
        let chunks = exchange.timeline.chunks.arrived_nanos();
        for (gap, nanos) in gaps_nanos(exchange).zip(chunks.iter().skip(1)) {
            let moment = start.saturating_add(*nanos).min(end);
            self.bin(moment).latency_mut(Latency::Itl).record(gap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(course: &Course) -> Vec<u64> {
        course.bins.iter().map(|bin| bin.ended).collect()
    }

    #[test]
    fn bins_grow_wider_and_lose_nothing() {
        let mut course = Course::default();
        let at = |course: &mut Course, seconds: u64| {
            course.reach(seconds * 1_000_000_000);
            course.bin(seconds * 1_000_000_000).ended += 1;
        };
        at(&mut course, 1_001);
        at(&mut course, 1_003);
        at(&mut course, 1_000);
        assert_eq!(counts(&course), [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        let (step, steps) = course.steps(300);
        assert_eq!((step, steps.len(), steps[0].ended), (1_000_000_000, 4, 1));
        at(&mut course, 1_000 + 1_000);
        assert_eq!(course.width_nanos, 4 * FINEST_NANOS);
        at(&mut course, 400_000);
        assert!(course.bins.len() as u64 <= BINS_MAX, "{}", course.bins.len());
        assert_eq!(course.requests(), 5);
        let (step, steps) = course.steps(300);
        assert_eq!((step / 1_000_000_000, steps.len()), (2_048, 196));
        let ended: Vec<u64> = steps.iter().map(|step| step.ended).filter(|n| *n > 0).collect();
        assert_eq!(ended, [4, 1]);
    }
}
