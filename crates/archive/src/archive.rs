//! The archive: a durable store, opened and brought up to date.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use analysis::rollup::{Delta, Resolution, Roller, coarsen};
use domain::{Clock, Series};
use store::durable::{
    DurableError, Reader, Recovery, RollupRow, Store, StoreSettings, StoredRecord,
};

use crate::{BenchmarkKeeper, RecordKeeper, SampleKeeper, benchmarks, rollup, series};

/// How many records are rolled up at a time after a crash.
const CATCH_UP_RECORDS: u64 = 100_000;

/// A store, open to write, whose rollups are those of its records. Clones share it.
#[derive(Clone, Debug)]
pub struct Archive {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Archive {
    /// Opens the archive in `folder`, which is made if it is not there, and rolls up what a crash
    /// left to be.
    ///
    /// # Errors
    /// Where another process has it open, it cannot be written, or a newer version wrote it.
    pub fn open(
        folder: &Path,
        settings: StoreSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), DurableError> {
        let (store, recovery) = Store::open(folder, settings, Arc::clone(&clock))?;
        let archive = Self { store: Arc::new(store), clock };
        archive.catch_up()?;
        Ok((archive, recovery))
    }

    /// Keeps records, for a collector.
    #[must_use]
    pub fn record_keeper(&self) -> RecordKeeper {
        RecordKeeper::new(Arc::clone(&self.store), &*self.clock)
    }

    /// Keeps benchmarks, for the register.
    #[must_use]
    pub fn benchmark_keeper(&self) -> BenchmarkKeeper {
        BenchmarkKeeper::new(Arc::clone(&self.store))
    }

    /// Keeps what is seen beside the benchmark of that id.
    #[must_use]
    pub fn sample_keeper(&self, benchmark: &str) -> SampleKeeper {
        SampleKeeper::new(Arc::clone(&self.store), benchmark)
    }

    /// Forgets a benchmark and every record of it, and returns how many those were.
    ///
    /// # Errors
    /// Where there is no such benchmark, or it cannot be forgotten now.
    pub fn delete_run(&self, id: &str) -> Result<u64, DurableError> {
        let records = self.store.delete_run(id)?;
        self.store.remove_document(benchmarks::KIND, id)?;
        Ok(records)
    }

    /// The store itself.
    #[must_use]
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What can be read of it.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        self.store.reader()
    }

    fn catch_up(&self) -> Result<(), DurableError> {
        let mut rollers: HashMap<Series, Roller> = HashMap::new();
        let mut rows = Vec::new();
        let mut waiting = 0;
        let through = self.store.not_rolled_up(|record| {
            roll(&mut rollers, &record);
            waiting += 1;
            if waiting >= CATCH_UP_RECORDS {
                waiting = 0;
                drain(&mut rollers, &mut rows);
            }
        })?;
        drain(&mut rollers, &mut rows);
        self.store.add_rollups(&rows, through, join)
    }
}

fn roll(rollers: &mut HashMap<Series, Roller>, record: &StoredRecord) {
    // A source that this version does not know was written by another one.
    let Some(series) = series::of(record) else { return };
    let roller = rollers.entry(series).or_insert_with(|| Roller::new(store::STORED_ANCHOR));
    roller.record(&record.exchange, record.provenance.label.origin);
}

fn drain(rollers: &mut HashMap<Series, Roller>, rows: &mut Vec<RollupRow>) {
    for (series, roller) in rollers {
        append_rows(rows, &series::write(series), &roller.drain());
    }
}

/// Appends what is new in windows of a second, and in the coarser ones that they lie in.
pub(crate) fn append_rows(rows: &mut Vec<RollupRow>, series: &str, deltas: &[Delta]) {
    for resolution in Resolution::ALL {
        for Delta { window, rollup } in coarsen(deltas, resolution) {
            rows.push(RollupRow {
                series: series.to_owned(),
                resolution_s: u32::try_from(resolution.seconds()).expect("an hour at most"),
                start_unix_s: window.start_unix_seconds(),
                data: rollup::encode(&rollup),
            });
        }
    }
}

/// Joins windows, as the store asks for it.
pub(crate) fn join(before: &[u8], new: &[u8]) -> Result<Vec<u8>, String> {
    rollup::join(before, new).map_err(|error| error.to_string())
}
