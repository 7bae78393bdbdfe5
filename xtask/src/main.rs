//! The project's own chores: `cargo xtask ci` runs what continuous integration runs, and
//! `cargo xtask tidy` checks the rules no compiler knows.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command of the terminal speaks through it"
)]

mod ci;
mod figures;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::bail;

const USAGE: &str = "usage: cargo xtask <command>

commands:
  ci       fmt, tidy, clippy, tests, docs and licences, as continuous integration runs them
  figures  what the client, the store and the live view cost and how soon they answer, measured here;
           `cargo xtask figures kept history` measures these alone
  tidy     layer edges, crate docs, file lengths, stray words, lock files, unused dependencies";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> anyhow::Result<()> {
    match arguments {
        ["ci"] => ci::run(),
        ["figures", wanted @ ..] => figures::run(wanted),
        ["tidy"] => tidy::run(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [] => bail!("no command given\n\n{USAGE}"),
        other => bail!("unknown command `{}`\n\n{USAGE}", other.join(" ")),
    }
}
