//! The durable store from outside: what is kept, by whom, and for how long.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use analysis::Origin;
use domain::{Clock as _, Exchange, SystemClock, WallAnchor};
use proptest::collection::vec;
use proptest::prelude::*;
use store::durable::{
    DurableError, Entry, Provenance, Reader, Retention, RollupPoint, RollupRange, RollupRow, Run,
    RunStatus, SampleBlock, Store, StoreSettings, StoredRecord,
};
use store::{Format, Record};

use crate::{fixture, generated};

/// Seals whatever is there whenever it is maintained.
pub(crate) const EAGER: StoreSettings = StoreSettings {
    commit_interval: Duration::from_millis(1),
    segment_bytes: 32 << 20,
    seal_interval: Duration::ZERO,
    pending_bytes: 16 << 20,
};

pub(crate) fn open(folder: &Path) -> Store {
    Store::open(folder, EAGER, Arc::new(SystemClock)).unwrap().0
}

pub(crate) fn provenance(run: Option<&str>) -> Provenance {
    Provenance {
        run: run.map(Arc::from),
        label: fixture::label(Origin::Planned),
        provider: Arc::from("vllm"),
        target_region: Arc::from("eu-west"),
        vantage_region: Arc::from(""),
        source: Arc::from("bench"),
    }
}

pub(crate) fn numbered(index: u64) -> Exchange {
    let mut exchange = if index % 3 == 2 { fixture::failure() } else { fixture::success() };
    exchange.id.index = index;
    exchange
}

pub(crate) fn append(store: &Store, run: Option<&str>, indices: Range<u64>) {
    append_at(store, run, indices, fixture::anchor());
}

fn append_at(store: &Store, run: Option<&str>, indices: Range<u64>, anchor: WallAnchor) {
    append_records(store, run, indices, anchor).unwrap();
}

/// Appends and waits.
pub(crate) fn try_append(
    store: &Store,
    run: Option<&str>,
    indices: Range<u64>,
) -> Result<(), DurableError> {
    append_records(store, run, indices, fixture::anchor())
}

fn append_records(
    store: &Store,
    run: Option<&str>,
    indices: Range<u64>,
    anchor: WallAnchor,
) -> Result<(), DurableError> {
    let provenance = provenance(run);
    let exchanges: Vec<Exchange> = indices.map(numbered).collect();
    let entries =
        exchanges.iter().map(|exchange| Entry { provenance: &provenance, exchange, anchor });
    let ticket = store.append(entries)?;
    store.wait(ticket)?;
    assert!(matches!(store.poll(ticket), Some(Ok(()))));
    Ok(())
}

pub(crate) fn indices(reader: &Reader, run: &str) -> Vec<u64> {
    let mut indices = Vec::new();
    reader
        .records(run, |record| {
            indices.push(record.exchange.id.index);
            Ok(())
        })
        .unwrap();
    indices
}

pub(crate) fn run(id: &str, created_unix_ns: u64) -> Run {
    Run {
        id: id.to_owned(),
        name: "nightly".to_owned(),
        status: RunStatus::Queued,
        request: r#"{"model":"smol"}"#.to_owned(),
        summary: None,
        labels: BTreeMap::from([("team".to_owned(), "search".to_owned())]),
        created_unix_ns,
        started_unix_ns: None,
        finished_unix_ns: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_partition_gives_back_what_was_appended(
        mut exchanges in vec(generated::exchange(), 1..20),
        label in generated::label(),
    ) {
        // Columns of numbers hold 63 bits.
        let narrow = |count: &mut u64| *count >>= 1;
        for exchange in &mut exchanges {
            narrow(&mut exchange.user);
            if let Some(tokens) = &mut exchange.max_tokens {
                narrow(&mut tokens.0);
            }
        }
        let mut provenance = Provenance { label, ..provenance(Some("r1")) };
        narrow(&mut provenance.label.run);
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let entries = exchanges.iter().map(|exchange| Entry {
            provenance: &provenance,
            exchange,
            anchor: store::durable::STORED_ANCHOR,
        });
        let ticket = store.append(entries).unwrap();
        store.wait(ticket).unwrap();
        let done = store.maintain(Retention::default()).unwrap();
        prop_assert_eq!(done.sealed, exchanges.len() as u64);

        let mut records = Vec::new();
        store.reader().records("r1", |record| {
            records.push(record);
            Ok(())
        }).unwrap();
        // Partitions come in the order of time.
        let by_id = |record: &StoredRecord| (record.exchange.id.run, record.exchange.id.index);
        records.sort_by_key(by_id);
        exchanges.sort_by_key(|exchange| (exchange.id.run, exchange.id.index));
        prop_assert_eq!(records.len(), exchanges.len());
        for (record, exchange) in records.iter().zip(&exchanges) {
            prop_assert_eq!(&record.exchange, exchange);
            prop_assert_eq!(&*record.provenance, &provenance);
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, Some("r1"), 0..10);
    append(&store, None, 10..12);
    assert_eq!(indices(store.reader(), "r1"), (0..10).collect::<Vec<_>>());
    store.maintain(Retention::default()).unwrap();
    append(&store, Some("r1"), 12..20);
    drop(store);

    let (store, recovery) = Store::open(folder.path(), EAGER, Arc::new(SystemClock)).unwrap();
    assert_eq!((recovery.records, recovery.lost), (8, 0));
    assert_eq!(recovery.damage, []);
    append(&store, Some("r1"), 20..21);
    let expected: Vec<u64> = (0..10).chain(12..21).collect();
    assert_eq!(indices(store.reader(), "r1"), expected);
    assert_eq!(indices(&Reader::open(folder.path()).unwrap(), "r1"), expected);
}

#[test]
fn an_export_reads_as_the_run_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, Some("r1"), 0..2);
    store.maintain(Retention::default()).unwrap();
    append(&store, Some("r1"), 2..4);
    append(&store, Some("r2"), 4..5);

    let label = fixture::label(Origin::Planned);
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    store::csv::append_header(&mut rows);
    for index in 0..4 {
        let exchange = numbered(index);
        let record = Record::new(&exchange, &label, fixture::anchor());
        store::jsonl::append_line(&mut lines, &record);
        store::csv::append_line(&mut rows, &record);
    }
    let export = |format| {
        let mut out = Vec::new();
        assert_eq!(store.reader().export("r1", format, &mut out).unwrap(), 4);
        out
    };
    assert_eq!(String::from_utf8(export(Format::Jsonl)), String::from_utf8(lines));
    assert_eq!(String::from_utf8(export(Format::Csv)), String::from_utf8(rows));
    assert_eq!(&export(Format::Parquet)[..4], b"PAR1");

    let unknown = store.reader().export("r9", Format::Csv, &mut Vec::new()).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no run `r9`");
}

#[test]
fn one_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let error = Store::open(folder.path(), EAGER, Arc::new(SystemClock)).unwrap_err();
    assert!(matches!(&error, DurableError::Locked { pid, .. } if *pid == Some(std::process::id())));
    drop(store);
    open(folder.path());
}

#[test]
fn what_is_no_store_or_a_newer_one_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(matches!(Reader::open(path), Err(DurableError::NoStore { .. })));
    std::fs::write(path.join("notes.txt"), "mine").unwrap();
    let refused = |path: &Path| Store::open(path, EAGER, Arc::new(SystemClock)).unwrap_err();
    assert!(matches!(refused(path), DurableError::Foreign { .. }));
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 1);
    assert!(matches!(refused(&path.join("notes.txt/store")), DurableError::File { .. }));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    drop(open(path));
    let catalog = rusqlite::Connection::open(path.join("catalog.db")).unwrap();
    catalog.pragma_update(None, "user_version", 1_000).unwrap();
    drop(catalog);
    assert!(matches!(refused(path), DurableError::Newer { found: 1_000, .. }));
    assert!(matches!(Reader::open(path), Err(DurableError::Newer { .. })));
    std::fs::write(path.join("FORMAT"), "prony-store 2\n").unwrap();
    assert!(matches!(refused(path), DurableError::Newer { found: 2, known: 1, .. }));
    std::fs::write(path.join("FORMAT"), "something\n").unwrap();
    assert!(matches!(refused(path), DurableError::Damaged { .. }));
}

#[test]
fn records_outlive_their_catalog() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let store = open(path);
    append(&store, Some("r1"), 0..3);
    store.maintain(Retention::default()).unwrap();
    drop(store);
    let away = path.join("catalog.away");
    std::fs::rename(path.join("catalog.db"), &away).unwrap();
    for _ in 0..2 {
        let error = Store::open(path, EAGER, Arc::new(SystemClock)).unwrap_err();
        assert!(matches!(error, DurableError::Damaged { .. }), "{error}");
    }
    std::fs::write(
        path.join("catalog.db"),
        "no database, but as long as the head of one ".repeat(9),
    )
    .unwrap();
    let error = Store::open(path, EAGER, Arc::new(SystemClock)).unwrap_err();
    assert!(error.hint().contains("the catalog is damaged"), "{error}");
    std::fs::rename(&away, path.join("catalog.db")).unwrap();
    assert_eq!(indices(open(path).reader(), "r1"), [0, 1, 2]);
}

#[test]
fn a_torn_tail_is_cut_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, Some("r1"), 0..3);
    append(&store, Some("r1"), 3..4);
    drop(store);
    let segment = folder.path().join("log/000000000001.log");
    let length = std::fs::metadata(&segment).unwrap().len();
    std::fs::File::options().write(true).open(&segment).unwrap().set_len(length - 5).unwrap();

    let (store, recovery) = Store::open(folder.path(), EAGER, Arc::new(SystemClock)).unwrap();
    let [torn] = &recovery.damage[..] else { panic!("{recovery:?}") };
    assert!(torn.is_torn_tail && torn.path == segment && torn.offset + torn.bytes == length - 5);
    assert_eq!((recovery.records, recovery.lost), (3, 0));
    assert_eq!(indices(store.reader(), "r1"), [0, 1, 2]);
    drop(store);
    let (_, again) = Store::open(folder.path(), EAGER, Arc::new(SystemClock)).unwrap();
    assert_eq!(again.damage, []);
}

#[test]
fn damage_in_the_log_costs_what_it_hit_and_is_kept_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for index in 0..3 {
        append(&store, Some("r1"), index..index + 1);
    }
    drop(store);
    let segment = folder.path().join("log/000000000001.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();

    let (store, recovery) = Store::open(folder.path(), EAGER, Arc::new(SystemClock)).unwrap();
    assert_eq!((recovery.records, recovery.lost, recovery.damage.len()), (2, 1, 1));
    assert!(!recovery.damage[0].is_torn_tail);
    assert_eq!(indices(store.reader(), "r1"), [0, 2]);
    let done = store.maintain(Retention::default()).unwrap();
    assert_eq!((done.sealed, done.damage.len()), (2, 1));
    assert_eq!(indices(store.reader(), "r1"), [0, 2]);
    let aside = std::fs::read(folder.path().join("damaged/000000000001.log")).unwrap();
    assert_eq!(aside, bytes);
}

#[test]
fn a_damaged_partition_is_named_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for (run, index) in [("r1", 0), ("r2", 1)] {
        let hour =
            fixture::anchor().unix_nanos(fixture::anchor().moment()) + index * 3_600_000_000_000;
        let anchor = WallAnchor::new(fixture::anchor().moment(), hour);
        append_at(&store, Some(run), index..index + 1, anchor);
        store.maintain(Retention::default()).unwrap();
    }
    let mut files: Vec<_> = std::fs::read_dir(folder.path().join("partitions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    std::fs::write(&files[0], "no parquet").unwrap();
    let error = store.reader().records("r1", |_| Ok(())).unwrap_err();
    assert!(matches!(&error, DurableError::Damaged { path, .. } if *path == files[0]));
    assert_eq!(indices(store.reader(), "r2"), [1]);
    let [named] = &store.reader().verify().unwrap()[..] else { panic!("one is damaged") };
    assert!(matches!(named, DurableError::Damaged { path, .. } if *path == files[0]));
}

#[test]
fn small_partitions_are_merged_and_their_files_go_when_nobody_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let reader = store.reader().clone();
    let eager = Retention { grace: Duration::ZERO, ..Retention::default() };
    append(&store, Some("r1"), 0..3);
    assert_eq!(store.maintain(eager).unwrap().merged, 0);
    append(&store, Some("r2"), 3..5);
    append(&store, Some("r1"), 5..6);
    let done = store.maintain(Retention::default()).unwrap();
    assert_eq!((done.sealed, done.merged, done.removed), (3, 2, 0));
    let files = || std::fs::read_dir(folder.path().join("partitions")).unwrap().count();
    assert_eq!(files(), 3);
    assert_eq!(store.maintain(eager).unwrap().removed, 2);
    assert_eq!(files(), 1);
    assert_eq!(indices(&reader, "r1"), [0, 1, 2, 5]);
    assert_eq!(indices(&reader, "r2"), [3, 4]);
}

#[test]
fn records_are_kept_as_long_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.create_run(&run("r1", 1)).unwrap();
    append(&store, Some("r1"), 0..3);
    // The records are of November 2023.
    let long = Retention {
        records: Some(Duration::from_secs(100 * 365 * 86_400)),
        ..Retention::default()
    };
    assert_eq!(store.maintain(long).unwrap().expired, 0);
    let short = Retention { records: Some(Duration::from_secs(3_600)), ..Retention::default() };
    assert_eq!(store.maintain(short).unwrap().expired, 3);
    assert_eq!(indices(store.reader(), "r1"), Vec::<u64>::new());
}

#[test]
fn a_deleted_run_is_gone_and_the_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.create_run(&run("r1", 1)).unwrap();
    append(&store, Some("r1"), 0..3);
    append(&store, Some("r2"), 3..5);
    store.maintain(Retention::default()).unwrap();
    append(&store, Some("r1"), 5..6);
    assert_eq!(store.delete_run("r1").unwrap(), 4);
    assert!(matches!(
        store.reader().records("r1", |_| Ok(())),
        Err(DurableError::UnknownRun { .. })
    ));
    assert!(matches!(store.delete_run("r1"), Err(DurableError::UnknownRun { .. })));
    assert_eq!(indices(store.reader(), "r2"), [3, 4]);
    drop(store);
    assert_eq!(indices(&Reader::open(folder.path()).unwrap(), "r2"), [3, 4]);
}

#[test]
fn samples_stay_as_long_as_their_run_and_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.create_run(&run("r1", 1)).unwrap();
    store.create_run(&run("r2", 2)).unwrap();
    let now = SystemClock.unix_nanos();
    let block = |source: &str, start_unix_ns, data: &[u8]| SampleBlock {
        source: source.to_owned(),
        start_unix_ns,
        data: data.to_vec(),
    };
    let all = [block("a", 5, b"old"), block("a", now, b"new"), block("b", now, b"other")];
    for id in ["r1", "r2", "nobody"] {
        store.put_samples(id, &all).unwrap();
    }
    let reader = store.reader();
    assert_eq!(reader.samples("r1", 0, u64::MAX).unwrap(), all);
    assert_eq!(reader.samples("r1", 6, now + 1).unwrap(), all[1..]);
    assert_eq!(reader.samples("r1", 5, now).unwrap(), all[..1]);
    assert_eq!(reader.samples("nobody", 0, u64::MAX).unwrap(), []);

    store.update_run(&run("r1", 1)).unwrap();
    let keep = Retention { records: Some(Duration::from_secs(3_600)), ..Retention::default() };
    store.maintain(keep).unwrap();
    assert_eq!(reader.samples("r1", 0, u64::MAX).unwrap(), all[1..]);
    store.delete_run("r2").unwrap();
    assert_eq!(reader.samples("r2", 0, u64::MAX).unwrap(), []);
    store.put_samples("r2", &all).unwrap();
    assert_eq!(reader.samples("r2", 0, u64::MAX).unwrap(), []);
}

#[test]
fn runs_and_documents_are_kept_as_given() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut first = run("r1", 10);
    store.create_run(&first).unwrap();
    assert!(matches!(store.create_run(&first), Err(DurableError::RunExists { .. })));
    store.create_run(&run("r2", 20)).unwrap();
    first.status = RunStatus::Completed;
    first.summary = Some("{}".to_owned());
    first.started_unix_ns = Some(11);
    first.finished_unix_ns = Some(12);
    store.update_run(&first).unwrap();
    assert!(matches!(store.update_run(&run("r3", 0)), Err(DurableError::UnknownRun { .. })));
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(reader.runs().unwrap(), [run("r2", 20), first.clone()]);
    assert_eq!(reader.run("r1").unwrap(), Some(first));

    store.put_document("target", "b", "1").unwrap();
    store.put_document("target", "a", "2").unwrap();
    store.put_document("target", "b", "3").unwrap();
    store.put_document("key", "b", "4").unwrap();
    let bodies = |kind| {
        let documents = reader.documents(kind).unwrap();
        documents.into_iter().map(|document| (document.id, document.body)).collect::<Vec<_>>()
    };
    let pair = |id: &str, body: &str| (id.to_owned(), body.to_owned());
    assert_eq!(bodies("target"), [pair("a", "2"), pair("b", "3")]);
    assert_eq!(reader.document("key", "b").unwrap().unwrap().body, "4");
    assert!(store.remove_document("key", "b").unwrap());
    assert!(!store.remove_document("key", "b").unwrap());
    assert_eq!(bodies("key"), []);
}

fn row(series: &str, resolution_s: u32, start_unix_s: u64, count: u64) -> RollupRow {
    let data = count.to_le_bytes().to_vec();
    RollupRow { series: series.to_owned(), resolution_s, start_unix_s, data }
}

fn number(data: &[u8]) -> u64 {
    u64::from_le_bytes(data.try_into().unwrap())
}

fn add(before: &[u8], new: &[u8]) -> Result<Vec<u8>, String> {
    Ok((number(before) + number(new)).to_le_bytes().to_vec())
}

#[test]
fn rollups_are_amended_and_cover_each_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, Some("r1"), 0..3);
    let count = |store: &Store| {
        let mut count = 0;
        let through = store.not_rolled_up(|_| count += 1).unwrap();
        (count, through)
    };
    let (new, through) = count(&store);
    assert_eq!(new, 3);
    let rows = [row("a", 1, 100, 2), row("a", 60, 60, 2), row("b", 1, 100, 1)];
    store.add_rollups(&rows, through, add).unwrap();
    append(&store, Some("r1"), 3..4);
    append(&store, Some("r2"), 4..5);

    // What is not rolled up yet stays in the log, and waits there for whoever opens the store next.
    let done = store.maintain(Retention::default()).unwrap();
    assert_eq!(done.sealed, 0);
    // A run is gone at once, for good, even so; what it added up to is not.
    assert_eq!(store.delete_run("r2").unwrap(), 1);
    let is_gone = |store: &Store| {
        let found = store.reader().records("r2", |_| Ok(()));
        matches!(found, Err(DurableError::UnknownRun { .. }))
    };
    assert!(is_gone(&store));
    drop(store);
    let store = open(folder.path());
    assert!(is_gone(&store));
    let (new, through) = count(&store);
    assert_eq!(new, 2);
    store.add_rollups(&[row("a", 1, 100, 1), row("a", 1, 101, 1)], through, add).unwrap();
    assert_eq!(count(&store).0, 0);
    assert_eq!(store.maintain(Retention::default()).unwrap().sealed, 4);
    assert!(is_gone(&store));

    let refused = store.add_rollups(&[row("a", 1, 100, 1)], through, |_, _| Err("no".to_owned()));
    assert!(matches!(refused, Err(DurableError::Rollup { .. })));
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(reader.series().unwrap(), ["a", "b"]);
    let second = RollupRange { resolution_s: 1, from_unix_s: 100, to_unix_s: 101, series: None };
    let points = |range| {
        let windows = |points: Vec<RollupPoint>| {
            points.iter().map(|point| (point.start_unix_s, number(&point.data))).collect()
        };
        let rollups = reader.rollups(range).unwrap();
        rollups
            .into_iter()
            .map(|(key, points)| (key, windows(points)))
            .collect::<Vec<(_, Vec<_>)>>()
    };
    let series = |key: &str, windows: &[(u64, u64)]| (key.to_owned(), windows.to_vec());
    assert_eq!(points(second), [series("a", &[(100, 3)]), series("b", &[(100, 1)])]);
    let only = ["a".to_owned(), "never seen".to_owned()];
    let wide = RollupRange { to_unix_s: 200, series: Some(&only), ..second };
    assert_eq!(points(wide), [series("a", &[(100, 3), (101, 1)])]);
    assert_eq!(store.forget_rollups(1, 101).unwrap(), 2);
    assert_eq!(points(wide), [series("a", &[(101, 1)])]);
    assert_eq!(
        points(RollupRange { resolution_s: 60, from_unix_s: 0, ..second }),
        [series("a", &[(60, 2)])]
    );
}
