//! Where a test works: a folder of its own, the program, and what the program leaves behind.
#![expect(clippy::disallowed_methods, reason = "tests look at the files the program wrote")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Program, Transcript};

const PRONY: &str = env!("CARGO_BIN_EXE_prony");
const ENVIRONMENT: [(&str, &str); 2] = [("NO_COLOR", "1"), ("RUST_BACKTRACE", "0")];

/// A folder to run `prony` in, deleted at the end.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("there is room for a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file on the desk.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).expect("the folder takes files");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// Runs `prony` with the words of `line` to its end.
    pub(crate) fn prony(&self, line: &str) -> Transcript {
        self.prony_in(&[], &words(line))
    }

    /// Runs `prony` with `arguments` and further variables in its environment.
    pub(crate) fn prony_in(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Transcript {
        let environment = [&ENVIRONMENT, variables].concat();
        Transcript::run(Path::new(PRONY), arguments, &environment, self.folder.path())
    }

    /// Runs a line of the shell in the desk's folder.
    pub(crate) fn shell(&self, line: &str) -> Transcript {
        Transcript::run(Path::new("/bin/sh"), &["-c", line], &ENVIRONMENT, self.folder.path())
    }

    /// Runs `prony` with the words of `line`, under a shell that first does `before`.
    pub(crate) fn prony_after(&self, before: &str, line: &str) -> Transcript {
        self.start_after(before, line).finish()
    }

    /// Starts it likewise; the shell becomes the program.
    pub(crate) fn start_after(&self, before: &str, line: &str) -> Program {
        let script = format!("{before} && exec '{PRONY}' {line}");
        let shell = Path::new("/bin/sh");
        Program::start(shell, &["-c", &script], &ENVIRONMENT, self.folder.path())
    }

    /// Starts it with a device mounted at `folder` that only it sees; `options` are those of a file
    /// system in memory, its size first.
    pub(crate) fn start_on_device(&self, folder: &str, options: &str, line: &str) -> Program {
        let path = self.path(folder);
        let mount = format!("mount -t tmpfs -o size={options} none '{}'", path.display());
        let script = format!("{mount} && exec '{PRONY}' {line}");
        let arguments = ["--mount", "--map-root-user", "sh", "-c", &script];
        Program::start(Path::new("unshare"), &arguments, &ENVIRONMENT, self.folder.path())
    }

    /// Starts `prony` with the words of `line`.
    pub(crate) fn start(&self, line: &str) -> Program {
        Program::start(Path::new(PRONY), &words(line), &ENVIRONMENT, self.folder.path())
    }

    /// Starts `prony sim` on a free port with the words of `line`.
    pub(crate) fn sim(&self, line: &str) -> Sim {
        self.sim_at("0", line)
    }

    /// The same, at a port.
    pub(crate) fn sim_at(&self, port: &str, line: &str) -> Sim {
        let program = self.start(&format!("sim --port {port} {line}"));
        let url = program.url();
        Sim { program, url }
    }

    /// The whole lines of a JSONL file; a last one without an end is left out, and none may be
    /// broken.
    pub(crate) fn lines(&self, name: &str) -> Vec<Value> {
        let text = self.read(name);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
            .collect()
    }

    /// The same, and nothing may follow the last line's end.
    pub(crate) fn whole_lines(&self, name: &str) -> Vec<Value> {
        let text = self.read(name);
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut: {text}");
        self.lines(name)
    }

    /// The log of a simulated server: its clock's distance from the wall clock, and its records by
    /// request.
    pub(crate) fn sim_log(&self, name: &str) -> (u64, BTreeMap<String, Value>) {
        let mut lines = self.whole_lines(name).into_iter();
        let header = lines.next().expect("a log has a header");
        let by_id = lines.map(|line| (text(&line["request_id"]).to_owned(), line)).collect();
        (integer(&header["unix_minus_monotonic_ns"]), by_id)
    }
}

/// A simulated model server at work.
pub(crate) struct Sim {
    program: Program,
    pub(crate) url: String,
}

impl Sim {
    /// Ends it, with its log written.
    pub(crate) fn stop(self) {
        self.program.interrupt();
        let end = self.program.finish();
        assert_eq!(end.code, Some(0), "{}", end.stderr);
    }
}

pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The summary that `--output json` prints.
pub(crate) fn printed(run: &Transcript) -> Value {
    serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", run.stdout, run.stderr))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

pub(crate) fn integer(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no whole number"))
}

pub(crate) fn integers(value: &Value) -> Vec<u64> {
    items(value).iter().map(integer).collect()
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}
