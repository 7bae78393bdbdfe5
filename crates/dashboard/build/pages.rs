//! When the pages are made: where there are none, or older ones than their sources, and there is a
//! Node.js that can make them. What fails here never fails the build.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::SystemTime;
use std::{error, io};

/// What the pages are made of.
const SOURCES: &[&str] = &[
    "build",
    "index.html",
    "package.json",
    "package-lock.json",
    "public",
    "src",
    "svelte.config.js",
    "vite.config.ts",
];
/// Installs what the lock file names: no script of a package is run, none is asked twice for long.
const INSTALL: &[&str] = &[
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--fetch-retries=1",
    "--fetch-timeout=20000",
];
/// How much of what a failed program said is passed on.
const LINES_TOLD: usize = 8;

/// The folder `dashboard`.
pub(crate) struct Pages(PathBuf);

/// The programs that make the pages.
pub(crate) struct Tools {
    pub(crate) node: OsString,
    pub(crate) npm: OsString,
    /// Whether packages may come only from npm's cache.
    pub(crate) is_offline: bool,
}

impl Default for Tools {
    fn default() -> Self {
        Self { node: "node".into(), npm: "npm".into(), is_offline: false }
    }
}

/// What there is to embed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// The pages of these sources.
    Whole,
    /// Pages of older sources, and why there are no newer ones.
    Outdated(String),
    /// No pages, and why.
    Nothing(String),
}

impl Pages {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Where the pages are made.
    pub(crate) fn dist(&self) -> PathBuf {
        self.0.join("dist")
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = PathBuf> {
        SOURCES.iter().map(|name| self.0.join(name))
    }

    /// Makes the pages if need be.
    pub(crate) fn make(&self, tools: &Tools) -> Made {
        // Held until the pages are made: two builds may run in one folder.
        let lock = File::open(self.lock_file()).and_then(|file| file.lock().map(|()| file));
        let made = match lock {
            Ok(_) if self.is_fresh() => Ok(()),
            Ok(_) => self.build(tools),
            Err(error) => Err(Failure::new("its sources cannot be read", error)),
        };
        match made {
            Ok(()) => Made::Whole,
            Err(Failure(reason)) if self.index().is_some() => Made::Outdated(reason),
            Err(Failure(reason)) => Made::Nothing(reason),
        }
    }

    fn lock_file(&self) -> PathBuf {
        self.0.join("package-lock.json")
    }

    /// When the pages were made.
    fn index(&self) -> Option<SystemTime> {
        modified(&self.dist().join("index.html"))
    }

    fn is_fresh(&self) -> bool {
        let newest = self.sources().filter_map(|source| newest(&source)).max();
        self.index() >= newest
    }

    fn build(&self, tools: &Tools) -> Result<(), Failure> {
        self.run(&tools.node, &["build/node_version.js"])?;
        let installed = modified(&self.0.join("node_modules/.package-lock.json"));
        if installed < modified(&self.lock_file()) {
            let offline: &[&str] = if tools.is_offline { &["--offline"] } else { &[] };
            self.run(&tools.npm, &[INSTALL, offline].concat())?;
        }
        self.run(&tools.npm, &["run", "build"])
    }

    /// Runs a program in the folder.
    fn run(&self, program: &OsString, arguments: &[&str]) -> Result<(), Failure> {
        let name = Path::new(program).file_name().unwrap_or(program).display();
        let output = Command::new(program).args(arguments).current_dir(&self.0).output();
        let output = output.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure(format!("{name} is not installed")),
            _ => Failure::new(&format!("{name} does not start"), error),
        })?;
        let said = [output.stdout, output.stderr].concat();
        check(output.status, &String::from_utf8_lossy(&said)).map_err(|reason| {
            Failure(format!(
                "`{name} {}` failed: {reason}",
                arguments[..2.min(arguments.len())].join(" ")
            ))
        })
    }
}

/// Passes on the end of what a program said when it failed.
fn check(status: ExitStatus, said: &str) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    Err(lines[lines.len().saturating_sub(LINES_TOLD)..].join("\n"))
}

/// Why pages were not made.
struct Failure(String);

impl Failure {
    fn new(what: &str, error: impl error::Error) -> Self {
        Self(format!("{what}: {error}"))
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|about| about.modified()).ok()
}

/// When something in the tree at `path` changed last.
fn newest(path: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| newest(&entry.path())).chain(modified(path)).max()
}
