//! The result as text: a block a run, a table over all runs, and what to doubt about them.

use std::io::{self, Write};

use crate::{Benchmark, Run, block, table, warning};

/// How the text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour. Whoever asks has seen to `NO_COLOR` and whether there is a terminal.
    pub colour: bool,
    /// How many columns there are. The table leaves columns out below what it would like.
    pub width: usize,
}

/// What a piece of text says by its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Strong,
    Quiet,
    Good,
    Doubtful,
    Bad,
}

impl Style {
    /// `text` in its tone; the same text where there is no colour.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Strong => "1",
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Doubtful => "1;33",
            Tone::Bad => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Writes one run's block, as soon as it has ended.
///
/// # Errors
/// What `out` refused.
pub fn write_run(out: &mut dyn Write, run: &Run, style: Style) -> io::Result<()> {
    block::write(out, run, style)?;
    writeln!(out)
}

/// Writes what follows the blocks of all runs: the table where there are several, the warnings.
///
/// # Errors
/// What `out` refused.
pub fn write_end(out: &mut dyn Write, benchmark: &Benchmark, style: Style) -> io::Result<()> {
    if benchmark.runs.len() > 1 {
        table::write(out, &benchmark.runs, style)?;
        writeln!(out)?;
    }
    let is_broken_off = benchmark.runs.iter().any(|run| run.error.is_some());
    let early = match (is_broken_off, benchmark.interrupted) {
        (true, _) => Some((
            "ended early: a run could not begin, and none was tried after it",
            "the error says why; the figures are of the runs before it",
        )),
        (false, true) => Some((
            "stopped before the plan was done",
            "the figures are of what was measured until then",
        )),
        (false, false) => None,
    };
    if let Some((what, help)) = early {
        let warning = style.paint(Tone::Doubtful, "warning:");
        writeln!(out, "{warning} {what}\n  help: {help}")?;
    }
    warning::write(out, &benchmark.runs, style)
}
