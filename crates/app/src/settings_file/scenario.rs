//! Sources of prompts beside the named scenarios: files, and prompts of exact lengths.

use std::fmt::Write as _;
use std::sync::Arc;

use control::{Prompts, Scenario};
use load::workload::{self, Dataset, Synthetic};

use super::reader::Table;
use crate::bench::workload::tokenizer;

/// The scenarios that need no file to be named.
pub(super) fn named() -> [Scenario; 3] {
    let tokens = workload::Scenario::DOCUMENT_TOKENS;
    [
        (workload::Scenario::ShortQueries, "Everyday questions with short answers"),
        (
            workload::Scenario::LongDocuments { tokens },
            "A long document and a task about it, with a short answer; long_documents:3000 asks for \
             another length in tokens",
        ),
        (workload::Scenario::CodeGeneration, "Programming tasks with long answers"),
    ]
    .map(|(scenario, description)| Scenario {
        name: scenario.name().to_owned(),
        description: description.to_owned(),
        count: None,
        prompts: Arc::new(Prompts::Scenario(scenario)),
        tokenizer: None,
    })
}

/// `[scenarios.NAME]`
pub(super) fn read(mut table: Table<'_>) -> Option<Scenario> {
    if table.name.parse::<workload::Scenario>().is_ok() {
        table.refuse("", "is one of the named scenarios", "give yours another name");
    }
    let prompts = prompts(&mut table);
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
    let prompts = prompts?;
    let count = match &prompts {
        Prompts::Dataset(dataset) => Some(dataset.len()),
        Prompts::Scenario(_) | Prompts::Synthetic(_) => None,
    };
    let (prompts, tokenizer) = (Arc::new(prompts), opened.and_then(Result::ok));
    Some(Scenario { name, description, count, prompts, tokenizer })
}

fn prompts(table: &mut Table<'_>) -> Option<Prompts> {
    match (table.has("dataset"), table.has("input_len")) {
        (true, false) => {
            let bytes = table.file("dataset")?;
            let parsed = Dataset::parse(&bytes, &table.name);
            if let Err(error) = &parsed {
                table.refuse("dataset", format!("cannot be used: {error}"), "");
            }
            parsed.ok().map(Prompts::Dataset)
        }
        (false, true) => Some(Prompts::Synthetic(Synthetic {
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

/// What it is, in a line.
pub(super) fn told(scenario: &Scenario) -> String {
    let mut told = format!("{}: ", scenario.name);
    let _ = match &*scenario.prompts {
        Prompts::Scenario(named) => write!(told, "prompts of {named}"),
        Prompts::Dataset(dataset) => write!(told, "{} prompts of a file", dataset.len()),
        Prompts::Synthetic(synthetic) => write!(told, "prompts of {} tokens", synthetic.input_len),
    };
    if let Some(tokenizer) = &scenario.tokenizer {
        let _ = write!(told, " by {}", tokenizer.name());
    }
    if !scenario.description.is_empty() {
        let _ = write!(told, " – {}", scenario.description);
    }
    told
}
