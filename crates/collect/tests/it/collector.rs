//! Records are kept, all of them, once and in order, whatever the keeper and the producers do.

use std::sync::Arc;
use std::thread;

use collect::{Closed, Collector, Settings, Status};
use domain::{Clock as _, SystemClock};
use tokio::task::JoinSet;

use crate::fixture::{Bench, DiskFull, Shelf, record, series};

fn small() -> Settings {
    Settings { intake_records: 4, series: 2, ..Settings::default() }
}

#[tokio::test]
async fn a_full_intake_holds_its_producers_back() {
    let mut bench = Bench::new(small());
    let tracked = bench.collector.track(&series("a"));
    let mut records = bench.records(&tracked, 0..10);
    let collector = Arc::clone(&bench.collector);
    let mut producer = JoinSet::new();
    producer.spawn(async move { collector.submit(&mut records).await });
    for waiting in [4, 4, 2, 0] {
        // Lets the producer fill the intake.
        tokio::task::yield_now().await;
        assert_eq!(bench.collector.status().waiting, waiting);
        bench.turn_after(5);
    }
    let ticket = producer.join_next().await.unwrap().unwrap().unwrap();
    assert!(bench.collector.kept(ticket).await);
    assert_eq!(bench.shelf.look(|kept| kept.indexes.clone()), Vec::from_iter(0..10));
    assert_eq!(bench.collector.status(), Status { kept: 10, held_back: 1, ..Status::default() });
}

#[tokio::test]
async fn what_cannot_be_kept_yet_is_kept_later_and_acknowledged_only_then() {
    let mut bench = Bench::new(small());
    let tracked = bench.collector.track(&series("a"));
    bench.shelf.look(|kept| kept.keep_fails = 2);
    let ticket = bench.collector.try_submit(&mut bench.records(&tracked, 0..3)).unwrap();

    bench.turn_after(5);
    let failing = Status { keeper_failures: 1, ..Status::default() };
    let failing = Status { keeper_error: Some(DiskFull.to_string()), ..failing };
    assert_eq!(bench.collector.status(), failing);
    // Meanwhile the intake fills up behind the batch, and then takes nothing more.
    let mut more = bench.records(&tracked, 3..9);
    bench.collector.try_submit(&mut more).unwrap();
    assert_eq!(more.len(), 2);
    bench.turn_after(100);
    assert_eq!(bench.collector.status().keeper_failures, 1, "too early to ask again");
    bench.turn_after(100);
    assert_eq!(bench.collector.status().keeper_failures, 2);
    assert!(bench.shelf.look(|kept| kept.indexes.is_empty()));

    bench.turn_after(200);
    assert!(bench.collector.kept(ticket).await);
    bench.turn_after(5);
    assert_eq!(bench.shelf.look(|kept| kept.indexes.clone()), Vec::from_iter(0..7));
    assert_eq!(
        bench.collector.status(),
        Status { kept: 7, keeper_failures: 2, ..Status::default() }
    );
}

#[test]
fn rollups_cover_exactly_the_records_kept() {
    let mut bench = Bench::new(small());
    let tracked = bench.collector.track(&series("a"));
    let covered = |bench: &Bench| bench.shelf.look(|kept| kept.rolled.ended.requests());

    bench.collector.try_submit(&mut bench.records(&tracked, 0..3)).unwrap();
    bench.turn_after(999);
    assert_eq!(covered(&bench), 0, "a second is not over");
    bench.turn_after(1);
    assert_eq!(covered(&bench), 3);

    // While rollups cannot be kept, no records are.
    bench.shelf.look(|kept| kept.roll_up_fails = 2);
    bench.collector.try_submit(&mut bench.records(&tracked, 3..5)).unwrap();
    bench.turn_after(1_000);
    bench.collector.try_submit(&mut bench.records(&tracked, 5..7)).unwrap();
    bench.turn_after(200);
    assert_eq!(bench.shelf.look(|kept| kept.indexes.len()), 5);
    assert_eq!(covered(&bench), 3);
    bench.turn_after(200);
    assert_eq!(bench.shelf.look(|kept| kept.indexes.len()), 7);
    assert_eq!(covered(&bench), 5, "of what was kept when they were made");

    let shelf = bench.shelf.clone();
    bench.worker.finish().unwrap();
    let rolled = shelf.look(|kept| kept.rolled.clone());
    assert_eq!((rolled.ended.requests(), rolled.flow.output_tokens), (7, 28));
    assert_eq!(rolled.flow.busy_nanos, 700_000_000);
}

#[tokio::test]
async fn a_closed_collector_keeps_what_it_has_or_hands_it_back() {
    let bench = Bench::new(small());
    let tracked = bench.collector.track(&series("a"));
    let ticket = bench.collector.try_submit(&mut bench.records(&tracked, 0..3)).unwrap();
    bench.collector.close();
    let mut late = bench.records(&tracked, 3..4);
    assert_eq!(bench.collector.submit(&mut late).await, Err(Closed));
    assert_eq!(late.len(), 1);
    bench.worker.run().unwrap();
    assert!(bench.collector.kept(ticket).await);
    assert_eq!(bench.shelf.look(|kept| kept.indexes.len()), 3);

    let mut bench = Bench::new(small());
    let tracked = bench.collector.track(&series("a"));
    bench.shelf.look(|kept| kept.keep_fails = u32::MAX);
    bench.collector.try_submit(&mut bench.records(&tracked, 0..3)).unwrap();
    bench.turn_after(5);
    let ticket = bench.collector.try_submit(&mut bench.records(&tracked, 3..5)).unwrap();
    let unkept = bench.worker.finish().unwrap_err();
    let indexes = Vec::from_iter(unkept.records.iter().map(|record| record.exchange.id.index));
    assert_eq!((indexes, unkept.source), (vec![0, 1, 2, 3, 4], DiskFull));
    assert!(!bench.collector.kept(ticket).await);
}

#[tokio::test]
async fn nobody_waits_for_a_worker_that_is_gone() {
    let bench = Bench::new(small());
    let tracked = bench.collector.track(&series("a"));
    let mut windows = bench.collector.watch();
    let ticket = bench.collector.try_submit(&mut bench.records(&tracked, 0..4)).unwrap();
    let mut more = bench.records(&tracked, 4..5);
    let collector = Arc::clone(&bench.collector);
    let mut producer = JoinSet::new();
    producer.spawn(async move { collector.submit(&mut more).await });
    tokio::task::yield_now().await;
    // As in a panic of the keeper's.
    drop(bench.worker);
    assert_eq!(producer.join_next().await.unwrap().unwrap(), Err(Closed));
    assert!(!bench.collector.kept(ticket).await);
    assert!(windows.next().await.is_none());
    assert!(bench.collector.watch().next().await.is_none());
}

#[test]
fn many_producers_lose_nothing() {
    const PRODUCERS: u64 = 4;
    const EACH: u64 = 2_000;
    let shelf = Shelf::default();
    let settings = Settings { intake_records: 64, ..Settings::default() };
    let (collector, worker) = Collector::new(&settings, Arc::new(SystemClock), shelf.clone());
    let worker = thread::spawn(move || worker.run());
    let produce = |producer: u64| {
        let collector = Arc::clone(&collector);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let tracked = collector.track(&series(&format!("model-{producer}")));
            let mut next = producer * EACH;
            while next < (producer + 1) * EACH {
                let records = next..next + 5;
                next = records.end;
                let mut records =
                    Vec::from_iter(records.map(|index| record(&tracked, index, SystemClock.now())));
                runtime.block_on(collector.submit(&mut records)).unwrap();
            }
        })
    };
    let producers = Vec::from_iter((0..PRODUCERS).map(produce));
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    collector.close();
    worker.join().unwrap().unwrap();

    let mut indexes = shelf.look(|kept| kept.indexes.clone());
    for producer in 0..PRODUCERS {
        let own = producer * EACH..(producer + 1) * EACH;
        assert!(indexes.iter().copied().filter(|index| own.contains(index)).is_sorted());
    }
    indexes.sort_unstable();
    assert_eq!(indexes, Vec::from_iter(0..PRODUCERS * EACH));
    assert_eq!(collector.status().kept, PRODUCERS * EACH);
    assert_eq!(shelf.look(|kept| kept.rolled.ended.requests()), PRODUCERS * EACH);
}

#[test]
fn series_beyond_the_bound_are_counted_together() {
    let bench = Bench::new(small());
    let tracked = ["a", "b", "a", "c", "d"].map(|model| bench.collector.track(&series(model)));
    let models = tracked.each_ref().map(|tracked| &*tracked.series().model);
    assert_eq!(models, ["a", "b", "a", "other", "other"]);
    assert!(Arc::ptr_eq(&tracked[3], &tracked[4]));
    assert_eq!(bench.collector.status().series_merged, 2);
}
