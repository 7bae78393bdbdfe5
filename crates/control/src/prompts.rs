//! What runs ask, and which of it earlier runs asked already.

use domain::{Seed, Tokenizer};
use load::workload::{Dataset, Scenario, Synthetic, SyntheticError, Taken, Workload};

/// How many synthetic prompts are made where a run's length is not known beforehand.
const SYNTHETIC_PROMPTS: u64 = 10_000;

/// Why a run has no prompts.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    /// Lengths in tokens were asked for, and nobody says what a token is.
    #[error("prompts of exact lengths need the model's tokenizer")]
    NoTokenizer,
    /// The lengths cannot be had.
    #[error(transparent)]
    Synthetic(#[from] SyntheticError),
}

/// What earlier runs of a benchmark asked one model from one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// How many runs there were.
    pub runs: u64,
    /// The prompts they took.
    pub taken: Taken,
}

impl Asked {
    /// Counts a further run.
    pub fn add(&mut self, taken: Taken) {
        self.runs += 1;
        self.taken += taken;
    }
}

/// A source of prompts, read and checked, but not yet drawn.
#[derive(Clone, Debug)]
pub enum Prompts {
    /// A named scenario.
    Scenario(Scenario),
    /// The prompts of a file.
    Dataset(Dataset),
    /// Prompts of exact lengths.
    Synthetic(Synthetic),
}

impl Prompts {
    /// What results call them, where nobody gave them a name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Scenario(scenario) => scenario.to_string(),
            Self::Dataset(dataset) => dataset.name().to_string(),
            Self::Synthetic(_) => "synthetic".to_owned(),
        }
    }

    /// The prompts of one run, which follow those that earlier runs `asked` the same model: so a
    /// server's cache knows none of them while there are enough, and every model is asked the same.
    /// `requests` says how many the run sends at most, where that is known.
    ///
    /// # Errors
    /// Where prompts of exact lengths cannot be made.
    pub fn workload(
        &self,
        seed: Seed,
        requests: Option<u64>,
        asked: Asked,
        tokenizer: Option<&dyn Tokenizer>,
    ) -> Result<Workload, PromptsError> {
        match self {
            Self::Scenario(scenario) => Ok(Workload::scenario(*scenario, seed).after(asked.taken)),
            Self::Dataset(dataset) => {
                Ok(Workload::dataset(dataset.clone(), Some(seed)).after(asked.taken))
            }
            Self::Synthetic(synthetic) => {
                let tokenizer = tokenizer.ok_or(PromptsError::NoTokenizer)?;
                // Made anew for each run, so that the lengths of all are known beforehand.
                let prompts = requests.unwrap_or(SYNTHETIC_PROMPTS);
                Ok(Workload::synthetic(synthetic, tokenizer, seed.nth(asked.runs), prompts)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use text::{TiktokenEncoding, TiktokenTokenizer};

    use super::*;

    #[test]
    fn further_runs_of_a_model_ask_what_it_was_not_asked_before() {
        let lines: String = (0..30).map(|line| format!("{{\"prompt\": \"p{line}\"}}\n")).collect();
        let dataset = Dataset::parse(lines.as_bytes(), "lines.jsonl").expect("a dataset");
        let scenario = "short_queries".parse().expect("a scenario");
        let input_len = "16".parse().expect("a length");
        let synthetic = Synthetic { input_len, output_len: None, prefix_len: 0 };
        let tokenizer = TiktokenTokenizer::load(TiktokenEncoding::Cl100k);
        for prompts in
            [Prompts::Dataset(dataset), Prompts::Scenario(scenario), Prompts::Synthetic(synthetic)]
        {
            let workload = |asked| {
                prompts.workload(Seed(7), Some(10), asked, Some(&tokenizer)).expect("a workload")
            };
            let mut asked = Asked::default();
            let mut seen = HashSet::new();
            for _ in 0..3 {
                let (first, again) = (workload(asked), workload(asked));
                for index in 0..10 {
                    let prompt = first.draft(index).prompt.text();
                    assert_eq!(prompt, again.draft(index).prompt.text(), "of another model");
                    assert!(seen.insert(prompt), "a prompt is asked twice");
                }
                asked.add(Taken { measured: 10, warmup: 0 });
            }
        }
    }

    #[test]
    fn exact_lengths_need_a_tokenizer() {
        let length = "16".parse().expect("a length");
        let synthetic = Synthetic { input_len: length, output_len: None, prefix_len: 0 };
        let drawn = Prompts::Synthetic(synthetic).workload(Seed(7), None, Asked::default(), None);
        assert!(matches!(drawn, Err(PromptsError::NoTokenizer)));
    }
}
