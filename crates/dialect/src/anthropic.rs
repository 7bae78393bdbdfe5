//! Answers in Anthropic form, streamed and whole.

use std::borrow::Cow;

use domain::{ChunkKind, Failure, FinishReason};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::answer::Whole;
use crate::event::{self, Facts, Text, filled, give};
use crate::failure;
use crate::part::Part;
use crate::usage::{AnthropicUsage, Report};

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
    /// Of `message_start`.
    message: Option<Start>,
    /// Of `content_block_start`.
    content_block: Option<Block<'a>>,
    /// Of `content_block_delta`, and of `message_delta`.
    delta: Option<Delta<'a>>,
    /// Of `message_delta`.
    usage: Option<AnthropicUsage>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Start {
    usage: Option<AnthropicUsage>,
}

/// A block of content: as it starts in a stream, or finished in a whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Block<'a> {
    text: Option<Text<'a>>,
    thinking: Option<Text<'a>>,
    /// Thinking that the provider keeps to itself, encrypted.
    data: Option<Text<'a>>,
    /// What a tool's result is sent back under.
    id: Option<Text<'a>>,
    /// A tool's name.
    name: Option<Text<'a>>,
    /// A tool's input, an object; empty at the start of a streamed block.
    input: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Delta<'a> {
    text: Option<Text<'a>>,
    thinking: Option<Text<'a>>,
    partial_json: Option<Text<'a>>,
    stop_reason: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
    content: Option<Vec<Block<'a>>>,
    stop_reason: Option<Text<'a>>,
    usage: Option<AnthropicUsage>,
    error: Option<IgnoredAny>,
}

/// What one event of a stream says. Kinds of event that are not known say nothing.
pub(crate) fn facts(data: &[u8]) -> Result<Facts, Failure> {
    let event: Event<'_> = event::object(data)?;
    if event.error.is_some() {
        return Ok(Facts { error: Some(failure::in_stream(data)), ..Facts::none() });
    }
    let facts = Facts::none();
    Ok(match event.kind() {
        "message_start" => {
            let usage = event.message.and_then(|message| message.usage);
            Facts { usage: usage.map(Report::Anthropic), ..facts }
        }
        "content_block_start" => {
            Facts { kind: event.content_block.as_ref().map_or(facts.kind, Block::kind), ..facts }
        }
        "content_block_delta" => {
            Facts { kind: event.delta.as_ref().map_or(facts.kind, Delta::kind), ..facts }
        }
        "message_delta" => Facts {
            finish: event.delta.and_then(|delta| delta.stop_reason).map(|it| stop_reason(&it)),
            usage: event.usage.map(Report::Anthropic),
            ..facts
        },
        "message_stop" => Facts { last: true, ..facts },
        "error" => Facts { error: Some(failure::in_stream(data)), ..facts },
        _ => facts,
    })
}

/// Hands the parts of one event, or of a whole answer, to `on`.
pub(crate) fn parts(data: &[u8], on: &mut dyn FnMut(Part<'_>)) -> Result<(), Failure> {
    let event: Event<'_> = event::object(data)?;
    match event.kind() {
        "content_block_start" => {
            if let Some(block) = &event.content_block {
                let index = block_index(data, block.kind())?;
                block.parts(index, on);
                if let Some(text) = block.early_input() {
                    on(Part::Arguments { index, text: &text });
                }
            }
        }
        "content_block_delta" => {
            if let Some(delta) = &event.delta {
                delta.parts(block_index(data, delta.kind())?, on);
            }
        }
        "message" => event::object::<Message<'_>>(data)?.parts(on),
        _ => {}
    }
    Ok(())
}

/// The number of the block that an event is about; none but a tool call needs it.
fn block_index(data: &[u8], kind: ChunkKind) -> Result<u32, Failure> {
    #[derive(Deserialize)]
    struct Numbered {
        index: u32,
    }
    match kind {
        ChunkKind::ToolCall => event::object(data).map(|Numbered { index }| index),
        ChunkKind::Content | ChunkKind::Reasoning | ChunkKind::Other => Ok(0),
    }
}

/// Reads an answer that was not streamed.
pub(crate) fn whole(data: &[u8]) -> Result<Whole, Failure> {
    let message: Message<'_> = event::object(data)?;
    if message.error.is_some() || message.kind.as_ref().is_some_and(|kind| kind.0 == "error") {
        return Err(failure::in_stream(data));
    }
    let Some(blocks) = &message.content else {
        return Err(event::malformed("the answer has no content"));
    };
    let has = |kind| blocks.iter().any(|block| block.kind() == kind);
    Ok(Whole {
        kind: event::kind(
            has(ChunkKind::Content),
            has(ChunkKind::Reasoning),
            has(ChunkKind::ToolCall),
        ),
        finish: message.stop_reason.map_or(FinishReason::Other, |reason| stop_reason(&reason)),
        usage: message.usage.map(|usage| usage.normalized()),
    })
}

impl Event<'_> {
    fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", |kind| &kind.0)
    }
}

impl Message<'_> {
    fn parts(&self, on: &mut dyn FnMut(Part<'_>)) {
        for (index, block) in (0..).zip(self.content.iter().flatten()) {
            block.parts(index, on);
            if let Some(input) = block.input {
                on(Part::Arguments { index, text: &arguments(input) });
            }
        }
    }
}

impl Block<'_> {
    fn kind(&self) -> ChunkKind {
        event::kind(
            filled(self.text.as_ref()),
            filled(self.thinking.as_ref()) || filled(self.data.as_ref()),
            filled(self.name.as_ref()) || self.early_input().is_some(),
        )
    }

    /// The input that came at the start of a streamed block. There it is empty as a rule, as its
    /// deltas follow, but a server that has it all at once may send it so.
    fn early_input(&self) -> Option<Cow<'_, str>> {
        let is_empty = |text: &str| {
            let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            text == "null" || inside.is_some_and(|inside| inside.trim().is_empty())
        };
        self.input.map(arguments).filter(|text| !is_empty(text))
    }

    fn parts(&self, index: u32, on: &mut dyn FnMut(Part<'_>)) {
        give(self.thinking.as_ref(), Part::Reasoning, on);
        give(self.text.as_ref(), Part::Content, on);
        let id = self.id.as_ref().map_or("", |id| &*id.0);
        give(self.name.as_ref(), |name| Part::ToolCall { index, id, name }, on);
    }
}

impl Delta<'_> {
    fn kind(&self) -> ChunkKind {
        event::kind(
            filled(self.text.as_ref()),
            filled(self.thinking.as_ref()),
            filled(self.partial_json.as_ref()),
        )
    }

    fn parts(&self, index: u32, on: &mut dyn FnMut(Part<'_>)) {
        give(self.thinking.as_ref(), Part::Reasoning, on);
        give(self.text.as_ref(), Part::Content, on);
        give(self.partial_json.as_ref(), |text| Part::Arguments { index, text }, on);
    }
}

/// A tool's input as text. Arguments that are no object, cut off by the token limit, stand in a
/// string, as [`AnswerEncoder`](crate::AnswerEncoder) writes them.
fn arguments(input: &RawValue) -> Cow<'_, str> {
    let text = input.get();
    serde_json::from_str::<String>(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Reads Anthropic's stop reasons. A reason nobody has heard of is the provider's own.
fn stop_reason(reason: &Text<'_>) -> FinishReason {
    match &*reason.0 {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}
