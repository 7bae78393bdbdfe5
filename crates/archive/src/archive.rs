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
        archive.forget_fine_rollups()?;
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

    /// Forgets windows of rollups that were kept long enough, finer ones sooner, and returns how many.
    /// To be called every few minutes.
    ///
    /// # Errors
    /// Where the catalog cannot be written.
    pub fn forget_fine_rollups(&self) -> Result<usize, DurableError> {
        let now_s = self.clock.unix_nanos() / 1_000_000_000;
        let mut forgotten = 0;
        for resolution in Resolution::ALL {
            let Some(before) = kept_s(resolution).and_then(|kept| now_s.checked_sub(kept)) else {
                continue;
            };
            // At a whole hour, so that what is left makes up whole windows of the next.
            let before = before - before % Resolution::Hour.seconds();
            forgotten += self.store.forget_rollups(length(resolution), before)?;
        }
        Ok(forgotten)
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
    let mut finer = deltas.to_vec();
    for resolution in Resolution::ALL {
        let windows = coarsen(&finer, resolution);
        rows.extend(windows.iter().map(|Delta { window, rollup }| RollupRow {
            series: series.to_owned(),
            resolution_s: length(resolution),
            start_unix_s: window.start_unix_seconds(),
            data: rollup::encode(rollup),
        }));
        finer = windows;
    }
}

/// The length of a window, in seconds.
pub(crate) fn length(resolution: Resolution) -> u32 {
    u32::try_from(resolution.seconds()).expect("a day at most")
}

/// For how long windows are kept; for ever where it is `None`. What a chart shows of a time that long
/// ago it shows in coarser ones.
const fn kept_s(resolution: Resolution) -> Option<u64> {
    const DAY_S: u64 = Resolution::Day.seconds();
    match resolution {
        Resolution::Second => Some(DAY_S / 4),
        Resolution::TenSeconds => Some(3 * DAY_S),
        Resolution::Minute => Some(15 * DAY_S),
        Resolution::FiveMinutes => Some(60 * DAY_S),
        Resolution::HalfHour => Some(366 * DAY_S),
        Resolution::Hour | Resolution::SixHours | Resolution::Day => None,
    }
}

/// Joins windows, as the store asks for it.
pub(crate) fn join(before: &[u8], new: &[u8]) -> Result<Vec<u8>, String> {
    rollup::join(before, new).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use domain::{Source, Timestamp, Vantage};

    use super::*;

    /// The start of 2026, in seconds since 1970.
    const START_S: u64 = 1_767_225_600;
    const DAY_S: u64 = 86_400;

    #[derive(Debug)]
    struct At(u64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_nanos(0)
        }

        fn unix_nanos(&self) -> u64 {
            self.0 * 1_000_000_000
        }
    }

    /// How many windows there are of each resolution.
    fn counts(archive: &Archive) -> Vec<(u64, usize)> {
        let count = |resolution: Resolution| {
            let range = store::durable::RollupRange {
                resolution_s: length(resolution),
                from_unix_s: 0,
                to_unix_s: START_S * 2,
                series: None,
            };
            let windows = archive.reader().rollups(range).expect("they can be read");
            (resolution.seconds(), windows.values().map(Vec::len).sum())
        };
        Resolution::ALL.map(count).to_vec()
    }

    #[test]
    fn fine_windows_are_forgotten_and_coarse_ones_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |now_s| {
            let clock: Arc<dyn Clock> = Arc::new(At(now_s));
            Archive::open(folder.path(), StoreSettings::default(), clock).expect("a store").0
        };
        let archive = open(START_S);
        let series = series::write(&Series {
            model: "m".into(),
            provider: "p".into(),
            region: "".into(),
            vantage: Vantage::Client,
            vantage_region: "".into(),
            scenario: "s".into(),
            source: Source::Bench,
        });
        let mut rows = Vec::new();
        for second in [0, DAY_S, 5 * DAY_S] {
            let window = analysis::rollup::Window::holding(START_S + second, Resolution::Second);
            let mut rollup = analysis::rollup::Rollup::default();
            rollup.ended.succeeded = 1;
            append_rows(&mut rows, &series, &[Delta { window, rollup }]);
        }
        let through = archive.store.not_rolled_up(|_| ()).expect("a log");
        archive.store.add_rollups(&rows, through, join).expect("they are kept");
        let of = |counts: [usize; 8]| -> Vec<(u64, usize)> {
            Resolution::ALL.map(Resolution::seconds).into_iter().zip(counts).collect()
        };
        assert_eq!(counts(&archive), of([3; 8]));
        drop(archive);
        for (days, kept) in [
            (5, [1, 1, 3, 3, 3, 3, 3, 3]),
            (16, [0, 0, 1, 3, 3, 3, 3, 3]),
            (70, [0, 0, 0, 0, 3, 3, 3, 3]),
            (4_000, [0, 0, 0, 0, 0, 3, 3, 3]),
        ] {
            let archive = open(START_S + days * DAY_S + 3_600);
            assert_eq!(counts(&archive), of(kept), "after {days} days");
            assert_eq!(archive.forget_fine_rollups().expect("it can be written"), 0);
        }
    }
}
