//! Gathers what the runs amount to, and publishes it: files, standard output.

use analysis::RunSummary;
use domain::WallAnchor;
use report::{Benchmark, ProcessUse, Run, Style, console, json};
use store::StoreError;

use super::Case;
use super::check::Bench;
use super::effective;
use super::files::Files;
use super::settings::{BenchSettings, OutputKind};
use super::subject::Ready;
use crate::failure::{Exit, UserError};
use crate::machine;
use crate::output::{self, Notes};

/// Columns where standard output is no terminal.
const WIDTH_DEFAULT: usize = 140;

/// A failure of the record's files, for the user.
pub(crate) fn store_error(error: &StoreError) -> UserError {
    let told = UserError::new(Exit::File, error.to_string());
    match error {
        StoreError::Exists { .. } => {
            told.hint("name another directory, or replace them with --overwrite")
        }
        StoreError::Create { .. } | StoreError::Write { .. } => told.hint(error.hint()),
    }
}

/// What one run amounts to.
pub(crate) struct Amount {
    pub(crate) summary: RunSummary,
    pub(crate) process: Option<ProcessUse>,
    /// Why it could not begin.
    pub(crate) error: Option<String>,
}

/// The results of a bench so far.
pub(crate) struct Results {
    benchmark: Benchmark,
    target: String,
    kind: OutputKind,
    notes: Notes,
}

impl Results {
    pub(crate) fn new(
        settings: &BenchSettings,
        bench: &Bench,
        ready: &Ready,
        anchor: WallAnchor,
    ) -> Self {
        let benchmark = Benchmark {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_nanos: anchor.unix_nanos(anchor.moment()),
            anchor,
            config: effective::config(settings, bench, ready),
            seed: bench.protocol.seed.0,
            machine: machine::read(),
            interrupted: false,
            runs: Vec::new(),
        };
        let target = ready.description.clone();
        let kind = settings.output.output.unwrap_or_default();
        Self { benchmark, target, kind, notes: bench.notes }
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, case: &Case<'_>, amount: Amount) {
        let Amount { summary, process, error } = amount;
        self.benchmark.runs.push(Run {
            target: self.target.clone(),
            model: case.model.clone(),
            scenario: case.prompts.name(),
            load: case.load.to_string(),
            summary,
            process,
            error,
        });
    }

    /// Prints the block of the run added last, where people read.
    pub(crate) fn show_last(&self) -> Result<(), UserError> {
        match (self.kind, self.benchmark.runs.last()) {
            (OutputKind::Human, Some(run)) => {
                print(|out, style| console::write_run(out, run, style))
            }
            (OutputKind::Human | OutputKind::Json, _) => Ok(()),
        }
    }

    /// The run added last, as it is told to programs.
    pub(crate) fn last(&self) -> Option<serde_json::Value> {
        self.benchmark.runs.last().map(|run| json::run(run, self.benchmark.anchor))
    }

    /// The settings that figures depend on.
    pub(crate) const fn config(&self) -> &serde_json::Value {
        &self.benchmark.config
    }

    /// Whether no run has been added.
    pub(crate) const fn is_empty(&self) -> bool {
        self.benchmark.runs.is_empty()
    }

    /// Writes the files to their end and prints the results, but for the blocks shown already.
    pub(crate) fn publish(
        mut self,
        files: Option<Files>,
        interrupted: bool,
    ) -> Result<(), UserError> {
        self.benchmark.interrupted = interrupted;
        let mut summary = Vec::new();
        json::write(&mut summary, &self.benchmark).map_err(|error| unwritten(&error))?;
        // Neither way bars the other: what was measured is told if either is left.
        let earlier_stay = files.as_ref().is_some_and(Files::are_waiting);
        let written = files.map_or(Ok(Vec::new()), |files| files.finish(&summary));
        let printed = match self.kind {
            OutputKind::Json => output::data(&summary),
            OutputKind::Human => {
                print(|out, style| console::write_end(out, &self.benchmark, style))
            }
        };
        let written = written.map_err(|error| store_error(&error))?;
        printed?;
        if earlier_stay {
            output::talk(&"warning: no request was sent: the earlier results stay as they are");
        }
        for path in written {
            self.notes.say(&format!("wrote {}", path.display()));
        }
        Ok(())
    }
}

/// Prints what `write` writes, as standard output takes it.
fn print(write: impl FnOnce(&mut Vec<u8>, Style) -> std::io::Result<()>) -> Result<(), UserError> {
    let style = Style { colour: output::colour(), width: output::width().unwrap_or(WIDTH_DEFAULT) };
    let mut text = Vec::new();
    write(&mut text, style).map_err(|error| unwritten(&error))?;
    output::data(&text)
}

fn unwritten(error: &std::io::Error) -> UserError {
    UserError::new(Exit::Other, format!("cannot put the results into words: {error}"))
}
