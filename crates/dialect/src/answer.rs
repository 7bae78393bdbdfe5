//! The text of answers, on demand: one event's, or a whole body's.

use domain::{ChunkKind, Failure, FinishReason, Usage, WireFormat};

use crate::part::Part;
use crate::{anthropic, event, openai};

/// One tool call of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// The number by which the parts of a streamed answer name it.
    pub index: u32,
    /// What its result will be sent back under; empty where the server gives none.
    pub id: String,
    /// The tool's name; empty where the call's beginning was not seen.
    pub name: String,
    /// The tool's input, the text of a JSON object; empty is an empty object.
    pub arguments: String,
}

/// Generated text, by what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerText {
    /// The answer proper; a refusal counts as answer.
    pub content: String,
    /// What the model thought before it.
    pub reasoning: String,
    /// The tools it asks to be run.
    pub tool_calls: Vec<ToolCall>,
}

impl AnswerText {
    /// Appends one part.
    pub fn push(&mut self, part: Part<'_>) {
        match part {
            Part::Content(text) => self.content.push_str(text),
            Part::Reasoning(text) => self.reasoning.push_str(text),
            Part::ToolCall { index, id, name } => self.tool_calls.push(ToolCall {
                index,
                id: id.to_owned(),
                name: name.to_owned(),
                arguments: String::new(),
            }),
            Part::Arguments { index, text } => {
                match self.tool_calls.iter_mut().rfind(|call| call.index == index) {
                    Some(call) => call.arguments.push_str(text),
                    None => self.tool_calls.push(ToolCall {
                        index,
                        arguments: text.to_owned(),
                        ..ToolCall::default()
                    }),
                }
            }
        }
    }

    /// All of it, in the order models write, for counting tokens.
    #[must_use]
    pub fn joined(&self) -> String {
        let mut all = [&*self.reasoning, &*self.content].concat();
        for call in &self.tool_calls {
            all.push_str(&call.name);
            all.push_str(&call.arguments);
        }
        all
    }

    /// Whether there is no text at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.content.is_empty() && self.reasoning.is_empty() && self.tool_calls.is_empty()
    }
}

/// What an answer that came in one piece says beside its text, which [`decode_text`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What it carries.
    pub kind: ChunkKind,
    /// Why it ended.
    pub finish: FinishReason,
    /// The server's token counts, where it gave any.
    pub usage: Option<Usage>,
}

/// Hands the parts of one event of a stream, or of the body of an answer that was not streamed, to
/// `on`, in order, none of them empty. End marks, pings and the like have none.
///
/// # Errors
/// [`Malformed`](domain::FailureKind::Malformed) where the event cannot be read.
pub fn decode_parts(
    format: WireFormat,
    data: &[u8],
    on: &mut dyn FnMut(Part<'_>),
) -> Result<(), Failure> {
    if data.trim_ascii().is_empty() || event::is_end_mark(data) {
        return Ok(());
    }
    event::parts(format, data, on)
}

/// Appends the text of one event, or of a whole body, to `text`, which grows into the whole answer
/// over a stream's events.
///
/// # Errors
/// As [`decode_parts`].
pub fn decode_text(format: WireFormat, data: &[u8], text: &mut AnswerText) -> Result<(), Failure> {
    decode_parts(format, data, &mut |part| text.push(part))
}

/// Reads the body of an answer that was not streamed, all but its text.
///
/// # Errors
/// What the body reports if it holds an error despite its status of 200, else
/// [`Malformed`](domain::FailureKind::Malformed).
pub fn decode_whole(format: WireFormat, body: &[u8]) -> Result<Whole, Failure> {
    match format {
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => openai::whole(body),
        WireFormat::AnthropicMessages => anthropic::whole(body),
    }
}
