//! The files of a run's folder: when they are written, and what is refused.

use std::path::Path;
use std::sync::Arc;

use analysis::Origin;
use domain::{Exchange, Timestamp};
use store::{Existing, Format, Recorder, StoreError, read_jsonl};

use crate::fixture::{anchor, failure, label, success};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[expect(clippy::disallowed_methods, reason = "the files are what is tested")]
fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn create(folder: &Path, formats: &[Format], existing: Existing) -> Result<Recorder, StoreError> {
    Recorder::create(folder, formats, existing, anchor())
}

#[test]
fn each_format_has_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    let mut recorder = create(&inner, &Format::ALL, Existing::Refuse).unwrap();
    let label = label(Origin::Planned);
    recorder.write(&success(), &label).unwrap();
    recorder.write(&failure(), &label).unwrap();
    recorder.write_summary(b"{}").unwrap();
    recorder.write_summary(b"{\"runs\":[]}").unwrap();
    let paths = recorder.finish().unwrap();

    let written: Vec<&str> =
        paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(written, ["requests.jsonl", "requests.csv", "requests.parquet"]);
    assert_eq!(
        names(&inner),
        ["requests.csv", "requests.jsonl", "requests.parquet", "summary.json"]
    );
    assert_eq!(read_jsonl(&read(&paths[0])).unwrap().len(), 2);
    // A header and two rows, one of which holds a line break in its message.
    assert_eq!(read(&paths[1]).iter().filter(|byte| **byte == b'\n').count(), 4);
    assert!(read(&paths[2]).ends_with(b"PAR1"));
    assert_eq!(read(inner.join("summary.json")), b"{\"runs\":[]}");
}

#[test]
fn lines_reach_the_file_whole_and_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("requests.jsonl");
    let mut recorder = create(folder.path(), &[Format::Jsonl], Existing::Refuse).unwrap();
    let lines = || read_jsonl(&read(&path)).unwrap().len();
    let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
    let label = label(Origin::Planned);

    recorder.tick(at(1_000)).unwrap();
    recorder.write(&success(), &label).unwrap();
    recorder.tick(at(1_249)).unwrap();
    assert_eq!(lines(), 0, "they wait for a quarter of a second");
    recorder.tick(at(1_250)).unwrap();
    assert_eq!(lines(), 1);
    for _ in 0..1_000 {
        recorder.write(&success(), &label).unwrap();
        assert!(read(&path).ends_with(b"\n"), "no line is cut");
    }
    assert!(lines() > 900, "much is written without waiting");
    drop(recorder);
    assert_eq!(lines(), 1_001, "dropped without an end, nothing is lost");
}

#[test]
fn results_are_never_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let record = |formats: &[Format], existing, exchange: &Exchange| {
        let mut recorder = create(folder.path(), formats, existing)?;
        recorder.write(exchange, &label(Origin::Planned))?;
        recorder.finish()
    };
    record(&[Format::Jsonl, Format::Csv], Existing::Refuse, &success()).unwrap();
    let before = read(folder.path().join("requests.jsonl"));

    let error = record(&[Format::Parquet], Existing::Refuse, &failure()).unwrap_err();
    assert!(matches!(&error, StoreError::Exists { path } if path.ends_with("requests.jsonl")));
    assert_eq!(error.hint(), "name another folder, or say that it is to be overwritten");
    assert_eq!(names(folder.path()), ["requests.csv", "requests.jsonl"]);
    assert_eq!(read(folder.path().join("requests.jsonl")), before);

    record(&[Format::Jsonl], Existing::Replace, &failure()).unwrap();
    assert_eq!(names(folder.path()), ["requests.jsonl"], "no file of the old run stays");
    assert_ne!(read(folder.path().join("requests.jsonl")), before);
}

#[test]
fn a_benchmark_that_came_to_nothing_leaves_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = create(folder.path(), &Format::ALL, Existing::Refuse).unwrap();
    assert_eq!(names(folder.path()).len(), 3);
    recorder.discard().unwrap();
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    drop(create(folder.path(), &[Format::Jsonl], Existing::Refuse).unwrap());
    std::fs::rename(folder.path().join("requests.jsonl"), &file).unwrap();
    let error = create(&file.join("results"), &[Format::Jsonl], Existing::Refuse).unwrap_err();
    assert!(matches!(error, StoreError::Create { .. }), "{error}");
    assert_eq!(error.hint(), "name a folder that you may write to");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_device_is_an_error_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join(".summary.json.part")).unwrap();
    let recorder = create(folder.path(), &[], Existing::Refuse).unwrap();
    let error = recorder.write_summary(&Arc::from(vec![b' '; 100])).unwrap_err();
    assert!(matches!(error, StoreError::Write { .. }), "{error}");
    assert!(error.hint().contains("space left"), "{}", error.hint());
}
