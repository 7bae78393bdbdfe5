//! What a run asks of a model: the prompt of each request, by its place in the run.
//!
//! A [`Workload`] gives the same prompt for the same seed and index on every machine, whichever user
//! asks first, and costs little enough to be asked between two requests. Its prompts come from one of
//! three sources: a named [`scenario`], whose texts `document` and `grammar` compose from the phrase
//! books in `prompts/`; [`synthetic`] text of exact lengths, drawn from a [`length`] distribution; or
//! a [`dataset`] of the user's own. `permutation` gives each source its order.

pub mod dataset;
mod document;
mod grammar;
pub mod length;
mod permutation;
pub mod scenario;
pub mod synthetic;
#[cfg(test)]
mod tests;

use std::ops::AddAssign;
use std::sync::Arc;

use domain::{Prompt, Seed, Tokenizer};

pub use dataset::{Dataset, DatasetError};
pub use length::{LengthDistribution, LengthError};
pub use scenario::{Scenario, ScenarioError};
pub use synthetic::{Synthetic, SyntheticError};

use permutation::Permutation;

/// The prompts of a run, in order.
#[derive(Clone, Debug)]
pub struct Workload {
    name: Arc<str>,
    source: Source,
    taken: Taken,
}

/// How many of a workload's prompts runs have taken: the measured requests from its beginning on,
/// the warm-up requests from its end backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// By measured requests.
    pub measured: u64,
    /// By warm-up requests.
    pub warmup: u64,
}

impl Taken {
    /// By requests of either kind.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.measured.saturating_add(self.warmup)
    }
}

impl AddAssign for Taken {
    fn add_assign(&mut self, other: Self) {
        self.measured = self.measured.saturating_add(other.measured);
        self.warmup = self.warmup.saturating_add(other.warmup);
    }
}

#[derive(Clone, Debug)]
enum Source {
    Scenario { scenario: Scenario, prompts: scenario::Prompts },
    Synthetic(synthetic::Pool),
    Dataset { dataset: Dataset, shuffle: Option<Seed> },
}

/// What one request of a workload asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What the model is given.
    pub prompt: Prompt,
    /// The longest answer the workload asks for, in tokens; `None` leaves it to others.
    pub max_tokens: Option<u64>,
    /// Which of the workload's prompts this is: two drafts with the same item have the same prompt.
    pub item: u64,
    /// How many tokens the prompt has under the workload's tokenizer, where it was made to measure;
    /// a chat template's own tokens come on top.
    pub input_tokens: Option<u64>,
}

impl Workload {
    /// The prompts of a named scenario. Runs whose prompts a server must not know from each other
    /// need different seeds, or must each start [after](Self::after) those before it.
    #[must_use]
    pub fn scenario(scenario: Scenario, seed: Seed) -> Self {
        let prompts = scenario::Prompts::new(scenario, seed.child(scenario.name()));
        Self::new(scenario.to_string().into(), Source::Scenario { scenario, prompts })
    }

    /// Prompts of exact lengths under `tokenizer`, made here for the first `prompts` requests or as
    /// many as 16 MiB hold; the time this takes is that of encoding them. Later requests get the
    /// same texts under another beginning of the same length.
    ///
    /// # Errors
    /// Where no text of a length drawn could be made.
    pub fn synthetic(
        synthetic: &Synthetic,
        tokenizer: &dyn Tokenizer,
        seed: Seed,
        prompts: u64,
    ) -> Result<Self, SyntheticError> {
        let pool =
            synthetic::Pool::prepare(synthetic, tokenizer, seed.child("synthetic"), prompts)?;
        Ok(Self::new("synthetic".into(), Source::Synthetic(pool)))
    }

    /// The prompts of a dataset, in the file's order or in one that `shuffle` draws anew for each
    /// round through the file.
    #[must_use]
    pub fn dataset(dataset: Dataset, shuffle: Option<Seed>) -> Self {
        let shuffle = shuffle.map(|seed| seed.child("dataset"));
        Self::new(dataset.name().clone(), Source::Dataset { dataset, shuffle })
    }

    fn new(name: Arc<str>, source: Source) -> Self {
        Self { name, source, taken: Taken::default() }
    }

    /// The same workload from where earlier runs left off, which took `taken` of it. So a server's
    /// cache meets a prompt again only when all have been sent.
    #[must_use]
    pub fn after(self, taken: Taken) -> Self {
        Self { taken, ..self }
    }

    /// What records call the workload.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.name.clone()
    }

    /// What the request planned as number `index`, from zero, asks.
    #[must_use]
    pub fn draft(&self, index: u64) -> Draft {
        self.at(self.taken.measured.saturating_add(index))
    }

    /// What stands at `index`, counted from the workload's own beginning.
    fn at(&self, index: u64) -> Draft {
        match &self.source {
            Source::Scenario { scenario, prompts } => {
                let (item, text) = prompts.at(index % prompts.variety());
                Draft {
                    prompt: Prompt::Text(text.into()),
                    max_tokens: Some(scenario.max_tokens()),
                    item,
                    input_tokens: None,
                }
            }
            Source::Synthetic(pool) => {
                let (text, item, input_tokens) = pool.at(index);
                let max_tokens = pool.max_tokens(index);
                Draft { prompt: Prompt::Text(text), max_tokens, item, input_tokens }
            }
            Source::Dataset { dataset, shuffle } => {
                let (round, place) = (index / dataset.len(), index % dataset.len());
                let item = shuffle.map_or(place, |seed| {
                    Permutation::new(dataset.len(), seed.nth(round)).item(place)
                });
                let record = dataset.item(item);
                Draft {
                    prompt: record.prompt.clone(),
                    max_tokens: record.max_tokens,
                    item,
                    input_tokens: None,
                }
            }
        }
    }

    /// What warm-up request number `index`, from zero, asks: prompts from the far end, so that the
    /// measured requests meet none of them again before the workload begins to repeat itself.
    #[must_use]
    pub fn warmup_draft(&self, index: u64) -> Draft {
        let horizon = match &self.source {
            Source::Scenario { prompts, .. } => prompts.variety(),
            Source::Synthetic(pool) => pool.variety(),
            Source::Dataset { dataset, .. } => dataset.len(),
        };
        self.at(horizon - 1 - self.taken.warmup.saturating_add(index) % horizon)
    }

    /// How many of the first `requests` requests, counted from the workload's own beginning, repeat
    /// an earlier one's prompt, which a server's cache may answer for less. Warm-up requests count
    /// like the others.
    #[must_use]
    pub fn repeats(&self, requests: u64) -> u64 {
        match &self.source {
            Source::Scenario { prompts, .. } => requests.saturating_sub(prompts.variety()),
            Source::Synthetic(pool) => pool.repeats(requests),
            Source::Dataset { dataset, .. } => requests.saturating_sub(dataset.len()),
        }
    }
}
