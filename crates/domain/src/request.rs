//! What is asked of a model.

use std::fmt;
use std::sync::Arc;

/// Names one request everywhere: sent as `x-request-id`, and the key of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId {
    /// The run the request belongs to.
    pub run: u64,
    /// Its place in the run, counted from zero in planned order.
    pub index: u64,
}

impl fmt::Display for RequestId {
    /// Sixteen hexadecimal digits of the run, a dash, and the index.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.run, self.index)
    }
}

/// Who speaks in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Standing instructions.
    System,
    /// The person asking.
    User,
    /// The model's earlier answers.
    Assistant,
    /// A tool's result.
    Tool,
}

impl Role {
    /// The word every wire format uses for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: Arc<str>,
}

/// What the model is given to continue or to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Text to continue as it stands; as a conversation it is one user message.
    Text(Arc<str>),
    /// A conversation, oldest message first.
    Messages(Arc<[Message]>),
}

impl Prompt {
    /// All the prompt's text, message after message, for counting tokens.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            Self::Messages(messages) => {
                messages.iter().map(|message| &*message.content).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// How the next token is drawn. `None` leaves a setting to the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: Option<f64>,
    /// Keeps the likeliest tokens up to this share of probability.
    pub top_p: Option<f64>,
    /// Keeps this many of the likeliest tokens.
    pub top_k: Option<u32>,
    /// Drops tokens below this share of the likeliest one's probability.
    pub min_p: Option<f64>,
    /// Seed of the server's draws.
    pub seed: Option<u64>,
}

/// One request to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The request's name.
    pub id: RequestId,
    /// The model asked for, as the server calls it.
    pub model: Arc<str>,
    /// What it is given.
    pub prompt: Prompt,
    /// The longest answer wanted, in tokens; `None` leaves it to the server.
    pub max_tokens: Option<u64>,
    /// Whether to keep generating to `max_tokens` past the model's own end, where the server can.
    pub ignore_eos: bool,
    /// Whether the answer comes token by token.
    pub stream: bool,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Arc<[String]>,
}
