//! Runs a command in a clean environment and writes down what it did, for snapshots.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use regex_lite::Regex;

use crate::Program;

/// What changes from run to run, and what stands for it in a snapshot. Earlier patterns win.
pub const FILTERS: &[(&str, &str)] = &[
    (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
    (r"\r\n?", "\n"),
    (r"\b127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
    (r"\blocalhost:\d+", "localhost:[port]"),
    (r"\[::1\]:\d+", "[::1]:[port]"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", "[time]"),
    (r"\b[0-9a-f]{16}-\d+\b", "[request id]"),
    (r"\bprony(/| )\d+\.\d+\.\d+[-+.0-9A-Za-z]*", "prony${1}[version]"),
    (r"\b\d+(\.\d+)? ?(ns|us|µs|ms|s|min|h)\b", "[duration]"),
    (r"/tmp/[-._0-9A-Za-z/]+", "[temporary]"),
    (r"[ \t]+(\n|$)", "$1"),
];

/// `text` with durations, ports, versions, times, temporary paths, colours and trailing blanks
/// replaced, as [`FILTERS`] says.
#[must_use]
pub fn redact(text: &str) -> String {
    replace(text, FILTERS)
}

fn replace(text: &str, filters: &[(&str, &str)]) -> String {
    filters.iter().fold(text.to_owned(), |text, (pattern, replacement)| {
        let pattern = Regex::new(pattern).expect("the table holds valid patterns");
        pattern.replace_all(&text, *replacement).into_owned()
    })
}

/// What a finished command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The command line, with the program's file name alone.
    pub command: String,
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Transcript {
    /// Runs `program` in `folder` with nothing in its environment but `PATH`, `HOME` (the folder)
    /// and `environment`, and waits for its end.
    ///
    /// # Panics
    /// Where the program cannot be started, or does not end within two minutes.
    #[must_use]
    pub fn run<S: AsRef<OsStr>>(
        program: &Path,
        arguments: &[S],
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> Self {
        Program::start(program, arguments, environment, folder).finish()
    }

    /// The whole run as one redacted text: command, stdout, stderr (each line after `! `), and the
    /// exit code.
    #[must_use]
    pub fn redacted(&self) -> String {
        redact(&self.whole())
    }

    /// As [`Transcript::redacted`], after `filters` of the caller's own have been applied.
    #[must_use]
    pub fn redacted_with(&self, filters: &[(&str, &str)]) -> String {
        redact(&replace(&self.whole(), filters))
    }

    fn whole(&self) -> String {
        let mut text = format!("$ {}\n{}", self.command, self.stdout);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        for line in self.stderr.lines() {
            text.push_str("! ");
            text.push_str(line);
            text.push('\n');
        }
        match self.code {
            Some(code) => text.push_str(&format!("exit code {code}\n")),
            None => text.push_str("ended by a signal\n"),
        }
        text
    }
}

/// `program` with nothing in its environment but `PATH`, `HOME` (the folder) and `environment`.
pub(crate) fn clean_command<S: AsRef<OsStr>>(
    program: &Path,
    arguments: &[S],
    environment: &[(&str, &str)],
    folder: &Path,
) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder)
        .envs(environment.iter().copied());
    command
}

/// A command line as a person would type it, the program by its file name alone.
pub(crate) fn spoken<S: AsRef<OsStr>>(program: &Path, arguments: &[S]) -> String {
    let mut line = program.file_name().expect("a program is a file").to_string_lossy().into_owned();
    for argument in arguments {
        let argument = argument.as_ref().to_string_lossy();
        write!(line, " {argument}").expect("writing to a string cannot fail");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_from_run_to_run_is_replaced() {
        for (text, want) in [
            ("took 12.5 ms, then 3s  \nend", "took [duration], then [duration]\nend"),
            ("http://127.0.0.1:40123/v1", "http://127.0.0.1:[port]/v1"),
            ("prony 0.1.0 and prony/0.2.0-rc.1", "prony [version] and prony/[version]"),
            ("\x1b[1;31merror\x1b[0m: at 2026-01-02T03:04:05.678Z", "error: at [time]"),
            ("id 00000000000000ff-12", "id [request id]"),
            ("p50 12 of 100 tokens/s", "p50 12 of 100 tokens/s"),
        ] {
            assert_eq!(redact(text), want);
        }
    }

    #[test]
    fn a_transcript_holds_both_streams_and_the_code() {
        let arguments = ["-c", "echo out; echo err 5ms >&2; echo ${SECRET-unset}; exit 3"];
        let run = Transcript::run(Path::new("/bin/sh"), &arguments, &[], &std::env::temp_dir());
        assert_eq!(run.code, Some(3));
        assert!(
            run.redacted().ends_with("\nout\nunset\n! err [duration]\nexit code 3\n"),
            "{}",
            run.redacted()
        );
    }
}
