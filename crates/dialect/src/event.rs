//! One event of a stream, parsed in full: the truth that the scanner is held against.

use std::borrow::Cow;
use std::fmt;

use domain::{ChunkKind, Failure, FailureKind, FinishReason, WireFormat};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::answer::AnswerText;
use crate::usage::Report;
use crate::{anthropic, failure, openai};

/// What one event says.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) kind: ChunkKind,
    pub(crate) finish: Option<FinishReason>,
    pub(crate) usage: Option<Report>,
    /// The error the server reports, if it does.
    pub(crate) error: Option<Failure>,
    /// Whether the event marks the end of the stream.
    pub(crate) last: bool,
}

impl Facts {
    /// An event that says nothing of interest.
    pub(crate) const fn none() -> Self {
        Self { kind: ChunkKind::Other, finish: None, usage: None, error: None, last: false }
    }

    /// Whether the event says anything beyond the kind of its tokens.
    pub(crate) const fn says_more(&self) -> bool {
        self.finish.is_some() || self.usage.is_some() || self.error.is_some() || self.last
    }
}

/// OpenAI's end mark. Some servers send it in Anthropic form too.
pub(crate) fn is_end_mark(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

/// Reads the JSON of an event that is no end mark.
pub(crate) fn parse(format: WireFormat, data: &[u8]) -> Result<Facts, Failure> {
    match format {
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => openai::facts(data),
        WireFormat::AnthropicMessages => anthropic::facts(data),
    }
}

/// Appends the text of an event that is no end mark to `text`.
pub(crate) fn append_text(
    format: WireFormat,
    data: &[u8],
    text: &mut AnswerText,
) -> Result<(), Failure> {
    match format {
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => openai::append_text(data, text),
        WireFormat::AnthropicMessages => anthropic::append_text(data, text),
    }
}

/// Parses `data`, which must be a JSON object.
pub(crate) fn object<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, Failure> {
    // Derived readers would take an array for a struct.
    if data.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed("it is no JSON object"));
    }
    serde_json::from_slice(data).map_err(|error| malformed(&failure::json_error(&error)))
}

pub(crate) fn malformed(why: &str) -> Failure {
    Failure::new(FailureKind::Malformed, format!("cannot read what the server sent: {why}"))
}

/// Which kind of token a piece with these parts carries: text shows before reasoning, reasoning
/// before a tool call.
pub(crate) const fn kind(content: bool, reasoning: bool, tool: bool) -> ChunkKind {
    if content {
        ChunkKind::Content
    } else if reasoning {
        ChunkKind::Reasoning
    } else if tool {
        ChunkKind::ToolCall
    } else {
        ChunkKind::Other
    }
}

/// A string, borrowed from the event where it holds no escape.
#[derive(Debug, Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Whether a string is there and not empty.
pub(crate) fn filled(text: Option<&Text<'_>>) -> bool {
    text.is_some_and(|text| !text.0.is_empty())
}

/// Text given as a string, or as Mistral's array of parts, each text or thinking.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Text(Text<'a>),
    Parts(Vec<Part<'a>>),
}

/// One part of [`Content`].
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound = "'de: 'a")]
pub(crate) struct Part<'a> {
    pub(crate) text: Option<Text<'a>>,
    pub(crate) thinking: Option<Content<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;
        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of parts")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(Text(Cow::Borrowed(text))))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(Text(Cow::Owned(text.to_owned()))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(part) = parts.next_element()? {
                    all.push(part);
                }
                Ok(Content::Parts(all))
            }
        }
        deserializer.deserialize_any(ContentVisitor)
    }
}

impl Content<'_> {
    /// Appends plain text to `content` and thinking to `reasoning`.
    pub(crate) fn append(&self, content: &mut String, reasoning: &mut String) {
        match self {
            Self::Text(text) => content.push_str(&text.0),
            Self::Parts(parts) => {
                for part in parts {
                    if let Some(text) = &part.text {
                        content.push_str(&text.0);
                    }
                    if let Some(thinking) = &part.thinking {
                        thinking.append_flat(reasoning);
                    }
                }
            }
        }
    }

    fn append_flat(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(&text.0),
            Self::Parts(parts) => {
                for part in parts {
                    if let Some(text) = &part.text {
                        out.push_str(&text.0);
                    }
                    if let Some(thinking) = &part.thinking {
                        thinking.append_flat(out);
                    }
                }
            }
        }
    }

    /// Whether it holds text, and whether it holds thinking.
    pub(crate) fn fills(&self) -> (bool, bool) {
        match self {
            Self::Text(text) => (!text.0.is_empty(), false),
            Self::Parts(parts) => (
                parts.iter().any(|part| filled(part.text.as_ref())),
                parts.iter().filter_map(|part| part.thinking.as_ref()).any(Content::holds_any),
            ),
        }
    }

    fn holds_any(&self) -> bool {
        match self {
            Self::Text(text) => !text.0.is_empty(),
            Self::Parts(parts) => parts.iter().any(|part| {
                filled(part.text.as_ref()) || part.thinking.as_ref().is_some_and(Content::holds_any)
            }),
        }
    }
}
