//! What the requests of a series amount to in a window of time, small enough to keep for ever.
//!
//! A [`Rollup`] is a sum: two are merged in any order, so seconds make up minutes, and
//! what comes late is added to what was there. It comes about in a [`Roller`], as [`Delta`]s: what is
//! new in a [`Window`] since the last time.
//!
//! **No window is ever final.** A request is known once it has ended, but its tokens came, and it
//! was in flight, in the seconds before. So one that takes half a minute adds to thirty windows
//! that were published long ago, and its deltas *amend* them. Whoever keeps windows adds each delta
//! to the window it names.

mod roller;
mod window;

pub use roller::{REACH, Roller};
pub use window::{Delta, Resolution, Window, coarsen};

use domain::FailureKind;

use crate::Sketch;

/// What a series' requests amount to in a window. Requests sent to warm up count in nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// What happened in the window, whenever the requests ended. Amended for as long as requests
    /// that were in flight in it end.
    pub flow: Flow,
    /// The requests that ended in the window. Amended only by records handed in late.
    pub ended: Ended,
}

/// What happened in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Requests that started.
    pub started: u64,
    /// Tokens of prompts, at the moment of the first token of the answer (of its end, where it was
    /// not streamed). A request that failed without a token counts none.
    pub input_tokens: u64,
    /// Of `input_tokens`, those read from the provider's prompt cache.
    pub cached_tokens: u64,
    /// Tokens of answers, each chunk's at its arrival and those of whole answers at their end. Where
    /// they are not one a chunk, each chunk is taken to have held as many as any other.
    pub output_tokens: u64,
    /// The time requests were in flight, of all together, in nanoseconds. Over the length of the
    /// window it is the mean number in flight.
    pub busy_nanos: u128,
    /// The most requests of one series seen in flight at once; 0 where nobody watched. Merging keeps
    /// the larger, so of several series together it is the least that it can have been.
    pub in_flight_max: u64,
}

/// The requests that ended in a window. Times are in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Those answered whole.
    pub succeeded: u64,
    /// Those that were not.
    pub failed: Failures,
    /// Tries beyond each request's first.
    pub retries: u64,
    /// Time to the first token, of those that succeeded and were streamed.
    pub ttft: Sketch,
    /// End-to-end latency, of those that succeeded.
    pub e2e: Sketch,
    /// Time per output token, of those that have one.
    pub tpot: Sketch,
    /// The gaps between chunks, pooled, of those that succeeded and were streamed.
    pub itl: Sketch,
    /// How long those that failed took to.
    pub failed_after: Sketch,
    /// How late the client itself sent them.
    pub client_lag: Sketch,
}

impl Rollup {
    /// Adds `other`: of the same window and series, or of another one.
    pub fn merge(&mut self, other: &Self) {
        self.flow.merge(&other.flow);
        self.ended.merge(&other.ended);
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Flow {
    /// Adds `other`.
    pub fn merge(&mut self, other: &Self) {
        self.started += other.started;
        self.input_tokens += other.input_tokens;
        self.cached_tokens += other.cached_tokens;
        self.output_tokens += other.output_tokens;
        self.busy_nanos += other.busy_nanos;
        self.in_flight_max = self.in_flight_max.max(other.in_flight_max);
    }
}

impl Ended {
    /// Adds `other`.
    pub fn merge(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed.merge(&other.failed);
        self.retries += other.retries;
        self.ttft.merge(&other.ttft);
        self.e2e.merge(&other.e2e);
        self.tpot.merge(&other.tpot);
        self.itl.merge(&other.itl);
        self.failed_after.merge(&other.failed_after);
        self.client_lag.merge(&other.client_lag);
    }

    /// All of them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.succeeded + self.failed.total()
    }
}

/// Failed requests, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures([u64; FailureKind::ALL.len()]);

impl Failures {
    /// Adds `count` of a kind.
    pub fn add(&mut self, kind: FailureKind, count: u64) {
        let place = FailureKind::ALL.iter().position(|known| *known == kind);
        self.0[place.expect("ALL has every kind")] += count;
    }

    /// Adds `other`.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Each kind and how many there are, in the order reports list them.
    pub fn iter(&self) -> impl Iterator<Item = (FailureKind, u64)> + '_ {
        FailureKind::ALL.into_iter().zip(self.0)
    }

    /// How many there are in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
