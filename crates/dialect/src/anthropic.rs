//! Answers in Anthropic form, streamed and whole.

use domain::{ChunkKind, Failure, FinishReason};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::answer::{AnswerText, Whole};
use crate::event::{self, Facts, Text, filled};
use crate::failure;
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
    /// A tool's name.
    name: Option<Text<'a>>,
    /// A tool's input, an object; empty at the start of a streamed block.
    input: Option<&'a serde_json::value::RawValue>,
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

/// Appends the text of one event to `text`.
pub(crate) fn append_text(data: &[u8], text: &mut AnswerText) -> Result<(), Failure> {
    let event: Event<'_> = event::object(data)?;
    match event.kind() {
        "content_block_start" => {
            if let Some(block) = &event.content_block {
                block.append_text(text);
            }
        }
        "content_block_delta" => {
            if let Some(delta) = &event.delta {
                delta.append_text(text);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Reads an answer that was not streamed.
pub(crate) fn whole(data: &[u8]) -> Result<Whole, Failure> {
    let message: Message<'_> = event::object(data)?;
    if message.error.is_some() || message.kind.as_ref().is_some_and(|kind| kind.0 == "error") {
        return Err(failure::in_stream(data));
    }
    let Some(content) = &message.content else {
        return Err(event::malformed("the answer has no content"));
    };
    let mut text = AnswerText::default();
    for block in content {
        block.append_text(&mut text);
        if let Some(input) = block.input {
            text.tool.push_str(input.get());
        }
    }
    Ok(Whole {
        text,
        finish: message.stop_reason.map_or(FinishReason::Other, |reason| stop_reason(&reason)),
        usage: message.usage.map(|usage| usage.normalized()),
    })
}

impl Event<'_> {
    fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", |kind| &kind.0)
    }
}

impl Block<'_> {
    fn kind(&self) -> ChunkKind {
        event::kind(
            filled(self.text.as_ref()),
            filled(self.thinking.as_ref()) || filled(self.data.as_ref()),
            filled(self.name.as_ref()),
        )
    }

    fn append_text(&self, out: &mut AnswerText) {
        push(&mut out.content, self.text.as_ref());
        push(&mut out.reasoning, self.thinking.as_ref());
        push(&mut out.tool, self.name.as_ref());
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

    fn append_text(&self, out: &mut AnswerText) {
        push(&mut out.content, self.text.as_ref());
        push(&mut out.reasoning, self.thinking.as_ref());
        push(&mut out.tool, self.partial_json.as_ref());
    }
}

fn push(out: &mut String, text: Option<&Text<'_>>) {
    if let Some(text) = text {
        out.push_str(&text.0);
    }
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
