//! How a server writes its answers, in the shapes that the providers' own packages read.

mod anthropic;
mod error;
mod openai;

use domain::{FailureKind, FinishReason, Usage, WireFormat};

pub use self::error::{ErrorReport, encode_error};
use crate::answer::AnswerText;
use crate::json;
use crate::part::Part;

/// A part that has no place where the answer is by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfOrder {
    /// Arguments of a tool call that never began.
    #[error("the answer holds arguments of a tool call that has no name")]
    Nameless,
    /// Arguments of a tool call after something else, where calls must come one after the other.
    #[error("the answer goes back to a tool call that it had left")]
    LeftCall,
}

/// Writes one answer. What the events of one text have in common is rendered once, so that a token
/// costs a copy and the escaping of its text.
///
/// A streamed answer is [`begin`](Self::begin), [`part`](Self::part) for each piece (or
/// [`token`](Self::token), for content), then [`end`](Self::end), or
/// [`error_event`](Self::error_event) where it fails on the way; each appends whole events to the
/// caller's buffer. [`whole`](Self::whole) is the body of an answer that is not streamed.
///
/// | part | chat | messages |
/// |---|---|---|
/// | content | `content` | a `text` block |
/// | reasoning | `reasoning_content` | a `thinking` block, unsigned |
/// | tool call | `tool_calls`, numbered from zero | a `tool_use` block |
///
/// A completion is text alone: reasoning and tool calls are left out of it.
#[derive(Clone, Debug)]
pub struct AnswerEncoder {
    envelope: Envelope,
    /// What the last part belongs to.
    open: Option<Block>,
    /// How many blocks were begun, in Anthropic form.
    blocks: u32,
    calls: Vec<Call>,
    /// What stands before and after the text in an event of the open block.
    before_text: Vec<u8>,
    after_text: Vec<u8>,
}

/// What is the same all over an answer.
#[derive(Clone, Debug)]
struct Envelope {
    format: WireFormat,
    id: String,
    model: String,
    created_unix_s: u64,
    include_usage: bool,
}

/// A run of parts that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Content,
    Reasoning,
    /// The tool call of this number, counted from zero.
    ToolCall(usize),
}

/// A tool call that was begun.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// What the model's parts call it.
    index: u32,
    has_arguments: bool,
}

impl Envelope {
    /// The id of the tool call of this number: the model's, or one made for it, since clients send
    /// results back under it.
    fn call_id(&self, number: usize, id: &str) -> String {
        if id.is_empty() { format!("call_{}_{number}", self.id) } else { id.to_owned() }
    }
}

impl AnswerEncoder {
    /// An encoder of one answer. `include_usage` is what the request asked for; it matters to
    /// streamed answers in OpenAI form only.
    #[must_use]
    pub fn new(
        format: WireFormat,
        id: &str,
        model: &str,
        created_unix_s: u64,
        include_usage: bool,
    ) -> Self {
        let (id, model) = (id.to_owned(), model.to_owned());
        Self {
            envelope: Envelope { format, id, model, created_unix_s, include_usage },
            open: None,
            blocks: 0,
            calls: Vec::new(),
            before_text: Vec::new(),
            after_text: Vec::new(),
        }
    }

    /// Begins a stream: the role, or the message.
    pub fn begin(&self, out: &mut Vec<u8>) {
        match self.envelope.format {
            WireFormat::OpenAiChat => openai::begin(&self.envelope, out),
            WireFormat::OpenAiCompletions => {}
            WireFormat::AnthropicMessages => anthropic::begin(&self.envelope, out),
        }
    }

    /// Appends the event of one piece of content, after those that must stand before the first.
    pub fn token(&mut self, text: &str, out: &mut Vec<u8>) {
        self.text(Block::Content, text, out);
    }

    /// Appends the events of one part.
    ///
    /// # Errors
    /// [`OutOfOrder`], with nothing appended.
    pub fn part(&mut self, part: Part<'_>, out: &mut Vec<u8>) -> Result<(), OutOfOrder> {
        let is_text_alone = self.envelope.format == WireFormat::OpenAiCompletions;
        match part {
            Part::Content(text) => self.text(Block::Content, text, out),
            Part::Reasoning(_) | Part::ToolCall { .. } | Part::Arguments { .. }
                if is_text_alone => {}
            Part::Reasoning(text) => self.text(Block::Reasoning, text, out),
            Part::ToolCall { index, id, name } => self.begin_call(index, id, name, out),
            Part::Arguments { index, text } => self.arguments(index, text, out)?,
        }
        Ok(())
    }

    fn begin_call(&mut self, index: u32, id: &str, name: &str, out: &mut Vec<u8>) {
        let number = self.calls.len();
        self.calls.push(Call { index, has_arguments: false });
        self.leave(out);
        let id = self.envelope.call_id(number, id);
        match self.envelope.format {
            WireFormat::AnthropicMessages => {
                anthropic::begin_tool_use(self.blocks, &id, name, out);
            }
            WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => {
                openai::begin_tool_call(&self.envelope, number, &id, name, out);
            }
        }
        self.enter(Block::ToolCall(number));
    }

    fn arguments(&mut self, index: u32, text: &str, out: &mut Vec<u8>) -> Result<(), OutOfOrder> {
        let number = self.calls.iter().rposition(|call| call.index == index);
        let number = number.ok_or(OutOfOrder::Nameless)?;
        let block = Block::ToolCall(number);
        if self.open != Some(block) {
            // A block that was stopped cannot be taken up again.
            if self.envelope.format == WireFormat::AnthropicMessages {
                return Err(OutOfOrder::LeftCall);
            }
            self.enter(block);
        }
        self.calls[number].has_arguments |= !text.is_empty();
        self.text(block, text, out);
        Ok(())
    }

    fn text(&mut self, block: Block, text: &str, out: &mut Vec<u8>) {
        if self.open != Some(block) {
            self.leave(out);
            if self.envelope.format == WireFormat::AnthropicMessages {
                anthropic::begin_text(self.blocks, block, out);
            }
            self.enter(block);
        }
        out.extend_from_slice(&self.before_text);
        json::escape(text, out);
        out.extend_from_slice(&self.after_text);
    }

    /// Closes the open block, where blocks are closed.
    fn leave(&self, out: &mut Vec<u8>) {
        if self.envelope.format == WireFormat::AnthropicMessages && self.open.is_some() {
            anthropic::stop(self.blocks - 1, out);
        }
    }

    /// Takes `block` for the open one.
    fn enter(&mut self, block: Block) {
        self.open = Some(block);
        self.before_text.clear();
        self.after_text.clear();
        let (before, after) = (&mut self.before_text, &mut self.after_text);
        match self.envelope.format {
            WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => {
                openai::frame(&self.envelope, block, before, after);
            }
            WireFormat::AnthropicMessages => {
                anthropic::frame(self.blocks, block, before, after);
                self.blocks += 1;
            }
        }
    }

    /// Ends a stream: why, how many tokens where that was asked for, and the end mark.
    pub fn end(&mut self, finish: FinishReason, usage: Usage, out: &mut Vec<u8>) {
        self.leave(out);
        match self.envelope.format {
            WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => {
                // Clients read the arguments as JSON, so no arguments are an empty object.
                for number in 0..self.calls.len() {
                    if !self.calls[number].has_arguments {
                        self.enter(Block::ToolCall(number));
                        self.text(Block::ToolCall(number), "{}", out);
                    }
                }
                openai::end(&self.envelope, finish, usage, out);
            }
            WireFormat::AnthropicMessages => anthropic::end(finish, usage, out),
        }
    }

    /// Appends the event of an error that ends a stream early.
    pub fn error_event(&self, kind: FailureKind, message: &str, out: &mut Vec<u8>) {
        let format = self.envelope.format;
        let is_anthropic = format == WireFormat::AnthropicMessages;
        out.extend_from_slice(if is_anthropic { b"event: error\ndata: " } else { b"data: " });
        let report = ErrorReport { kind, status: None, message, param: None, request_id: None };
        error::write_error(format, &report, out);
        out.extend_from_slice(b"\n\n");
    }

    /// The body of an answer that is not streamed.
    #[must_use]
    pub fn whole(&self, answer: &AnswerText, finish: FinishReason, usage: Usage) -> Vec<u8> {
        let mut out = Vec::with_capacity(answer.content.len() + answer.reasoning.len() + 512);
        match self.envelope.format {
            WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => {
                openai::whole(&self.envelope, answer, finish, usage, &mut out);
            }
            WireFormat::AnthropicMessages => {
                anthropic::message(&self.envelope, answer, Some(finish), usage, &mut out);
            }
        }
        out
    }
}
