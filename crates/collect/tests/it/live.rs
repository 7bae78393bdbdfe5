//! Live windows: what they say, and what happens to a watcher who is slow.

use std::time::Duration;

use collect::Settings;
use domain::FailureKind;

use crate::fixture::{Bench, failed, series};

#[tokio::test]
async fn a_window_says_what_became_known_in_it() {
    let mut bench = Bench::new(Settings::default());
    let [busy, idle] = ["busy", "idle"].map(|model| bench.collector.track(&series(model)));
    let mut windows = bench.collector.watch();
    let mut records = bench.records(&busy, 0..3);
    records.push(failed(bench.records(&busy, 3..4).remove(0), FailureKind::Timeout));
    bench.collector.try_submit(&mut records).unwrap();
    let in_flight = [busy.begin(), busy.begin()];
    drop(busy.begin());
    busy.note_chunks(7);
    bench.turn_after(200);

    let (window, missed) = windows.next().await.unwrap();
    assert_eq!((window.interval, missed), (Duration::from_millis(200), 0));
    assert_eq!(window.at_unix_ms, testkit::clock::START_UNIX_NANOS / 1_000_000 + 200);
    let [live] = &window.series[..] else { panic!("only one is busy: {window:?}") };
    assert_eq!(*live.series.series(), series("busy"));
    assert_eq!((live.in_flight, live.chunks), (2, 7));
    assert_eq!(live.rollup.flow.in_flight_max, 3);
    assert_eq!((live.rollup.ended.succeeded, live.rollup.ended.failed.total()), (3, 1));
    assert_eq!(live.rollup.ended.ttft.quantile_ms(0.5), Some(40.0));

    drop(in_flight);
    bench.turn_after(100);
    bench.collector.try_submit(&mut bench.records(&idle, 4..5)).unwrap();
    bench.turn_after(100);
    let (window, _) = windows.next().await.unwrap();
    let models = Vec::from_iter(window.series.iter().map(|live| &*live.series.series().model));
    // Two were in flight until this window began.
    assert_eq!(models, ["busy", "idle"]);
    assert_eq!(window.series[0].rollup.ended.requests(), 0);
    bench.turn_after(200);
    assert!(windows.next().await.unwrap().0.series.is_empty());
    assert_eq!(bench.collector.status().windows_thinned, 0);
}

#[tokio::test]
async fn a_slow_watcher_misses_windows_and_is_told() {
    let mut bench = Bench::new(Settings { live_backlog: 4, ..Settings::default() });
    let mut slow = bench.collector.watch();
    let mut prompt = bench.collector.watch();
    for _ in 0..10 {
        bench.turn_after(200);
        assert_eq!(prompt.next().await.unwrap().1, 0);
    }
    let (window, missed) = slow.next().await.unwrap();
    assert_eq!(missed, 6);
    assert_eq!(window.at_unix_ms - testkit::clock::START_UNIX_NANOS / 1_000_000, 7 * 200);
    assert_eq!(slow.next().await.unwrap().1, 0);
    assert_eq!(bench.collector.status().windows_thinned, 6);
}

#[tokio::test]
async fn a_late_worker_publishes_one_longer_window() {
    let mut bench = Bench::new(Settings::default());
    let tracked = bench.collector.track(&series("a"));
    let mut windows = bench.collector.watch();
    bench.collector.try_submit(&mut bench.records(&tracked, 0..3)).unwrap();
    bench.turn_after(700);
    let (window, missed) = windows.next().await.unwrap();
    assert_eq!((window.interval, missed), (Duration::from_millis(700), 0));
    assert_eq!(window.series[0].rollup.ended.requests(), 3);
    assert_eq!(bench.collector.status().windows_thinned, 2);
}
