//! The log under crashes, damage and devices that refuse.

use std::sync::Arc;

use analysis::Origin;
use domain::Exchange;
use proptest::collection::vec;
use proptest::prelude::*;

use super::replay::{Report, Segments, segment_path};
use super::*;
use crate::durable::provenance::{Provenance, StoredRecord};
use crate::{RunLabel, STORED_ANCHOR, fixture, generated};

const SETTINGS: LogSettings = LogSettings {
    commit_interval: Duration::from_millis(1),
    segment_bytes: 32 << 20,
    pending_bytes: 16 << 20,
};

fn provenance(run: &str) -> Provenance {
    let label = RunLabel { run: 1, load: Arc::from("concurrency=8"), origin: Origin::Started };
    let word = |text: &str| Arc::from(text);
    Provenance {
        run: (!run.is_empty()).then(|| word(run)),
        label,
        provider: word("vllm"),
        target_region: word("eu"),
        vantage_region: word(""),
        source: word("bench"),
    }
}

fn entry<'a>(provenance: &'a Provenance, exchange: &'a Exchange) -> Entry<'a> {
    Entry { provenance, exchange, anchor: STORED_ANCHOR }
}

fn numbered(index: u64) -> Exchange {
    let mut exchange = fixture::success();
    exchange.id.index = index;
    exchange
}

/// What the log in `folder` holds: each record with its sequence.
fn read(folder: &tempfile::TempDir) -> (Vec<(u64, StoredRecord)>, Report) {
    read_from(folder, 0)
}

fn read_from(folder: &tempfile::TempDir, from: u64) -> (Vec<(u64, StoredRecord)>, Report) {
    let mut records = Vec::new();
    let segments = Segments::list(folder.path(), 0).unwrap();
    let report = segments.read(from, |sequence, record| {
        records.push((sequence, record));
        Ok(())
    });
    (records, report.unwrap())
}

fn indices(folder: &tempfile::TempDir) -> Vec<u64> {
    read(folder).0.iter().map(|(_, record)| record.exchange.id.index).collect()
}

/// A log of one frame a record.
fn log_of(records: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), 0, 0, SETTINGS).unwrap();
    let provenance = provenance("r1");
    for index in 0..records {
        log.append([entry(&provenance, &numbered(index))]).unwrap();
    }
    drop(log);
    folder
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_appended_is_read_back(
        exchanges in vec(generated::exchange(), 1..20),
        labels in vec(generated::label(), 2),
        split in 0_usize..20,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), 0, 7, SETTINGS).unwrap();
        let provenances: Vec<Provenance> = labels
            .into_iter()
            .zip(["", "r1"])
            .map(|(label, run)| Provenance { label, ..provenance(run) })
            .collect();
        let entries: Vec<Entry<'_>> = exchanges
            .iter()
            .zip(provenances.iter().cycle())
            .map(|(exchange, provenance)| entry(provenance, exchange))
            .collect();
        let split = split.min(entries.len());
        log.append(entries[..split].iter().copied()).unwrap();
        let ticket = log.append(entries[split..].iter().copied()).unwrap();
        log.wait(ticket).unwrap();
        prop_assert_eq!(ticket.sequence(), 7 + entries.len() as u64);

        let (records, report) = read_from(&folder, 7);
        prop_assert_eq!(report, Report { next: ticket.sequence(), ..Report::default() });
        for ((place, entry), (sequence, record)) in entries.iter().enumerate().zip(&records) {
            prop_assert_eq!(*sequence, 7 + place as u64);
            prop_assert_eq!(&record.exchange, entry.exchange);
            prop_assert_eq!(&*record.provenance, entry.provenance);
        }
        prop_assert_eq!(records.len(), entries.len());
    }

    #[test]
    fn a_cut_loses_only_what_came_after_it(cut in any::<prop::sample::Index>()) {
        let folder = log_of(20);
        let path = segment_path(folder.path(), 1);
        let whole = std::fs::read(&path).unwrap();
        let cut = cut.index(whole.len());
        std::fs::write(&path, &whole[..cut]).unwrap();

        let (records, report) = read(&folder);
        let frame = (whole.len() - frame::SEGMENT_HEADER) / 20;
        let body = cut.saturating_sub(frame::SEGMENT_HEADER);
        let kept = body / frame;
        prop_assert_eq!(records.len(), kept);
        let torn = body - kept * frame;
        prop_assert_eq!(report.damage.iter().map(|damage| damage.bytes).sum::<u64>(), torn as u64);
        prop_assert!(report.damage.iter().all(|damage| damage.is_torn_tail));
        prop_assert_eq!(report.lost, 0);

        let aside = tempfile::tempdir().unwrap();
        Segments::cut_torn_tails(&report, aside.path()).unwrap();
        let (again, report) = read(&folder);
        prop_assert_eq!(again, records);
        prop_assert_eq!(report.damage, vec![]);
    }

    #[test]
    fn a_flipped_bit_loses_only_its_frame(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let folder = log_of(20);
        let path = segment_path(folder.path(), 1);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        std::fs::write(&path, &bytes).unwrap();

        let frame = (bytes.len() - frame::SEGMENT_HEADER) / 20;
        let spoilt = at.checked_sub(frame::SEGMENT_HEADER).map(|at| (at / frame) as u64);
        let expected: Vec<u64> = (0..20).filter(|index| Some(*index) != spoilt).collect();
        // A header that is damaged could also be one of a newer version, which is refused.
        prop_assert_eq!(indices(&folder), expected);
        let (_, report) = read(&folder);
        let is_last = spoilt == Some(19);
        prop_assert_eq!(report.lost, u64::from(spoilt.is_some() && !is_last));
        prop_assert_eq!(report.damage.len(), usize::from(spoilt.is_some()));
        prop_assert!(report.damage.iter().all(|damage| damage.is_torn_tail == is_last));
    }
}

#[test]
fn segments_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let settings = LogSettings { segment_bytes: 1, ..SETTINGS };
    let log = Log::open(folder.path(), 4, 10, settings).unwrap();
    let provenance = provenance("");
    for index in 0..3 {
        let ticket = log.append([entry(&provenance, &numbered(index))]).unwrap();
        log.wait(ticket).unwrap();
    }
    assert_eq!(log.closed(), 7);
    assert_eq!(log.close_segment().unwrap(), 7);
    assert_eq!(indices(&folder), [0, 1, 2]);
    let segments = Segments::list(folder.path(), 0).unwrap();
    assert_eq!(segments.iter().map(|segment| segment.number).collect::<Vec<_>>(), [5, 6, 7]);
}

#[test]
fn records_that_were_not_kept_are_void_and_may_be_appended_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("log");
    std::fs::create_dir(&folder).unwrap();
    let settings = LogSettings { segment_bytes: 1, ..SETTINGS };
    let log = Log::open(&folder, 0, 0, settings).unwrap();
    let provenance = provenance("");
    let append = |index| {
        let ticket = log.append([entry(&provenance, &numbered(index))]).unwrap();
        log.wait(ticket).map_err(|error| error.to_string().contains("were not kept"))
    };
    assert_eq!(append(0), Ok(()));
    // The device is gone for a while.
    std::fs::rename(&folder, parent.path().join("away")).unwrap();
    assert_eq!(append(1), Err(true));
    assert_eq!(append(2), Err(true));
    std::fs::rename(parent.path().join("away"), &folder).unwrap();
    assert_eq!(append(1), Ok(()));

    let mut read = Vec::new();
    let report = Segments::list(&folder, 0).unwrap().read(0, |sequence, record| {
        read.push((sequence, record.exchange.id.index));
        Ok(())
    });
    assert_eq!(read, [(0, 0), (3, 1)]);
    assert_eq!(report.unwrap(), Report { next: 4, ..Report::default() });
}

#[test]
fn what_a_failed_commit_left_behind_does_not_count() {
    let folder = log_of(3);
    // As if the last record's commit had failed after its frame was written.
    let header = frame::SegmentHeader { cut_from: 2, first: 3 };
    std::fs::write(segment_path(folder.path(), 2), header.to_bytes()).unwrap();
    assert_eq!(indices(&folder), [0, 1]);
    let (_, report) = read(&folder);
    assert_eq!(report, Report { next: 3, ..Report::default() });
}

#[test]
fn an_append_waits_for_room() {
    let folder = tempfile::tempdir().unwrap();
    let commit_interval = Duration::from_secs(3_600);
    let settings = LogSettings { pending_bytes: 1, commit_interval, ..SETTINGS };
    let log = Log::open(folder.path(), 0, 0, settings).unwrap();
    let provenance = provenance("");
    for index in 0..50 {
        log.append([entry(&provenance, &numbered(index))]).unwrap();
    }
    assert_eq!(log.held_back(), 49);
    drop(log);
    assert_eq!(indices(&folder), (0..50).collect::<Vec<_>>());
}
