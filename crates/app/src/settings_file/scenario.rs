//! Sources of prompts beside the named scenarios: files, and prompts of exact lengths.

use std::fmt;
use std::sync::Arc;

use domain::Tokenizer;
use load::workload::{Dataset, Scenario, Synthetic};

use super::reader::Table;
use crate::bench::workload::tokenizer;

/// `[scenarios.NAME]`
pub(super) struct ScenarioSettings {
    name: String,
    description: String,
    source: Source,
    tokenizer: Option<Arc<dyn Tokenizer>>,
}

#[derive(Debug)]
enum Source {
    Dataset(Dataset),
    Synthetic(Synthetic),
}

impl ScenarioSettings {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        if table.name.parse::<Scenario>().is_ok() {
            table.refuse("", "is one of the named scenarios", "give yours another name");
        }
        let source = source(&mut table);
        let description = table.text("description").unwrap_or_default();
        let opened = table.text("tokenizer").map(|name| match table.path("tokenizer") {
            // A file counts from the configuration's folder, an encoding's name from nowhere.
            Some(path) if name.ends_with(".json") => tokenizer(&path.display().to_string()),
            _ => tokenizer(&name),
        });
        if let Some(Err(error)) = &opened {
            table.refuse("tokenizer", format!("cannot be used: {}", error.message()), "");
        }
        let name = table.name.clone();
        table.refuse_others();
        Some(Self { name, description, source: source?, tokenizer: opened.and_then(Result::ok) })
    }
}

fn source(table: &mut Table<'_>) -> Option<Source> {
    match (table.has("dataset"), table.has("input_len")) {
        (true, false) => {
            let bytes = table.file("dataset")?;
            let parsed = Dataset::parse(&bytes, &table.name);
            if let Err(error) = &parsed {
                table.refuse("dataset", format!("cannot be used: {error}"), "");
            }
            parsed.ok().map(Source::Dataset)
        }
        (false, true) => Some(Source::Synthetic(Synthetic {
            input_len: table.parsed("input_len")?,
            output_len: table.parsed("output_len"),
            prefix_len: table.number("prefix_len", 0..=1_000_000).unwrap_or(0).into(),
        })),
        (true, true) => {
            table.refuse("input_len", "stands beside `dataset`", "leave one of the two out");
            None
        }
        (false, false) => {
            table.refuse("dataset", "is missing", "name a file, or a length with `input_len`");
            None
        }
    }
}

impl fmt::Debug for ScenarioSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScenarioSettings").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for ScenarioSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match &self.source {
            Source::Dataset(dataset) => write!(f, "{} prompts of a file", dataset.len())?,
            Source::Synthetic(synthetic) => write!(f, "prompts of {} tokens", synthetic.input_len)?,
        }
        if let Some(tokenizer) = &self.tokenizer {
            write!(f, " by {}", tokenizer.name())?;
        }
        if self.description.is_empty() { Ok(()) } else { write!(f, " – {}", self.description) }
    }
}
