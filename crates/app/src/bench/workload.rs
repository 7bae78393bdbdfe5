//! Opens the workloads and the tokenizer that settings name.

use std::path::Path;
use std::sync::Arc;

use control::{Prompts, PromptsError};
use domain::Tokenizer;
use load::workload::{Dataset, Scenario, Synthetic};
use text::{HfTokenizer, TiktokenEncoding, TiktokenTokenizer};

use super::check::read;
use super::settings::WorkloadSettings;
use crate::failure::{Exit, UserError};

/// The sources of prompts that `settings` name, in their order.
pub(crate) fn open(settings: &WorkloadSettings) -> Result<Vec<Prompts>, UserError> {
    if let Some(path) = &settings.dataset {
        refuse_output_len(settings)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let dataset = Dataset::parse(&read(path)?, &name)
            .map_err(|error| UserError::new(Exit::File, error.to_string()))?;
        return Ok(vec![Prompts::Dataset(dataset)]);
    }
    if let Some(input_len) = settings.input_len {
        let synthetic = Synthetic {
            input_len,
            output_len: settings.output_len,
            prefix_len: settings.prefix_len.unwrap_or(0),
        };
        return Ok(vec![Prompts::Synthetic(synthetic)]);
    }
    refuse_output_len(settings)?;
    Ok(scenarios(settings).into_iter().flatten().map(Prompts::Scenario).collect())
}

/// Why a run has no prompts, for the user.
pub(super) fn unusable(error: &PromptsError) -> UserError {
    match error {
        PromptsError::NoTokenizer => no_tokenizer(),
        PromptsError::Synthetic(error) => UserError::usage(error.to_string()),
    }
}

/// The scenarios asked for, the default too; `None` where prompts come from elsewhere.
pub(super) fn scenarios(settings: &WorkloadSettings) -> Option<Vec<Scenario>> {
    match &settings.scenario {
        Some(scenarios) => Some(scenarios.0.clone()),
        None if settings.dataset.is_some() || settings.input_len.is_some() => None,
        None => Some(vec![Scenario::ShortQueries]),
    }
}

pub(super) fn no_tokenizer() -> UserError {
    UserError::usage("prompts of exact lengths need the model's tokenizer")
        .hint("name one with --tokenizer tokenizer.json, or o200k, or cl100k")
}

fn refuse_output_len(settings: &WorkloadSettings) -> Result<(), UserError> {
    if settings.output_len.is_some() {
        return Err(UserError::usage("--output-len goes with --input-len")
            .hint("use --max-tokens to limit the answers of other workloads"));
    }
    Ok(())
}

/// The tokenizer called `name`: an encoding of OpenAI's, or a `tokenizer.json`.
pub(crate) fn tokenizer(name: &str) -> Result<Arc<dyn Tokenizer>, UserError> {
    let encoding = match name {
        "o200k" | "o200k_base" => Some(TiktokenEncoding::O200k),
        "cl100k" | "cl100k_base" => Some(TiktokenEncoding::Cl100k),
        _ => None,
    };
    if let Some(encoding) = encoding {
        return Ok(Arc::new(TiktokenTokenizer::load(encoding)));
    }
    let path = Path::new(name);
    if !path.exists() {
        let problem = format!("there is no file `{name}`, and no tokenizer that Prony has");
        return Err(UserError::new(Exit::File, problem).hint(
            "give --tokenizer the path of the model's tokenizer.json, which its repository holds, \
             or o200k or cl100k, OpenAI's encodings",
        ));
    }
    let tokenizer = HfTokenizer::from_bytes(&read(path)?, name)
        .map_err(|error| UserError::new(Exit::File, error.to_string()))?;
    Ok(Arc::new(tokenizer))
}
