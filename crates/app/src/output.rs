//! The program's two voices: data on standard output, talk on standard error.
#![expect(clippy::print_stderr, reason = "the one place that prints")]

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap_complete::Shell;

use crate::failure::{Exit, UserError};

/// Says something to the person, on standard error.
pub(crate) fn talk(message: &dyn Display) {
    eprintln!("{message}");
}

/// What becomes of notes: what a person may like to know and a script does not need, as which model
/// was chosen. Warnings and errors are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notes {
    /// They are told.
    Told,
    /// They are kept back.
    Kept,
}

impl Notes {
    /// Says `message`, unless notes are kept back.
    pub(crate) fn say(self, message: &dyn Display) {
        match self {
            Self::Told => talk(message),
            Self::Kept => {}
        }
    }
}

/// Writes data to standard output. A closed pipe is the reader's wish, not an error.
pub(crate) fn data(bytes: &[u8]) -> Result<(), UserError> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(UserError::new(Exit::File, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether standard output takes colour: a terminal, and `NO_COLOR` is not set.
pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && environment("NO_COLOR").is_none()
}

/// The width of the terminal on standard output, `None` where it is none.
pub(crate) fn width() -> Option<usize> {
    let given = environment("COLUMNS").and_then(|columns| columns.parse().ok());
    given.or_else(|| {
        let is_terminal = io::stdout().is_terminal();
        is_terminal
            .then(|| rustix::termios::tcgetwinsize(io::stdout()).ok())?
            .map(|size| usize::from(size.ws_col))
            .filter(|&columns| columns > 0)
    })
}

/// Whether a person watches standard error.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// A variable of the environment, `None` where it is unset or empty.
pub(crate) fn environment(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "app is the crate that reads the environment")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Prints what clap has to say: help and version on standard output, errors on standard error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render();
    let is_help = !error.use_stderr();
    match (is_help, colour()) {
        // Whoever closes the pipe has seen enough.
        (true, true) => drop(data(text.ansi().to_string().as_bytes())),
        (true, false) => drop(data(text.to_string().as_bytes())),
        (false, _) if is_watched() && environment("NO_COLOR").is_none() => {
            eprint!("{}", text.ansi());
        }
        (false, _) => eprint!("{text}"),
    }
    if is_help { Exit::Success.into() } else { Exit::Usage.into() }
}

/// Prints the completion script for `shell`.
pub(crate) fn completions(shell: Shell, command: &mut clap::Command) -> crate::Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "prony", &mut script);
    data(&script)?;
    Ok(Exit::Success)
}
