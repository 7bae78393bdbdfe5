//! Token counts as each provider words them, brought to one convention: cached tokens inside the
//! input, reasoning tokens inside the output.

use domain::{Tokens, Usage};
use serde::Deserialize;

/// OpenAI's `usage`, with the members other servers add.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OpenAiUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name for the cached part of the prompt.
    prompt_cache_hit_tokens: Option<u64>,
    /// SGLang's place for what OpenAI keeps in the details.
    reasoning_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl OpenAiUsage {
    /// The counts in Prony's convention.
    pub(crate) fn normalized(&self) -> Usage {
        let input = self.prompt_tokens.unwrap_or(0);
        let prompt = self.prompt_tokens_details.as_ref();
        let cache_read =
            prompt.and_then(|details| details.cached_tokens).or(self.prompt_cache_hit_tokens);
        let cache_write = prompt.and_then(|details| details.cache_write_tokens);
        let reasoning = self
            .completion_tokens_details
            .as_ref()
            .and_then(|details| details.reasoning_tokens)
            .or(self.reasoning_tokens);
        Usage {
            input: Tokens(input),
            cache_read: Tokens(cache_read.unwrap_or(0)),
            cache_write: Tokens(cache_write.unwrap_or(0)),
            output: Tokens(self.output(input, reasoning.unwrap_or(0))),
            reasoning: reasoning.map(Tokens),
        }
    }

    /// All generated tokens. xAI leaves the reasoning out of `completion_tokens`; its total gives
    /// that away, or, without one, reasoning that is more than the whole.
    fn output(&self, input: u64, reasoning: u64) -> u64 {
        let completion = self.completion_tokens.unwrap_or(0);
        let with_reasoning = completion.saturating_add(reasoning);
        let excluded = match self.total_tokens {
            Some(total) => total == input.saturating_add(with_reasoning),
            None => reasoning > completion,
        };
        if excluded { with_reasoning } else { completion }
    }
}

/// Anthropic's `usage`. Counts in a stream are cumulative, and each report names only some.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AnthropicUsage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl AnthropicUsage {
    /// The counts in Prony's convention: what was read from or written to the cache is not inside
    /// Anthropic's `input_tokens`.
    pub(crate) fn normalized(&self) -> Usage {
        let cache_read = self.cache_read_input_tokens.unwrap_or(0);
        let cache_write = self.cache_creation_input_tokens.unwrap_or(0);
        let fresh = self.input_tokens.unwrap_or(0);
        Usage {
            input: Tokens(fresh.saturating_add(cache_read).saturating_add(cache_write)),
            cache_read: Tokens(cache_read),
            cache_write: Tokens(cache_write),
            output: Tokens(self.output_tokens.unwrap_or(0)),
            reasoning: self
                .output_tokens_details
                .and_then(|details| details.thinking_tokens)
                .map(Tokens),
        }
    }

    /// Takes over whatever `later` names.
    fn update(&mut self, later: &Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens =
            later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
    }
}

/// One report of token counts within a stream.
#[derive(Debug)]
pub(crate) enum Report {
    OpenAi(OpenAiUsage),
    Anthropic(AnthropicUsage),
}

/// What a stream has reported so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Tally {
    #[default]
    None,
    /// The last report, which stands for the whole.
    OpenAi(Usage),
    /// All reports, a later count over an earlier one.
    Anthropic(AnthropicUsage),
}

impl Tally {
    pub(crate) fn add(&mut self, report: &Report) {
        match (report, &mut *self) {
            (Report::OpenAi(usage), _) => *self = Self::OpenAi(usage.normalized()),
            (Report::Anthropic(later), Self::Anthropic(usage)) => usage.update(later),
            (Report::Anthropic(first), _) => *self = Self::Anthropic(*first),
        }
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        match self {
            Self::None => None,
            Self::OpenAi(usage) => Some(*usage),
            Self::Anthropic(usage) => Some(usage.normalized()),
        }
    }
}
