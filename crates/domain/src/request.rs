//! What is asked of a model.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{ToolCall, ToolResult, Tools};

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

/// A text that names no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a request has 16 hexadecimal digits, a dash, and a number")]
pub struct RequestIdError;

impl FromStr for RequestId {
    type Err = RequestIdError;

    /// Reads what `Display` writes, and nothing else: one request has one name.
    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let (run, index) = text.split_once('-').ok_or(RequestIdError)?;
        let run = u64::from_str_radix(run, 16).map_err(|_| RequestIdError)?;
        let id = Self { run, index: index.parse().map_err(|_| RequestIdError)? };
        if id.to_string() == text { Ok(id) } else { Err(RequestIdError) }
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
pub enum Message {
    /// Standing instructions.
    System(Arc<str>),
    /// What the person asks.
    User(Arc<str>),
    /// An earlier answer of the model's.
    Assistant {
        /// Its text.
        content: Arc<str>,
        /// The tools it called.
        tool_calls: Arc<[ToolCall]>,
    },
    /// What came of a call.
    Tool(ToolResult),
}

impl Message {
    /// An earlier answer that called no tool.
    #[must_use]
    pub fn assistant(content: Arc<str>) -> Self {
        Self::Assistant { content, tool_calls: Arc::default() }
    }

    /// Who says it.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self {
            Self::System(_) => Role::System,
            Self::User(_) => Role::User,
            Self::Assistant { .. } => Role::Assistant,
            Self::Tool(_) => Role::Tool,
        }
    }

    /// What is said, calls apart.
    #[must_use]
    pub const fn content(&self) -> &Arc<str> {
        match self {
            Self::System(content)
            | Self::User(content)
            | Self::Assistant { content, .. }
            | Self::Tool(ToolResult { content, .. }) => content,
        }
    }

    /// The calls it makes.
    #[must_use]
    pub fn tool_calls(&self) -> &[ToolCall] {
        match self {
            Self::Assistant { tool_calls, .. } => tool_calls,
            Self::System(_) | Self::User(_) | Self::Tool(_) => &[],
        }
    }

    /// Whether it is about a tool.
    #[must_use]
    pub fn is_about_tools(&self) -> bool {
        matches!(self, Self::Tool(_)) || !self.tool_calls().is_empty()
    }

    /// All its text, calls run together as models write them, for counting tokens.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let calls = self.tool_calls();
        if calls.is_empty() {
            return Cow::Borrowed(self.content());
        }
        let mut text = self.content().to_string();
        for call in calls {
            text.push_str(&call.name);
            text.push_str(&call.arguments);
        }
        Cow::Owned(text)
    }
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
                messages.iter().map(Message::text).collect::<Vec<_>>().join("\n")
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
    /// The tools it may call, if any.
    pub tools: Option<Arc<Tools>>,
}
