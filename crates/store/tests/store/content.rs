//! What requests asked and were answered: apart from the records, for its own time, for its owner.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::{RequestId, SystemClock};
use store::Content;
use store::content::{Called, Said};
use store::durable::{Reader, Retention, Store, StoreSettings};

const DAY: Duration = Duration::from_secs(86_400);

fn open(folder: &Path) -> Store {
    Store::open(folder, StoreSettings::default(), Arc::new(SystemClock)).unwrap().0
}

fn content(index: u64, prompt: &str) -> Content {
    Content {
        id: RequestId { run: u64::MAX - 1, index },
        prompt: vec![Said { role: Some("user".to_owned()), content: prompt.to_owned() }],
        answer: format!("answer to {prompt}"),
        reasoning: String::new(),
        tool_calls: vec![Called { name: "look".to_owned(), arguments: "{}".to_owned() }],
        is_cut: index == 1,
    }
}

fn kept(reader: &Reader, run: &str, request: Option<RequestId>) -> Vec<Content> {
    let mut found = Vec::new();
    let take = |content| {
        found.push(content);
        Ok(())
    };
    reader.contents(run, request, take).unwrap();
    found
}

/// The files of the store in which a text stands.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|at| at == text.as_bytes())
        {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

#[test]
fn content_is_read_back_by_run_and_request() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(kept(store.reader(), "r1", None).is_empty());
    assert!(!folder.path().join("content.db").exists(), "nobody asked for it");
    let (one, two, three) = (content(0, "a"), content(1, "b"), content(0, "c"));
    store.keep_content([("r1", &two), ("r2", &three), ("r1", &one)], DAY).unwrap();
    assert_eq!(kept(store.reader(), "r1", None), [one, two.clone()]);
    assert_eq!(kept(store.reader(), "r1", Some(two.id)), [two]);
    assert!(kept(store.reader(), "r3", None).is_empty());
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("content.db") {
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        }
    }
}

#[test]
fn a_content_that_was_kept_long_enough_is_nowhere_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let marked = content(0, "zebra crossing");
    store.keep_content([("r1", &marked)], Duration::ZERO).unwrap();
    store.keep_content([("r1", &content(1, "b"))], 2 * DAY).unwrap();
    assert!(!files_with(folder.path(), "zebra").is_empty());
    assert_eq!(store.maintain(Retention::default()).unwrap().forgotten, 1);
    assert_eq!(files_with(folder.path(), "zebra"), Vec::<String>::new());
    assert_eq!(kept(store.reader(), "r1", None).len(), 1);
    // The configuration now keeps less than was said when it was stored.
    let long = Retention { content: Some(DAY), ..Retention::default() };
    assert_eq!(store.maintain(long).unwrap().forgotten, 0);
    let short = Retention { content: Some(Duration::ZERO), ..Retention::default() };
    assert_eq!(store.maintain(short).unwrap().forgotten, 1);
}

#[test]
fn a_deleted_run_takes_its_content_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.create_run(&crate::durable::run("r1", 1)).unwrap();
    store.keep_content([("r1", &content(0, "zebra")), ("r2", &content(0, "b"))], DAY).unwrap();
    drop(store);
    // Another process deletes it.
    let store = open(folder.path());
    store.delete_run("r1").unwrap();
    assert_eq!(files_with(folder.path(), "zebra"), Vec::<String>::new());
    assert_eq!(kept(store.reader(), "r2", None).len(), 1);
}
