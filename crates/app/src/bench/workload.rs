//! Opens the workloads and the tokenizer that settings name.

use std::path::Path;
use std::sync::Arc;

use domain::{Seed, Tokenizer};
use load::workload::{Dataset, LengthDistribution, Scenario, Synthetic, Workload};
use text::{HfTokenizer, TiktokenEncoding, TiktokenTokenizer};

use super::check::read;
use super::settings::WorkloadSettings;
use crate::failure::{Exit, UserError};

/// How many synthetic prompts are made where a run's length is not known beforehand.
const SYNTHETIC_PROMPTS: u64 = 10_000;

/// What the runs of a bench ask, read and checked, but not yet drawn.
pub(crate) enum Source {
    /// A named scenario.
    Scenario(Scenario),
    /// The prompts of a file.
    Dataset(Dataset),
    /// Prompts of exact lengths.
    Synthetic(Synthetic, Arc<dyn Tokenizer>),
}

impl Source {
    /// The sources that `settings` name, in their order.
    pub(crate) fn open(
        settings: &WorkloadSettings,
        tokenizer: Option<&Arc<dyn Tokenizer>>,
    ) -> Result<Vec<Self>, UserError> {
        if let Some(path) = &settings.dataset {
            refuse_output_len(settings)?;
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            let dataset = Dataset::parse(&read(path)?, &name)
                .map_err(|error| UserError::new(Exit::File, error.to_string()))?;
            return Ok(vec![Self::Dataset(dataset)]);
        }
        if let Some(input_len) = &settings.input_len {
            let Some(tokenizer) = tokenizer else {
                return Err(UserError::usage(
                    "prompts of exact lengths need the model's tokenizer",
                )
                .hint("name one with --tokenizer tokenizer.json, or o200k, or cl100k"));
            };
            let synthetic = Synthetic {
                input_len: length(input_len)?,
                output_len: settings.output_len.as_deref().map(length).transpose()?,
                prefix_len: settings.prefix_len.unwrap_or(0),
            };
            return Ok(vec![Self::Synthetic(synthetic, Arc::clone(tokenizer))]);
        }
        refuse_output_len(settings)?;
        let names = match &settings.scenario {
            Some(names) => names.0.clone(),
            None => vec!["short_queries".to_owned()],
        };
        names
            .iter()
            .map(|name| {
                name.parse().map(Self::Scenario).map_err(|error: load::workload::ScenarioError| {
                    UserError::usage(error.to_string())
                })
            })
            .collect()
    }

    /// The prompts of one run. Runs differ in `seed`, so that a server's cache does not know the
    /// second run's prompts from the first.
    pub(crate) fn workload(
        &self,
        seed: Seed,
        requests: Option<u64>,
    ) -> Result<Workload, UserError> {
        match self {
            Self::Scenario(scenario) => Ok(Workload::scenario(*scenario, seed)),
            Self::Dataset(dataset) => Ok(Workload::dataset(dataset.clone(), None)),
            Self::Synthetic(synthetic, tokenizer) => {
                let prompts = requests.unwrap_or(SYNTHETIC_PROMPTS);
                Workload::synthetic(synthetic, &**tokenizer, seed, prompts)
                    .map_err(|error| UserError::usage(error.to_string()))
            }
        }
    }
}

fn refuse_output_len(settings: &WorkloadSettings) -> Result<(), UserError> {
    if settings.output_len.is_some() {
        return Err(UserError::usage("--output-len goes with --input-len")
            .hint("use --max-tokens to limit the answers of other workloads"));
    }
    Ok(())
}

fn length(text: &str) -> Result<LengthDistribution, UserError> {
    text.parse().map_err(|error: load::workload::LengthError| UserError::usage(error.to_string()))
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
    let tokenizer = HfTokenizer::from_bytes(&read(Path::new(name))?, name)
        .map_err(|error| UserError::new(Exit::File, error.to_string()))?;
    Ok(Arc::new(tokenizer))
}
