//! The text of answers: one event's, on demand, or a whole body's.

use domain::{Failure, FinishReason, Usage, WireFormat};

use crate::{anthropic, event, openai};

/// Generated text, by what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerText {
    /// The answer proper; a refusal counts as answer.
    pub content: String,
    /// What the model thought before it.
    pub reasoning: String,
    /// Names and arguments of tool calls, run together.
    pub tool: String,
}

impl AnswerText {
    /// All of it, in the order models write, for counting tokens.
    #[must_use]
    pub fn joined(&self) -> String {
        [&*self.reasoning, &*self.content, &*self.tool].concat()
    }

    /// Whether there is no text at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.content.is_empty() && self.reasoning.is_empty() && self.tool.is_empty()
    }
}

/// An answer that came in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its text.
    pub text: AnswerText,
    /// Why it ended.
    pub finish: FinishReason,
    /// The server's token counts, where it gave any.
    pub usage: Option<Usage>,
}

/// Appends the text of one event to `text`, which grows into the whole answer over a stream's
/// events. End marks, pings and the like have none.
///
/// # Errors
/// [`Malformed`](domain::FailureKind::Malformed) where the event cannot be read.
pub fn decode_text(format: WireFormat, data: &[u8], text: &mut AnswerText) -> Result<(), Failure> {
    if data.trim_ascii().is_empty() || event::is_end_mark(data) {
        return Ok(());
    }
    event::append_text(format, data, text)
}

/// Reads the body of an answer that was not streamed.
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
