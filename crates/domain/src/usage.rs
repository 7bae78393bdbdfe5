//! How many tokens a request took, who says so, and why its answer ended.

use crate::Tokens;

/// Token counts of one request, in one convention whatever the provider's: cached tokens are part
/// of `input`, reasoning tokens are part of `output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens of the prompt, cached ones included.
    pub input: Tokens,
    /// Of `input`, those read from the provider's prompt cache.
    pub cache_read: Tokens,
    /// Of `input`, those written to the provider's prompt cache.
    pub cache_write: Tokens,
    /// All tokens generated, reasoning included.
    pub output: Tokens,
    /// Of `output`, those spent on reasoning; `None` where the provider does not say.
    pub reasoning: Option<Tokens>,
}

/// Where a token count comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CountSource {
    /// The server's own usage figures.
    Server,
    /// The model's tokenizer, run over the text by the client.
    Tokenizer,
    /// An estimate: one token a chunk of a streamed answer, four bytes a token of the prompt and
    /// of an answer in one piece.
    Estimate,
}

impl CountSource {
    /// The word used in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tokenizer => "tokenizer",
            Self::Estimate => "estimate",
        }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// The model was done, or reached a stop text.
    Stop,
    /// The token limit was reached.
    Length,
    /// The model asks for a tool to be run.
    ToolCalls,
    /// The provider withheld the rest, or the model refused.
    ContentFilter,
    /// The provider gave a reason of its own, or none.
    Other,
}

impl FinishReason {
    /// The word used in records, OpenAI's where it has one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other => "other",
        }
    }
}
