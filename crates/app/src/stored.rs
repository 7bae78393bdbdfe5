//! What a store holds, on the command line: `prony runs`, `prony query` and `prony export`.
//!
//! All of them read beside a server that writes to the same store; only deleting a run needs the
//! store for itself.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::Archive;
use clap::{Args, Subcommand, ValueEnum};
use domain::{RequestId, SystemClock};
use serde_json::Value;
use store::Format;
use store::durable::{
    AnswerFormat, DurableError, QueryLimits, Reader, Run, RunStatus, StoreSettings as Writing,
};

use crate::bench::settings::RecordFormat;
use crate::failure::{Exit, UserError};
use crate::settings_file::Settings;
use crate::{Outcome, output};

/// The configuration where none is named.
const FILE_DEFAULT: &str = "prony.toml";
/// The store where no configuration names one.
const STORE_DEFAULT: &str = "prony-data";

/// Which store is meant.
#[derive(Args, Clone, Debug)]
pub(crate) struct StoreChoice {
    /// The store's folder [default: the configuration's]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    store: Option<PathBuf>,
    /// The configuration that names the store [default: prony.toml; where there is none,
    /// prony-data is the store]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl StoreChoice {
    fn folder(&self) -> Result<PathBuf, UserError> {
        if let Some(folder) = &self.store {
            return Ok(folder.clone());
        }
        match &self.config {
            Some(file) => Settings::store_folder(file),
            None => usual_folder(),
        }
    }

    fn reader(&self) -> Result<Reader, UserError> {
        Reader::open(&self.folder()?).map_err(|error| store_error(&error))
    }
}

/// The store where nobody names one.
pub(crate) fn usual_folder() -> Result<PathBuf, UserError> {
    let here = Path::new(FILE_DEFAULT);
    if here.is_file() { Settings::store_folder(here) } else { Ok(PathBuf::from(STORE_DEFAULT)) }
}

/// A failure of the store, for the user.
pub(crate) fn store_error(error: &DurableError) -> UserError {
    let exit = match error {
        DurableError::UnknownRun { .. } | DurableError::Query { .. } => Exit::Usage,
        _ => Exit::File,
    };
    UserError::new(exit, error.to_string()).hint(error.hint())
}

/// Jobs about the runs that are kept.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List the runs, the newest first
    List {
        #[command(flatten)]
        choice: StoreChoice,
        /// Print a line of JSON for each instead
        #[arg(long)]
        json: bool,
    },
    /// Show what a run was asked and what it came to
    Show {
        /// The run's id
        id: String,
        #[command(flatten)]
        choice: StoreChoice,
        /// Print all of it as JSON instead
        #[arg(long)]
        json: bool,
    },
    /// Print what a run asked and was answered, as JSON Lines, where that was asked to be kept
    Content {
        /// The run's id
        id: String,
        /// One request of it, by its id in the records
        #[arg(long, value_name = "REQUEST")]
        request: Option<RequestId>,
        #[command(flatten)]
        choice: StoreChoice,
    },
    /// Delete a run and all its records
    Delete {
        /// The run's id
        id: String,
        #[command(flatten)]
        choice: StoreChoice,
    },
}

/// Does one of them.
pub(crate) fn runs(command: &RunsCommand) -> Outcome {
    match command {
        RunsCommand::List { choice, json } => list(&choice.reader()?, *json),
        RunsCommand::Show { id, choice, json } => show(&choice.reader()?, id, *json),
        RunsCommand::Content { id, request, choice } => content(&choice.reader()?, id, *request),
        RunsCommand::Delete { id, choice } => delete(&choice.folder()?, id),
    }
}

fn list(reader: &Reader, json: bool) -> Outcome {
    let mut runs = reader.runs().map_err(|error| store_error(&error))?;
    runs.iter_mut().for_each(|run| note_death(run, reader));
    if json {
        let lines: String = runs.iter().map(|run| format!("{}\n", told(run))).collect();
        output::data(lines.as_bytes())?;
        return Ok(Exit::Success);
    }
    if runs.is_empty() {
        output::talk(&"there are no runs yet");
    }
    let mut rows = vec![["id", "status", "created", "name"].map(str::to_owned)];
    rows.extend(runs.iter().map(|run| {
        let created = dialect::date::to_rfc3339(run.created_unix_ns / 1_000_000_000);
        [run.id.clone(), run.status.as_str().to_owned(), created, run.name.clone()]
    }));
    if rows.len() > 1 {
        output::data(aligned(&rows).as_bytes())?;
    }
    Ok(Exit::Success)
}

/// A run whose process died says that it runs until the store is opened to write again.
fn note_death(run: &mut Run, reader: &Reader) {
    if run.status == RunStatus::Running && !reader.has_writer() {
        run.status = RunStatus::Interrupted;
    }
}

/// What tells the runs of a bench apart.
const NAMES: [&str; 4] = ["target", "model", "scenario", "load"];

/// The figures that a run is shown with: their headings, and their names in its results.
const FIGURES: [(&str, &str); 9] = [
    ("ok", "completed"),
    ("failed", "failed"),
    ("req/s", "request_throughput"),
    ("tok/s", "output_throughput"),
    ("ttft p50", "median_ttft_ms"),
    ("ttft p99", "p99_ttft_ms"),
    ("tpot p50", "median_tpot_ms"),
    ("e2e p50", "median_e2el_ms"),
    ("e2e p99", "p99_e2el_ms"),
];

fn show(reader: &Reader, id: &str, json: bool) -> Outcome {
    let run = reader.run(id).map_err(|error| store_error(&error))?;
    let mut run =
        run.ok_or_else(|| store_error(&DurableError::UnknownRun { id: id.to_owned() }))?;
    note_death(&mut run, reader);
    if json {
        output::data(format!("{:#}\n", told(&run)).as_bytes())?;
        return Ok(Exit::Success);
    }
    let mut text = format!("{} · {} · {}\n", run.id, run.status.as_str(), run.name);
    let _ = writeln!(text, "asked  {}", run.request);
    let cases = cases(&run);
    let headings = NAMES.into_iter().chain(FIGURES.map(|(head, _)| head));
    let mut rows = vec![headings.map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(cases.iter().map(|case| {
        NAMES
            .into_iter()
            .chain(FIGURES.map(|(_, name)| name))
            .map(|name| cell(&case[name]))
            .collect()
    }));
    if cases.is_empty() {
        text.push_str("nothing was measured to its end; `prony query` has its requests\n");
    } else {
        text.push_str("latencies in milliseconds\n");
        text.push_str(&aligned(&rows));
    }
    for case in &cases {
        // Which one it is, where there are several.
        let names = NAMES.map(|name| cell(&case[name])).join(" · ");
        let of = if cases.len() > 1 { format!("{names}: ") } else { String::new() };
        for doubt in case["verdict"]["doubts"].as_array().into_iter().flatten() {
            let _ = writeln!(text, "doubt  {of}{}", cell(&doubt["message"]));
        }
    }
    output::data(text.as_bytes())?;
    Ok(Exit::Success)
}

fn content(reader: &Reader, id: &str, request: Option<RequestId>) -> Outcome {
    let known = reader.run(id).map_err(|error| store_error(&error))?;
    known.ok_or_else(|| store_error(&DurableError::UnknownRun { id: id.to_owned() }))?;
    let mut out = BufWriter::new(io::stdout());
    let written = reader.contents(id, request, |content| {
        out.write_all(content.line().as_bytes()).map_err(DurableError::Output)
    });
    match written.and_then(|count| out.flush().map(|()| count).map_err(DurableError::Output)) {
        Ok(0) => output::talk(
            &"nothing of it is kept: prompts and answers are only where --store-content or [store] \
              content asks for them, and for a time",
        ),
        // A closed pipe is the reader's wish.
        Err(DurableError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => return Err(store_error(&error)),
        Ok(_) => {}
    }
    Ok(Exit::Success)
}

fn delete(folder: &Path, id: &str) -> Outcome {
    // Opening it to write would make a store where there is none.
    Reader::open(folder).map_err(|error| store_error(&error))?;
    let opened = Archive::open(folder, Writing::default(), Arc::new(SystemClock));
    let (archive, _) = opened.map_err(|error| match error {
        DurableError::Locked { .. } => UserError::new(Exit::File, error.to_string())
            .hint("delete it in the dashboard or through the API of the server that runs"),
        error => store_error(&error),
    })?;
    let records = archive.delete_run(id).map_err(|error| store_error(&error))?;
    output::talk(&format!("deleted {id} and its {records} records"));
    Ok(Exit::Success)
}

/// All that is known of a run.
fn told(run: &Run) -> Value {
    serde_json::json!({
        "id": run.id,
        "name": run.name,
        "status": run.status.as_str(),
        "labels": run.labels,
        "created_unix_ns": run.created_unix_ns,
        "started_unix_ns": run.started_unix_ns,
        "finished_unix_ns": run.finished_unix_ns,
        "request": serde_json::from_str::<Value>(&run.request).unwrap_or_default(),
        "runs": cases(run),
    })
}

fn cases(run: &Run) -> Vec<Value> {
    run.summary.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.1}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

/// Rows with their cells below each other.
fn aligned<Row: AsRef<[String]>>(rows: &[Row]) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |place: usize| {
        rows.iter().map(|row| row.as_ref()[place].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.as_ref().iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum QueryFormat {
    Table,
    Csv,
    Jsonl,
}

/// Settings of `prony query`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  prony query 'SELECT model, count(*) AS requests FROM requests GROUP BY model'
  prony query --format csv 'SELECT run_id, name, status FROM runs'
  prony query 'SELECT approx_percentile_cont(ttft_ms, 0.99) AS p99 FROM requests WHERE error_kind IS NULL'

Tables: `requests`, with the columns of `prony export` and where each comes from; `runs`.
Their columns: SELECT table_name, column_name, data_type FROM information_schema.columns")]
pub(crate) struct QuerySettings {
    /// The question, in SQL
    sql: String,
    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: QueryFormat,
    /// The most rows to answer with
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    limit: usize,
    #[command(flatten)]
    choice: StoreChoice,
}

/// Answers a question.
pub(crate) fn query(settings: &QuerySettings) -> Outcome {
    let reader = settings.choice.reader()?;
    let limits = QueryLimits { rows: settings.limit, ..QueryLimits::default() };
    let answer = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| UserError::new(Exit::Other, format!("cannot start a runtime: {error}")))?
        .block_on(reader.query(&settings.sql, limits))
        .map_err(|error| store_error(&error))?;
    let format = match settings.format {
        QueryFormat::Table => AnswerFormat::Table,
        QueryFormat::Csv => AnswerFormat::Csv,
        QueryFormat::Jsonl => AnswerFormat::Jsonl,
    };
    let mut text = Vec::new();
    answer.write(format, &mut text).map_err(|error| store_error(&error))?;
    output::data(&text)?;
    if answer.is_cut {
        let rows = answer.rows();
        output::talk(&format!("warning: only the first {rows} rows; --limit takes more"));
    }
    for file in &answer.left_out {
        output::talk(&format!(
            "warning: {} is damaged, and its records are not in the answer",
            file.display()
        ));
    }
    Ok(Exit::Success)
}

/// Settings of `prony export`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  prony export --run 18867251edfa0000 --format parquet --output run.parquet
  prony export --run 18867251edfa0000 --format csv | head")]
pub(crate) struct ExportSettings {
    /// The run's id, as `prony runs list` shows it
    #[arg(long, value_name = "ID")]
    run: String,
    /// The format of the records
    #[arg(long, value_enum, default_value = "jsonl")]
    format: RecordFormat,
    /// The file to write; an existing one is refused [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    choice: StoreChoice,
}

/// Writes a run's records.
pub(crate) fn export(settings: &ExportSettings) -> Outcome {
    let reader = settings.choice.reader()?;
    let format = match settings.format {
        RecordFormat::Jsonl => Format::Jsonl,
        RecordFormat::Csv => Format::Csv,
        RecordFormat::Parquet => Format::Parquet,
    };
    let Some(path) = &settings.output else {
        let mut out = BufWriter::new(io::stdout());
        let written = reader.export(&settings.run, format, &mut out);
        return match written.and_then(|_| out.flush().map_err(DurableError::Output)) {
            // A closed pipe is the reader's wish.
            Err(DurableError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(Exit::Success)
            }
            Err(error) => Err(store_error(&error)),
            Ok(()) => Ok(Exit::Success),
        };
    };
    let unwritable = |error: io::Error| {
        UserError::new(Exit::File, format!("cannot write {}: {error}", path.display()))
            .hint("name a file that is not there yet, in a folder that can be written")
    };
    // Before the file is made, so that a wrong id leaves none.
    let known = reader.run(&settings.run).map_err(|error| store_error(&error))?;
    known.ok_or_else(|| store_error(&DurableError::UnknownRun { id: settings.run.clone() }))?;
    let mut out = BufWriter::new(File::create_new(path).map_err(unwritable)?);
    let records =
        reader.export(&settings.run, format, &mut out).map_err(|error| store_error(&error))?;
    out.flush().map_err(unwritable)?;
    output::talk(&format!("wrote {records} records to {}", path.display()));
    Ok(Exit::Success)
}
