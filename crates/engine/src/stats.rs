//! What the engine has done so far, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters the engine's thread writes and anyone reads.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) running: AtomicU64,
    pub(crate) cells_held: AtomicU64,
    pub(crate) completed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) cached_tokens: AtomicU64,
    pub(crate) generated_tokens: AtomicU64,
    pub(crate) ticks: AtomicU64,
    pub(crate) tick_tokens: AtomicU64,
    pub(crate) tick_answers: AtomicU64,
    pub(crate) tick_prefill_max: AtomicU64,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, amount: usize) {
        counter.fetch_add(amount as u64, Ordering::Relaxed);
    }

    /// Sets a gauge; whoever reads the new value finds everything counted before it.
    pub(crate) fn set(gauge: &AtomicU64, value: usize) {
        gauge.store(value as u64, Ordering::Release);
    }
}

/// The engine's counters at one moment. Those without a note only ever grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Requests running now.
    pub running: u64,
    /// Most requests at once.
    pub running_max: u64,
    /// Requests waiting now.
    pub queued: u64,
    /// Most requests that may wait.
    pub queued_max: u64,
    /// Tokens of KV cache taken now, by running requests for all they may come to need and by kept
    /// beginnings.
    pub context_held: u64,
    /// Tokens the KV cache holds.
    pub context: u64,
    /// Requests answered in full.
    pub completed: u64,
    /// Requests that failed while running.
    pub failed: u64,
    /// Requests given up by their callers while running.
    pub cancelled: u64,
    /// Requests refused because too many waited.
    pub refused: u64,
    /// Prompt tokens of admitted requests.
    pub prompt_tokens: u64,
    /// Of those, the ones found in the cache.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// Batches decoded.
    pub ticks: u64,
    /// Tokens in them.
    pub tick_tokens: u64,
    /// Of those, the ones that continued an answer. Divided by `ticks`, the mean number of answers
    /// that a batch moved on.
    pub tick_answers: u64,
    /// Most prompt tokens that ever joined a batch in which answers were under way.
    pub tick_prefill_max: u64,
}

impl Stats {
    /// Reads the counters that the engine's thread keeps; the rest is the engine's to fill in.
    pub(crate) fn snapshot(&self) -> Snapshot {
        // Gauges are read first, so that the counters are at least as new.
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        Snapshot {
            running: read(&self.running),
            context_held: read(&self.cells_held),
            completed: read(&self.completed),
            failed: read(&self.failed),
            cancelled: read(&self.cancelled),
            refused: read(&self.refused),
            prompt_tokens: read(&self.prompt_tokens),
            cached_tokens: read(&self.cached_tokens),
            generated_tokens: read(&self.generated_tokens),
            ticks: read(&self.ticks),
            tick_tokens: read(&self.tick_tokens),
            tick_answers: read(&self.tick_answers),
            tick_prefill_max: read(&self.tick_prefill_max),
            ..Snapshot::default()
        }
    }
}
