//! Opens the workloads and the tokenizer that settings name.

use std::path::Path;
use std::sync::Arc;

use domain::{Seed, Tokenizer};
use load::workload::{Dataset, Scenario, Synthetic, Taken, Workload};
use text::{HfTokenizer, TiktokenEncoding, TiktokenTokenizer};

use super::check::read;
use super::settings::WorkloadSettings;
use crate::failure::{Exit, UserError};

/// How many synthetic prompts are made where a run's length is not known beforehand.
const SYNTHETIC_PROMPTS: u64 = 10_000;

/// What earlier runs of a bench asked one model from one source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// How many runs there were.
    pub(crate) runs: u64,
    /// The prompts they took.
    pub(crate) taken: Taken,
}

/// What the runs of a bench ask, read and checked, but not yet drawn.
pub(crate) enum Source {
    /// A named scenario.
    Scenario(Scenario),
    /// The prompts of a file.
    Dataset(Dataset),
    /// Prompts of exact lengths.
    Synthetic(Synthetic),
}

impl Source {
    /// The sources that `settings` name, in their order.
    pub(crate) fn open(settings: &WorkloadSettings) -> Result<Vec<Self>, UserError> {
        if let Some(path) = &settings.dataset {
            refuse_output_len(settings)?;
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            let dataset = Dataset::parse(&read(path)?, &name)
                .map_err(|error| UserError::new(Exit::File, error.to_string()))?;
            return Ok(vec![Self::Dataset(dataset)]);
        }
        if let Some(input_len) = settings.input_len {
            let synthetic = Synthetic {
                input_len,
                output_len: settings.output_len,
                prefix_len: settings.prefix_len.unwrap_or(0),
            };
            return Ok(vec![Self::Synthetic(synthetic)]);
        }
        refuse_output_len(settings)?;
        Ok(scenarios(settings).into_iter().flatten().map(Self::Scenario).collect())
    }

    /// What results call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Scenario(scenario) => scenario.to_string(),
            Self::Dataset(dataset) => dataset.name().to_string(),
            Self::Synthetic(_) => "synthetic".to_owned(),
        }
    }

    /// The prompts of one run, which follow those that earlier runs `asked` the same model: so a
    /// server's cache knows none of them while there are enough, and every model is asked the same.
    pub(crate) fn workload(
        &self,
        seed: Seed,
        requests: Option<u64>,
        asked: Asked,
        tokenizer: Option<&dyn Tokenizer>,
    ) -> Result<Workload, UserError> {
        match self {
            Self::Scenario(scenario) => Ok(Workload::scenario(*scenario, seed).after(asked.taken)),
            Self::Dataset(dataset) => {
                Ok(Workload::dataset(dataset.clone(), Some(seed)).after(asked.taken))
            }
            Self::Synthetic(synthetic) => {
                let tokenizer = tokenizer.ok_or_else(no_tokenizer)?;
                // Made anew for each run, so that the lengths of all are known beforehand.
                let prompts = requests.unwrap_or(SYNTHETIC_PROMPTS);
                Workload::synthetic(synthetic, tokenizer, seed.nth(asked.runs), prompts)
                    .map_err(|error| UserError::usage(error.to_string()))
            }
        }
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn further_runs_of_a_model_ask_what_it_was_not_asked_before() {
        let lines: String = (0..30).map(|line| format!("{{\"prompt\": \"p{line}\"}}\n")).collect();
        let dataset = Dataset::parse(lines.as_bytes(), "lines.jsonl").expect("a dataset");
        let synthetic = Synthetic {
            input_len: "16".parse().expect("a length"),
            output_len: None,
            prefix_len: 0,
        };
        let sources = [
            Source::Dataset(dataset),
            Source::Scenario("short_queries".parse().expect("a scenario")),
            Source::Synthetic(synthetic),
        ];
        let tokenizer = tokenizer("cl100k").expect("an encoding");
        let workload = |source: &Source, asked| {
            source.workload(Seed(7), Some(10), asked, Some(&*tokenizer)).expect("a workload")
        };
        for source in sources {
            let mut asked = Asked::default();
            let mut prompts = HashSet::new();
            for _ in 0..3 {
                let (first, again) = (workload(&source, asked), workload(&source, asked));
                for index in 0..10 {
                    let prompt = first.draft(index).prompt.text();
                    assert_eq!(prompt, again.draft(index).prompt.text(), "of another model");
                    assert!(prompts.insert(prompt), "a prompt is asked twice");
                }
                asked.runs += 1;
                asked.taken += Taken { measured: 10, warmup: 0 };
            }
        }
    }
}
