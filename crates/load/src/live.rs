//! Counts of a run under way, for whoever watches it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use domain::{Exchange, Timestamp};

/// Running counts.
#[derive(Debug, Default)]
pub struct Live {
    window_start: OnceLock<Timestamp>,
    warming: AtomicU64,
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    tokens: AtomicU64,
}

impl Live {
    /// When the first measured request was due, once that is known.
    #[must_use]
    pub fn window_start(&self) -> Option<Timestamp> {
        self.window_start.get().copied()
    }

    /// Warm-up requests begun.
    #[must_use]
    pub fn warming(&self) -> u64 {
        self.warming.load(Relaxed)
    }

    /// Measured requests begun.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started.load(Relaxed)
    }

    /// Measured requests that succeeded.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.succeeded.load(Relaxed)
    }

    /// Measured requests that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Measured requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.started().saturating_sub(self.succeeded() + self.failed())
    }

    /// Token-bearing chunks that came, warm-up included.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens.load(Relaxed)
    }

    /// Notes when the first measured request was due.
    pub(crate) fn open_window(&self, at: Timestamp) {
        self.window_start.get_or_init(|| at);
    }

    pub(crate) fn begin(&self, warmup: bool) {
        let counter = if warmup { &self.warming } else { &self.started };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn token(&self) {
        self.tokens.fetch_add(1, Relaxed);
    }

    pub(crate) fn end(&self, exchange: &Exchange) {
        if exchange.warmup {
            return;
        }
        let counter = if exchange.outcome.is_success() { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Relaxed);
    }
}
