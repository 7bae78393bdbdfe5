//! The writer is killed outright, again and again: what it acknowledged is there.
//!
//! And a device that is full: what is refused is not there, and may be handed in again.
//!
//! This test's own program is the writer, started as a child that runs one ignored test. It prints
//! the number of each batch once the store says that it is kept, and the parent kills it at some
//! moment.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Seed, SystemClock};
use store::durable::{Reader, Retention, Store, StoreSettings};

use crate::durable::{EAGER, append, open, try_append};

/// Tells the child where the store is.
const FOLDER: &str = "PRONY_TEST_STORE";
/// How many records go into a batch.
const BATCH: u64 = 50;
/// How many go into one where the device is full: so many that of the one that is refused a whole
/// frame still fits.
const LARGE_BATCH: u64 = 4_500;
/// How many batches a child writes at most.
const BATCHES_MAX: usize = 2_000;

#[test]
fn what_was_acknowledged_survives_five_kills() {
    survive(5);
}

#[test]
#[ignore = "takes minutes"]
fn what_was_acknowledged_survives_a_hundred_kills() {
    survive(100);
}

fn survive(rounds: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Seed(rounds).random();
    let mut acknowledged = 0;
    for round in 0..rounds {
        let wait = Duration::from_micros(random.below(60_000));
        acknowledged = acknowledged.max(write_and_kill(folder.path(), wait));
        // Read before the writer comes back, and after.
        check(&Reader::open(folder.path()).unwrap(), acknowledged * BATCH, round);
        let store = open(folder.path());
        check(store.reader(), acknowledged * BATCH, round);
    }
    assert!(acknowledged >= rounds, "hardly anything was written: {acknowledged} batches");
}

/// Every acknowledged record is there once, and no other but those that were on their way.
fn check(reader: &Reader, acknowledged: u64, round: u64) {
    let mut indices = Vec::new();
    let known = reader.records("kill", |record| {
        indices.push(record.exchange.id.index);
        Ok(())
    });
    // Where the first round ends before anything was kept there is no run.
    assert!(known.is_ok() || acknowledged == 0, "round {round}: {known:?}");
    indices.sort_unstable();
    let expected: Vec<u64> = (0..indices.len() as u64).collect();
    assert_eq!(indices, expected, "round {round}: a record is missing or there twice");
    assert!(indices.len() as u64 >= acknowledged, "round {round}: records were lost");
}

#[cfg(unix)]
#[test]
fn a_full_device_refuses_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // No file may grow beyond a mebibyte, and whoever tries is not killed but told.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "kill::writer_until_refused", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let refused = text.lines().find(|line| line.starts_with("refused")).unwrap();
    assert!(refused.contains("records were not kept: cannot write"), "{refused}");
    assert!(refused.contains("free some space"), "{refused}");

    let reader = Reader::open(folder.path()).unwrap();
    let kept = kept(&text) * LARGE_BATCH;
    check(&reader, kept, 0);
    let records = reader.records("kill", |_| Ok(())).unwrap();
    assert_eq!(records, kept, "something that was refused is there");
    let store = open(folder.path());
    store.maintain(Retention::default()).unwrap();
    check(store.reader(), kept, 1);
}

/// The child of a full device: writes until it is refused, and hands in the same batch again.
#[test]
#[ignore = "is started by the test above"]
fn writer_until_refused() {
    // Nothing but a failure closes a segment.
    let settings = StoreSettings { seal_interval: Duration::from_secs(3_600), ..EAGER };
    let (store, _) = Store::open(&folder_of_parent(), settings, Arc::new(SystemClock)).unwrap();
    for batch in 0.. {
        let range = batch * LARGE_BATCH..(batch + 1) * LARGE_BATCH;
        let refused = try_append(&store, Some("kill"), range.clone());
        if let Err(error) = &refused {
            println!("\nrefused: {error}; {}", error.hint());
            // What was written of it must not be taken for kept.
            store.maintain(Retention::default()).unwrap();
            append(&store, Some("kill"), range);
        }
        println!("\nkept {}", batch + 1);
        if refused.is_err() {
            return;
        }
    }
}

/// A child, killed when it is dropped.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Runs the writer until some time after its first word, and returns how many batches the store
/// acknowledged.
fn write_and_kill(folder: &Path, wait: Duration) -> u64 {
    let mut child = Writer(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::writer", "--ignored", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut output = BufReader::new(child.0.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("kept") && output.read_line(&mut text).unwrap() > 0 {}
    std::thread::sleep(wait);
    drop(child);
    output.read_to_string(&mut text).unwrap();
    // The last line may be cut short.
    kept(text.rfind('\n').map_or("", |end| &text[..end]))
}

/// How many batches a child says were kept.
fn kept(text: &str) -> u64 {
    let numbers = text.lines().filter_map(|line| line.strip_prefix("kept ")?.parse().ok());
    numbers.max().unwrap_or(0)
}

fn folder_of_parent() -> PathBuf {
    std::env::var_os(FOLDER).expect("only the tests above start this one").into()
}

/// The child: goes on where the store ends, batch after batch, and keeps it in shape meanwhile.
#[test]
#[ignore = "is killed by the test that starts it"]
fn writer() {
    let store = open(&folder_of_parent());
    let mut count = 0;
    // Where nothing was kept there is no run yet.
    let _ = store.reader().records("kill", |_| {
        count += 1;
        Ok(())
    });
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let now = Retention { grace: Duration::ZERO, ..Retention::default() };
            while !is_over.load(Ordering::Relaxed) {
                store.maintain(now).unwrap();
            }
        });
        // A parent that is gone kills nobody, so this ends by itself.
        for batch in (count / BATCH..).take(BATCHES_MAX) {
            append(&store, Some("kill"), count..(batch + 1) * BATCH);
            count = (batch + 1) * BATCH;
            // A line of its own, since the harness leaves its own one open.
            if writeln!(std::io::stdout(), "\nkept {}", batch + 1).is_err() {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
