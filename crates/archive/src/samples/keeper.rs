//! Keeps what was seen beside the benchmark it was seen for, a block at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::durable::{DurableError, SampleBlock, Store};

use super::block::Block;
use super::{Sight, Source};

/// How much time a block is of, which may be lost with the process.
pub(super) const BLOCK_NANOS: u64 = 5_000_000_000;
/// How long blocks wait for a store that cannot be written.
const PATIENCE_NANOS: u64 = 300_000_000_000;

/// Gathers what is seen for one benchmark.
#[derive(Debug)]
pub struct SampleKeeper {
    store: Arc<Store>,
    benchmark: String,
    blocks: BTreeMap<Source, (u64, Block)>,
}

impl SampleKeeper {
    /// Will keep what is seen for the benchmark of that id in `store`.
    #[must_use]
    pub fn new(store: Arc<Store>, benchmark: &str) -> Self {
        Self { store, benchmark: benchmark.to_owned(), blocks: BTreeMap::new() }
    }

    /// The benchmark's id.
    #[must_use]
    pub fn benchmark(&self) -> &str {
        &self.benchmark
    }

    /// Takes in what was seen of a source.
    pub fn see(&mut self, source: Source, sight: Sight) {
        self.block(source, sight.unix_nanos).sights.push(sight);
    }

    /// Notes why a source could not be seen at a moment.
    pub fn miss(&mut self, source: Source, unix_nanos: u64, problem: String) {
        self.block(source, unix_nanos).problem = Some(problem);
    }

    fn block(&mut self, source: Source, unix_nanos: u64) -> &mut Block {
        &mut self.blocks.entry(source).or_insert_with(|| (unix_nanos, Block::default())).1
    }

    /// Keeps the blocks that are long enough by now.
    ///
    /// # Errors
    /// Where the store cannot be written. It is tried again the next time, for some minutes.
    pub fn tick(&mut self, now_unix_nanos: u64) -> Result<(), DurableError> {
        let age = |start| now_unix_nanos.saturating_sub(start);
        let kept = self.keep(|start| age(start) >= BLOCK_NANOS);
        if kept.is_err() {
            self.blocks.retain(|_, (start, _)| age(*start) < PATIENCE_NANOS);
        }
        kept
    }

    /// Keeps what is left.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn finish(mut self) -> Result<(), DurableError> {
        self.keep(|_| true)
    }

    fn keep(&mut self, is_due: impl Fn(u64) -> bool) -> Result<(), DurableError> {
        let due = self.blocks.iter().filter(|(_, (start, _))| is_due(*start));
        let due: Vec<SampleBlock> = due
            .map(|(source, (start_unix_ns, block))| SampleBlock {
                source: source.to_string(),
                start_unix_ns: *start_unix_ns,
                data: block.encode(),
            })
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        self.store.put_samples(&self.benchmark, &due)?;
        self.blocks.retain(|_, (start, _)| !is_due(*start));
        Ok(())
    }
}
