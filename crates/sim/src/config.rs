//! What the simulated server is and does.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use domain::{Prompt, Secret, Seed, Tokens};

use crate::Draw;
use crate::fault::{Faults, FaultsError};
use crate::service::{Slots, SlotsError};
use crate::timetable::Timetable;

/// How the time of each token comes about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Service {
    /// Every answer keeps the same timetable, however many there are.
    Timetable(Timetable),
    /// Answers share slots and rates, so that latency grows with load.
    Slots(Slots),
}

/// A simulated server's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// Seed of every draw. A request's draws follow from it and from the number the request arrived
    /// as.
    pub seed: Seed,
    /// How the time of each token comes about.
    pub service: Service,
    /// The length of an answer. A request's `max_tokens` cuts it short, and with `ignore_eos` it is
    /// exactly that long.
    pub output_tokens: Draw<Tokens>,
    /// How many tokens share an event. The event leaves when the first of them is due.
    pub tokens_per_chunk: NonZeroU64,
    /// How many events that are due share one write to the socket. An answer's opening events count
    /// as one, and so do its closing ones.
    pub events_per_write: NonZeroUsize,
    /// The texts of tokens. Token `k` of request `i` has text `i + k`, round and round.
    pub vocabulary: Vec<String>,
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// What a refusal with status 429, 503 or 529 asks the client to wait; `None` says nothing.
    pub retry_after: Option<Duration>,
    /// The models it has. Others are answered with 404.
    pub models: Vec<String>,
    /// The key that requests must carry, as `authorization: Bearer` or `x-api-key`.
    pub api_key: Option<Secret>,
    /// How many records the log holds until somebody takes them; further ones are lost and counted.
    pub log_limit: usize,
}

impl Default for SimConfig {
    /// One model, `sim`, that answers with 32 tokens at once, one a write, and never fails.
    fn default() -> Self {
        Self {
            seed: Seed(0),
            service: Service::Timetable(Timetable::NO_DELAY),
            output_tokens: Draw::Fixed(Tokens(32)),
            tokens_per_chunk: NonZeroU64::MIN,
            events_per_write: NonZeroUsize::MIN,
            vocabulary: WORDS.iter().map(|&word| word.to_owned()).collect(),
            faults: Faults::default(),
            retry_after: Some(Duration::from_secs(1)),
            models: vec!["sim".to_owned()],
            api_key: None,
            log_limit: 1_000_000,
        }
    }
}

const WORDS: [&str; 24] = [
    " the", " river", " runs", " slowly", " past", " an", " old", " mill", ",", " and", " its",
    " wheel", " turns", " all", " day", ";", " nobody", " counts", " how", " often", " it",
    " goes", " round", ".",
];

/// Why a server cannot be as described.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The fault rates make no sense.
    #[error(transparent)]
    Faults(#[from] FaultsError),
    /// The service makes no sense.
    #[error(transparent)]
    Slots(#[from] SlotsError),
    /// Tokens need a text.
    #[error("the vocabulary is empty, or holds an empty text")]
    Vocabulary,
    /// Nobody could ask for anything.
    #[error("the server needs the name of at least one model")]
    NoModels,
}

impl SimConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first setting that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.faults.check()?;
        if let Service::Slots(slots) = &self.service {
            slots.check()?;
        }
        if self.vocabulary.is_empty() || self.vocabulary.iter().any(String::is_empty) {
            return Err(ConfigError::Vocabulary);
        }
        if self.models.is_empty() {
            return Err(ConfigError::NoModels);
        }
        Ok(())
    }

    /// The text of the chunk that starts at token `at` and has `tokens` tokens, for the request that
    /// arrived as number `index`.
    pub(crate) fn write_text(&self, index: u64, at: u64, tokens: u64, out: &mut String) {
        let size = self.vocabulary.len() as u64;
        for token in at..at + tokens {
            out.push_str(&self.vocabulary[(index.wrapping_add(token) % size) as usize]);
        }
    }
}

/// The simulated server's count of a prompt: a token for each four bytes begun, at least one. A
/// conversation counts as its messages' texts joined by line ends.
#[must_use]
pub fn prompt_tokens(prompt: &Prompt) -> Tokens {
    let bytes = match prompt {
        Prompt::Text(text) => text.len(),
        Prompt::Messages(messages) => {
            let text: usize = messages.iter().map(|message| message.text().len()).sum();
            text + messages.len().saturating_sub(1)
        }
    };
    Tokens((bytes as u64).div_ceil(4).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Message;

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let check = |config: SimConfig| config.check();
        let base = SimConfig::default;
        assert_eq!(check(base()), Ok(()));
        assert_eq!(check(SimConfig { models: vec![], ..base() }), Err(ConfigError::NoModels));
        let nothing = vec![String::new()];
        assert_eq!(
            check(SimConfig { vocabulary: nothing, ..base() }),
            Err(ConfigError::Vocabulary)
        );
        let faults = Faults { stall: 2.0, ..Faults::default() };
        assert_eq!(
            check(SimConfig { faults, ..base() }),
            Err(ConfigError::Faults(FaultsError::Rate(2.0)))
        );
    }

    #[test]
    fn prompts_are_counted_by_four_bytes_a_token() {
        let message = |text: &str| Message::User(text.into());
        assert_eq!(prompt_tokens(&Prompt::Text("".into())), Tokens(1));
        assert_eq!(prompt_tokens(&Prompt::Text("twelve bytes".into())), Tokens(3));
        assert_eq!(prompt_tokens(&Prompt::Text("thirteen byte".into())), Tokens(4));
        let both = Prompt::Messages([message("be kind"), message("hi")].into());
        assert_eq!(prompt_tokens(&both), Tokens(3));
        assert_eq!(prompt_tokens(&both), prompt_tokens(&Prompt::Text(both.text().into())));
    }
}
