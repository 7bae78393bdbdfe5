//! The store dies between two steps of its upkeep, and holds every record once when it comes back.

use std::path::Path;
use std::sync::Arc;

use analysis::Origin;
use domain::SystemClock;

use crate::durable::fault::{Moment, fail_at};
use crate::durable::{Entry, Provenance, Reader, Retention, Store, StoreSettings};
use crate::{RunLabel, fixture};

fn open(folder: &Path) -> Store {
    let settings =
        StoreSettings { seal_interval: std::time::Duration::ZERO, ..StoreSettings::default() };
    Store::open(folder, settings, Arc::new(SystemClock)).unwrap().0
}

fn append(store: &Store, run: &str, indices: std::ops::Range<u64>) {
    let word = |text: &str| Arc::from(text);
    let provenance = Provenance {
        run: Some(word(run)),
        label: RunLabel { run: 0, load: word("rate=5/s"), origin: Origin::Planned },
        provider: word("vllm"),
        target_region: word(""),
        vantage_region: word(""),
        source: word("bench"),
    };
    for index in indices {
        let mut exchange = fixture::success();
        exchange.id.index = index;
        let anchor = fixture::anchor();
        let entry = Entry { provenance: &provenance, exchange: &exchange, anchor };
        let ticket = store.append([entry]).unwrap();
        store.wait(ticket).unwrap();
    }
}

fn indices(folder: &Path, run: &str) -> Vec<u64> {
    let mut indices = Vec::new();
    let take = |record: crate::durable::StoredRecord| {
        indices.push(record.exchange.id.index);
        Ok(())
    };
    Reader::open(folder).unwrap().records(run, take).unwrap();
    indices.sort_unstable();
    indices
}

/// Has `work` fail at each moment, and opens the store again after it, as after a crash.
fn check(
    prepare: impl Fn(&Store),
    work: impl Fn(&Store) -> Result<(), crate::durable::DurableError>,
    look: impl Fn(&Path, Moment),
) {
    for moment in [Moment::Drafted, Moment::Published, Moment::Recorded] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        prepare(&store);
        fail_at(moment);
        assert!(work(&store).is_err(), "{moment:?} was not passed");
        look(folder.path(), moment);
        drop(store);
        let store = open(folder.path());
        look(folder.path(), moment);
        let now = Retention { grace: std::time::Duration::ZERO, ..Retention::default() };
        store.maintain(now).unwrap();
        look(folder.path(), moment);
        let files = std::fs::read_dir(folder.path().join("partitions")).unwrap().count();
        assert_eq!(files, 1, "{moment:?} left something behind");
    }
}

#[test]
fn sealing_keeps_every_record_once() {
    check(
        |store| append(store, "r1", 0..5),
        |store| store.maintain(Retention::default()).map(drop),
        |folder, moment| assert_eq!(indices(folder, "r1"), [0, 1, 2, 3, 4], "{moment:?}"),
    );
}

#[test]
fn merging_keeps_every_record_once() {
    check(
        |store| {
            append(store, "r1", 0..3);
            store.maintain(Retention::default()).unwrap();
            append(store, "r1", 3..5);
            let last = store.log.close_segment().unwrap();
            store.upkeep().work.seal(last, &mut super::Maintained::default()).unwrap();
        },
        |store| store.maintain(Retention::default()).map(drop),
        |folder, moment| assert_eq!(indices(folder, "r1"), [0, 1, 2, 3, 4], "{moment:?}"),
    );
}

#[test]
fn deleting_a_run_happens_whole_or_not_at_all() {
    check(
        |store| {
            append(store, "r1", 0..2);
            append(store, "r2", 2..4);
            store.maintain(Retention::default()).unwrap();
        },
        |store| store.delete_run("r1").map(drop),
        |folder, moment| {
            assert_eq!(indices(folder, "r2"), [2, 3], "{moment:?}");
            if moment == Moment::Recorded {
                let gone = Reader::open(folder).unwrap().records("r1", |_| Ok(()));
                assert!(gone.is_err());
            } else {
                assert_eq!(indices(folder, "r1"), [0, 1], "{moment:?}");
            }
        },
    );
}
