//! Gathers what the runs amount to, and publishes it: files, standard output.

use analysis::RunSummary;
use domain::WallAnchor;
use load::Load;
use report::{Benchmark, ProcessUse, Run, Style, console, json};
use serde_json::{Value, json};
use store::{Existing, Format, Recorder, StoreError};

use super::settings::{BenchSettings, OutputKind, OutputSettings, RecordFormat};
use super::subject::Ready;
use crate::failure::{Exit, UserError};
use crate::{machine, output};

/// Columns where standard output is no terminal.
const WIDTH_DEFAULT: usize = 120;

/// Opens the files that the settings ask for.
pub(crate) fn open_files(
    settings: &OutputSettings,
    anchor: WallAnchor,
) -> Result<Option<Recorder>, UserError> {
    let Some(folder) = &settings.output_dir else { return Ok(None) };
    let mut formats = vec![Format::Jsonl];
    for format in &settings.format {
        match format {
            RecordFormat::Jsonl => {}
            RecordFormat::Csv => formats.push(Format::Csv),
            RecordFormat::Parquet => formats.push(Format::Parquet),
        }
    }
    let existing = if settings.overwrite { Existing::Replace } else { Existing::Refuse };
    Recorder::create(folder, &formats, existing, anchor).map(Some).map_err(|e| store_error(&e))
}

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

/// The results of a bench so far.
pub(crate) struct Results {
    benchmark: Benchmark,
    target: String,
    kind: OutputKind,
}

impl Results {
    pub(crate) fn new(settings: &BenchSettings, ready: &Ready, anchor: WallAnchor) -> Self {
        let benchmark = Benchmark {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_nanos: anchor.unix_nanos(anchor.moment()),
            anchor,
            config: effective(settings, ready),
            seed: settings.load.seed.unwrap_or(0),
            machine: machine::read(),
            interrupted: false,
            runs: Vec::new(),
        };
        let target = ready.description.clone();
        Self { benchmark, target, kind: settings.output.output.unwrap_or_default() }
    }

    /// Adds a run.
    pub(crate) fn add(
        &mut self,
        model: &str,
        scenario: &str,
        load: &Load,
        summary: RunSummary,
        process: Option<ProcessUse>,
    ) {
        self.benchmark.runs.push(Run {
            target: self.target.clone(),
            model: model.to_owned(),
            scenario: scenario.to_string(),
            load: load.to_string(),
            summary,
            process,
        });
    }

    /// Writes the files to their end and prints the results.
    pub(crate) fn publish(
        mut self,
        files: Option<Recorder>,
        interrupted: bool,
    ) -> Result<(), UserError> {
        self.benchmark.interrupted = interrupted;
        let mut summary = Vec::new();
        json::write(&mut summary, &self.benchmark).map_err(|error| unwritten(&error))?;
        let mut written = Vec::new();
        if let Some(files) = files {
            written.push(files.write_summary(&summary).map_err(|error| store_error(&error))?);
            written.extend(files.finish().map_err(|error| store_error(&error))?);
        }
        match self.kind {
            OutputKind::Json => output::data(&summary)?,
            OutputKind::Human => {
                let style = Style {
                    colour: output::colour(),
                    width: output::width().unwrap_or(WIDTH_DEFAULT),
                };
                let mut text = Vec::new();
                console::write(&mut text, &self.benchmark, style)
                    .map_err(|error| unwritten(&error))?;
                output::data(&text)?;
            }
        }
        for path in written {
            output::talk(&format!("wrote {}", path.display()));
        }
        Ok(())
    }
}

fn unwritten(error: &std::io::Error) -> UserError {
    UserError::new(Exit::Other, format!("cannot put the results into words: {error}"))
}

/// The settings in force, as far as they are no secret: headers and bodies by name alone.
fn effective(settings: &BenchSettings, ready: &Ready) -> Value {
    let BenchSettings { target, load, workload, output, config: _ } = settings;
    let headers: Vec<&str> = target.header.iter().map(|header| header.name.as_str()).collect();
    json!({
        "target": ready.description,
        "models": ready.names,
        "stream": !target.no_stream,
        "http2": target.http2,
        "streams_max": target.streams_max,
        "headers": headers,
        "extra_body": target.extra_body.is_some(),
        "retries": target.retries.unwrap_or(0),
        "ramp_up_ms": load.ramp_up.map_or(0, |ramp| ramp.0.as_millis() as u64),
        "num_prompts": load.num_prompts,
        "duration_ms": load.duration.map(|duration| duration.0.as_millis() as u64),
        "requests_per_user": load.requests_per_user,
        "think_time_ms": load.think_time.map_or(0, |think| think.0.as_millis() as u64),
        "burstiness": load.burstiness,
        "warmup": load.warmup.unwrap_or(0),
        "cold_connections": load.cold_connections,
        "client_threads": load.client_threads.unwrap_or(1),
        "scenarios": workload.scenario.as_ref().map(|names| names.0.clone()),
        "dataset": workload.dataset.as_ref().map(|path| path.display().to_string()),
        "input_len": workload.input_len,
        "output_len": workload.output_len,
        "prefix_len": workload.prefix_len,
        "max_tokens": workload.max_tokens,
        "ignore_eos": workload.ignore_eos,
        "tokenizer": workload.tokenizer,
        "temperature": workload.temperature,
        "top_p": workload.top_p,
        "convention": output.convention.map(|convention| format!("{convention:?}").to_lowercase()),
    })
}
