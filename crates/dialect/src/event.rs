//! One event of a stream, parsed in full: the truth that the scanner is held against.

use std::borrow::Cow;
use std::fmt;

use domain::{ChunkKind, Failure, FailureKind, FinishReason, WireFormat};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::part::Part;
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

/// Hands the parts of an event that is no end mark to `on`.
pub(crate) fn parts(
    format: WireFormat,
    data: &[u8],
    on: &mut dyn FnMut(Part<'_>),
) -> Result<(), Failure> {
    match format {
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => openai::parts(data, on),
        WireFormat::AnthropicMessages => anthropic::parts(data, on),
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

/// Text given as a string, or as Mistral's array of items, each text or thinking.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Text(Text<'a>),
    Items(Vec<Item<'a>>),
}

/// One item of [`Content`].
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, bound = "'de: 'a")]
pub(crate) struct Item<'a> {
    pub(crate) text: Option<Text<'a>>,
    pub(crate) thinking: Option<Content<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;
        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of items")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(Text(Cow::Borrowed(text))))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(Text(Cow::Owned(text.to_owned()))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Content::Items(all))
            }
        }
        deserializer.deserialize_any(ContentVisitor)
    }
}

impl Content<'_> {
    /// Hands plain text to `on` as content, and thinking as reasoning.
    pub(crate) fn parts(&self, on: &mut dyn FnMut(Part<'_>)) {
        match self {
            Self::Text(text) => give(Some(text), Part::Content, on),
            Self::Items(items) => {
                for item in items {
                    give(item.text.as_ref(), Part::Content, on);
                    if let Some(thinking) = &item.thinking {
                        thinking.all_as_reasoning(on);
                    }
                }
            }
        }
    }

    fn all_as_reasoning(&self, on: &mut dyn FnMut(Part<'_>)) {
        match self {
            Self::Text(text) => give(Some(text), Part::Reasoning, on),
            Self::Items(items) => {
                for item in items {
                    give(item.text.as_ref(), Part::Reasoning, on);
                    if let Some(thinking) = &item.thinking {
                        thinking.all_as_reasoning(on);
                    }
                }
            }
        }
    }

    /// Whether it holds text, and whether it holds thinking.
    pub(crate) fn fills(&self) -> (bool, bool) {
        let mut fills = (false, false);
        self.parts(&mut |part| match part {
            Part::Content(_) => fills.0 = true,
            Part::Reasoning(_) => fills.1 = true,
            Part::ToolCall { .. } | Part::Arguments { .. } => {}
        });
        fills
    }
}

/// Hands `text`, if it is there and not empty, to `on` as what `make` makes of it.
pub(crate) fn give<'t>(
    text: Option<&'t Text<'_>>,
    make: impl FnOnce(&'t str) -> Part<'t>,
    on: &mut dyn FnMut(Part<'_>),
) {
    if let Some(text) = text
        && !text.0.is_empty()
    {
        on(make(&text.0));
    }
}
