//! When the build makes the pages, with scripts in place of Node.js and npm.

#![allow(clippy::disallowed_methods, reason = "the build's own code works on files")]

#[path = "../build/pages.rs"]
mod pages;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use pages::{Made, Pages, Tools};
use tempfile::TempDir;

/// What npm does when all goes well: it says what it was asked, and makes what it should.
const NPM: &str = r#"echo "$@" >> asked
case $1 in
    ci) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
    run) mkdir -p dist && touch dist/index.html ;;
esac"#;

/// A folder like `dashboard`, all of whose sources are an hour old.
struct Folder {
    root: TempDir,
    tools: Tools,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let mut folder = Self { root, tools: Tools::default() };
        for source in ["package-lock.json", "src/main.ts"] {
            let path = folder.path(source);
            fs::create_dir_all(path.parent().expect("it has one")).expect("the folder is ours");
            fs::write(&path, "").expect("the folder is ours");
        }
        for source in ["package-lock.json", "src/main.ts", "src"] {
            folder.set_age(source, Duration::from_secs(3_600));
        }
        folder.tools.node = folder.program("node", "exit 0").into();
        folder.tools.npm = folder.program("npm", NPM).into();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn set_age(&self, name: &str, age: Duration) {
        let file = fs::File::open(self.path(name)).expect("the folder is ours");
        file.set_modified(SystemTime::now() - age).expect("the folder is ours");
    }

    fn program(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("the folder is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        path
    }

    fn make(&self) -> Made {
        Pages::new(self.root.path().to_owned()).make(&self.tools)
    }

    /// The first words of what npm was asked so far.
    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.path("asked")).unwrap_or_default();
        asked.lines().map(|line| line.split(' ').next().expect("a word").to_owned()).collect()
    }
}

#[test]
fn pages_are_made_once() {
    let folder = Folder::new();
    assert_eq!(folder.make(), Made::Whole);
    assert_eq!(folder.asked(), ["ci", "run"]);
    assert_eq!(folder.make(), Made::Whole);
    assert_eq!(folder.asked(), ["ci", "run"], "npm is left alone");
}

#[test]
fn changed_sources_are_built_again_without_an_installation() {
    let folder = Folder::new();
    folder.make();
    folder.set_age("dist/index.html", Duration::from_secs(1_800));
    fs::write(folder.path("src/new.ts"), "").unwrap();
    assert_eq!(folder.make(), Made::Whole);
    assert_eq!(folder.asked(), ["ci", "run", "run"]);
}

#[test]
fn other_packages_are_installed() {
    let folder = Folder::new();
    folder.make();
    for made in ["dist/index.html", "node_modules/.package-lock.json"] {
        folder.set_age(made, Duration::from_secs(7_200));
    }
    assert_eq!(folder.make(), Made::Whole);
    assert_eq!(folder.asked(), ["ci", "run", "ci", "run"]);
}

#[test]
fn offline_only_the_cache_is_asked() {
    let mut folder = Folder::new();
    folder.tools.is_offline = true;
    folder.make();
    let asked = fs::read_to_string(folder.path("asked")).unwrap();
    assert!(asked.lines().next().unwrap().ends_with(" --offline"), "{asked}");
}

#[test]
fn without_node_there_are_no_pages_and_a_reason() {
    let mut folder = Folder::new();
    folder.tools.node = "/nowhere/node".into();
    assert_eq!(folder.make(), Made::Nothing("node is not installed".to_owned()));
    assert!(folder.asked().is_empty());
}

#[test]
fn the_reason_is_what_npm_said_last() {
    let folder = Folder::new();
    folder.program("npm", "seq 20; echo; echo no such package >&2; exit 1");
    let Made::Nothing(reason) = folder.make() else { panic!("npm failed") };
    assert!(reason.starts_with("`npm ci --ignore-scripts` failed: 14\n"), "{reason}");
    assert!(reason.ends_with("20\nno such package"), "{reason}");
}

#[test]
fn old_pages_are_better_than_none() {
    let mut folder = Folder::new();
    folder.make();
    folder.set_age("dist/index.html", Duration::from_secs(7_200));
    folder.tools.node = folder.program("node", "echo too old >&2; exit 1").into();
    let reason = "`node build/node_version.js` failed: too old".to_owned();
    assert_eq!(folder.make(), Made::Outdated(reason));
}

#[test]
fn without_sources_there_are_no_pages() {
    let folder = Folder::new();
    fs::remove_file(folder.path("package-lock.json")).unwrap();
    let made = folder.make();
    assert!(
        matches!(&made, Made::Nothing(reason) if reason.starts_with("its sources")),
        "{made:?}"
    );
}
