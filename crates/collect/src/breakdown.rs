//! What a series' totals tell apart, and rollups, which are kept for ever, do not.

use analysis::{Convention, Figures, Origin, Sketch};
use domain::{Exchange, FailureKind, Outcome};

/// The upper bounds of the buckets that requests are counted in by their tokens: those of
/// OpenTelemetry's GenAI conventions.
pub(crate) const TOKEN_BOUNDS: [u64; 14] = [
    1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
    67_108_864,
];

/// A series' requests, apart by what its rollup has in one sum. Warm-up requests count in nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breakdown {
    /// Requests by the tokens of their prompts: those that add to `Flow::input_tokens`.
    pub(crate) input: TokenCounts,
    /// The same ones by the tokens of their answers.
    pub(crate) output: TokenCounts,
    /// Of all tokens of prompts, those written to the provider's prompt cache.
    pub(crate) cache_written: u64,
    /// Of all tokens of answers, those that the provider says were spent on reasoning.
    pub(crate) reasoning: u64,
    /// How long those that failed took to, by kind. Together they are `Ended::failed_after`.
    pub(crate) failed_after: Vec<(FailureKind, Sketch)>,
}

impl Breakdown {
    pub(crate) fn record(&mut self, exchange: &Exchange, origin: Origin) {
        if exchange.warmup {
            return;
        }
        if let Outcome::Failure(failure) = &exchange.outcome {
            let ms = Figures::of(exchange, origin, Convention::Prony).e2e_ms;
            self.failed_after(failure.kind).record((ms * 1e6).round().max(0.0) as u64);
            if exchange.timeline.chunks.is_empty() {
                return;
            }
        }
        let usage = &exchange.usage;
        self.input.record(usage.input.count());
        self.output.record(usage.output.count());
        self.cache_written += usage.cache_write.count();
        self.reasoning += usage.reasoning.map_or(0, |tokens| tokens.count());
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.input.merge(&other.input);
        self.output.merge(&other.output);
        self.cache_written += other.cache_written;
        self.reasoning += other.reasoning;
        for (kind, durations) in &other.failed_after {
            self.failed_after(*kind).merge(durations);
        }
    }

    fn failed_after(&mut self, kind: FailureKind) -> &mut Sketch {
        let place = self.failed_after.iter().position(|(known, _)| *known == kind);
        let place = place.unwrap_or_else(|| {
            self.failed_after.push((kind, Sketch::default()));
            self.failed_after.len() - 1
        });
        &mut self.failed_after[place].1
    }
}

/// Requests, counted by how many tokens each took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenCounts {
    /// By [`TOKEN_BOUNDS`], none of which is exceeded in its bucket; the last has none.
    pub(crate) buckets: [u64; TOKEN_BOUNDS.len() + 1],
    /// All their tokens.
    pub(crate) sum: u64,
}

impl TokenCounts {
    fn record(&mut self, tokens: u64) {
        self.buckets[TOKEN_BOUNDS.partition_point(|bound| *bound < tokens)] += 1;
        self.sum += tokens;
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets) {
            *count += more;
        }
        self.sum += other.sum;
    }

    /// How many requests there are.
    pub(crate) fn requests(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_in_the_bucket_whose_bound_it_does_not_exceed() {
        let mut counts = TokenCounts::default();
        [0, 1, 2, 4, 5, 67_108_864, 67_108_865].into_iter().for_each(|n| counts.record(n));
        assert_eq!(counts.buckets, [2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((counts.requests(), counts.sum), (7, 12 + 2 * 67_108_864 + 1));
    }
}
