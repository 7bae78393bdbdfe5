//! Answers in Anthropic form.

use domain::{FinishReason, Tokens, Usage};

use super::{Block, Envelope};
use crate::answer::{AnswerText, ToolCall};
use crate::json;

/// The message, without content.
pub(super) fn begin(envelope: &Envelope, out: &mut Vec<u8>) {
    let counts = Usage { output: Tokens(1), ..Usage::default() };
    out.extend_from_slice(b"event: message_start\ndata: ");
    out.extend_from_slice(br#"{"type":"message_start","message":"#);
    message(envelope, &AnswerText::default(), None, counts, out);
    out.extend_from_slice(b"}\n\n");
}

/// The start of the `index`-th block, of text or thinking.
pub(super) fn begin_text(index: u32, block: Block, out: &mut Vec<u8>) {
    open_event("content_block_start", index, out);
    out.extend_from_slice(match block {
        Block::Content => br#","content_block":{"type":"text","text":""}}"#,
        Block::Reasoning | Block::ToolCall(_) => {
            br#","content_block":{"type":"thinking","thinking":"","signature":""}}"#.as_slice()
        }
    });
    out.extend_from_slice(b"\n\n");
}

/// The start of the `index`-th block, a tool call.
pub(super) fn begin_tool_use(index: u32, id: &str, name: &str, out: &mut Vec<u8>) {
    open_event("content_block_start", index, out);
    out.extend_from_slice(br#","content_block":{"type":"tool_use","id":"#);
    json::string(id, out);
    out.extend_from_slice(br#","name":"#);
    json::string(name, out);
    out.extend_from_slice(b",\"input\":{}}}\n\n");
}

/// What stands before and after the text in an event of the `index`-th block.
pub(super) fn frame(index: u32, block: Block, before: &mut Vec<u8>, after: &mut Vec<u8>) {
    open_event("content_block_delta", index, before);
    before.extend_from_slice(match block {
        Block::Content => br#","delta":{"type":"text_delta","text":""#,
        Block::Reasoning => br#","delta":{"type":"thinking_delta","thinking":""#.as_slice(),
        Block::ToolCall(_) => br#","delta":{"type":"input_json_delta","partial_json":""#,
    });
    after.extend_from_slice(b"\"}}\n\n");
}

/// The end of the `index`-th block.
pub(super) fn stop(index: u32, out: &mut Vec<u8>) {
    open_event("content_block_stop", index, out);
    out.extend_from_slice(b"}\n\n");
}

/// An event about the `index`-th block, up to its number.
fn open_event(name: &str, index: u32, out: &mut Vec<u8>) {
    json::raw(format_args!("event: {name}\ndata: {{\"type\":\"{name}\",\"index\":{index}"), out);
}

/// Why it ended, the counts, and the end of the message.
pub(super) fn end(finish: FinishReason, counts: Usage, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: message_delta\ndata: ");
    json::raw(
        format_args!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"{}","stop_sequence":null}},"usage":"#,
            stop_reason(finish)
        ),
        out,
    );
    usage(counts, out);
    out.extend_from_slice(b"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

/// A message: the whole answer, or without content and `finish` where it only starts.
pub(super) fn message(
    envelope: &Envelope,
    answer: &AnswerText,
    finish: Option<FinishReason>,
    counts: Usage,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"id":"#);
    json::string(&envelope.id, out);
    out.extend_from_slice(br#","type":"message","role":"assistant","model":"#);
    json::string(&envelope.model, out);
    out.extend_from_slice(br#","content":"#);
    content(envelope, answer, out);
    out.extend_from_slice(br#","stop_reason":"#);
    json::value(&finish.map(stop_reason), out);
    out.extend_from_slice(br#","stop_sequence":null,"usage":"#);
    usage(counts, out);
    out.push(b'}');
}

fn content(envelope: &Envelope, answer: &AnswerText, out: &mut Vec<u8>) {
    let mut items = json::Items::default();
    if !answer.reasoning.is_empty() {
        items.next(out);
        out.extend_from_slice(br#"{"type":"thinking","thinking":"#);
        json::string(&answer.reasoning, out);
        out.extend_from_slice(br#","signature":""}"#);
    }
    if !answer.content.is_empty() {
        items.next(out);
        out.extend_from_slice(br#"{"type":"text","text":"#);
        json::string(&answer.content, out);
        out.push(b'}');
    }
    for (number, call) in answer.tool_calls.iter().enumerate() {
        items.next(out);
        tool_use(&envelope.call_id(number, &call.id), call, out);
    }
    items.end(out);
}

/// A tool call. Arguments that are no object, cut off by the token limit, stand in a string, so that
/// the body is JSON all the same and nothing is lost.
fn tool_use(id: &str, call: &ToolCall, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"tool_use","id":"#);
    json::string(id, out);
    out.extend_from_slice(br#","name":"#);
    json::string(&call.name, out);
    out.extend_from_slice(br#","input":"#);
    match json::as_object(&call.arguments) {
        Some(object) => out.extend_from_slice(object.as_bytes()),
        None => json::string(&call.arguments, out),
    }
    out.push(b'}');
}

/// Anthropic's word. It has none for a reason of the provider's own, which becomes `end_turn`.
const fn stop_reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop | FinishReason::Other => "end_turn",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter => "refusal",
    }
}

fn usage(usage: Usage, out: &mut Vec<u8>) {
    let cached = usage.cache_read + usage.cache_write;
    json::raw(
        format_args!(
            r#"{{"input_tokens":{},"cache_creation_input_tokens":{},"#,
            usage.input.saturating_sub(cached).count(),
            usage.cache_write.count()
        ),
        out,
    );
    json::raw(
        format_args!(
            r#""cache_read_input_tokens":{},"output_tokens":{}"#,
            usage.cache_read.count(),
            usage.output.count()
        ),
        out,
    );
    if let Some(reasoning) = usage.reasoning {
        out.extend_from_slice(br#","output_tokens_details":{"thinking_tokens":"#);
        json::integer(reasoning.count(), out);
        out.push(b'}');
    }
    out.push(b'}');
}
