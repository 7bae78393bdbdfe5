//! Answers in OpenAI form, chat and completions.

use domain::{FinishReason, Usage, WireFormat};

use super::{Block, Envelope};
use crate::answer::{AnswerText, ToolCall};
use crate::json;

/// The role.
pub(super) fn begin(envelope: &Envelope, out: &mut Vec<u8>) {
    envelope.open_chunk(out);
    out.extend_from_slice(
        br#"[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"#,
    );
    out.extend_from_slice(br#""logprobs":null,"finish_reason":null}]"#);
    envelope.close_chunk(out);
}

/// What stands before and after the text in an event of `block`. A completion has only content.
pub(super) fn frame(envelope: &Envelope, block: Block, before: &mut Vec<u8>, after: &mut Vec<u8>) {
    envelope.open_chunk(before);
    let end: &[u8] = match (envelope.format, block) {
        (WireFormat::OpenAiCompletions, _) => {
            before.extend_from_slice(br#"[{"index":0,"text":""#);
            br#"","#
        }
        (_, Block::Content) => {
            before.extend_from_slice(br#"[{"index":0,"delta":{"content":""#);
            br#""},"#
        }
        (_, Block::Reasoning) => {
            before.extend_from_slice(br#"[{"index":0,"delta":{"reasoning_content":""#);
            br#""},"#
        }
        (_, Block::ToolCall(number)) => {
            before.extend_from_slice(br#"[{"index":0,"delta":{"tool_calls":[{"index":"#);
            json::integer(number as u64, before);
            before.extend_from_slice(br#","function":{"arguments":""#);
            br#""}}]},"#
        }
    };
    after.extend_from_slice(end);
    after.extend_from_slice(br#""logprobs":null,"finish_reason":null}]"#);
    envelope.close_chunk(after);
}

/// A tool call's beginning, which names it.
pub(super) fn begin_tool_call(
    envelope: &Envelope,
    number: usize,
    id: &str,
    name: &str,
    out: &mut Vec<u8>,
) {
    envelope.open_chunk(out);
    out.extend_from_slice(br#"[{"index":0,"delta":{"tool_calls":[{"index":"#);
    json::integer(number as u64, out);
    out.extend_from_slice(br#","id":"#);
    json::string(id, out);
    out.extend_from_slice(br#","type":"function","function":{"name":"#);
    json::string(name, out);
    out.extend_from_slice(br#","arguments":""}}]},"logprobs":null,"finish_reason":null}]"#);
    envelope.close_chunk(out);
}

/// Why it ended, the counts where they were asked for, and the end mark.
pub(super) fn end(envelope: &Envelope, finish: FinishReason, counts: Usage, out: &mut Vec<u8>) {
    envelope.open_chunk(out);
    let is_completion = envelope.format == WireFormat::OpenAiCompletions;
    let empty = if is_completion { r#""text":"""# } else { r#""delta":{}"# };
    let reason = finish_reason(finish);
    json::raw(
        format_args!(r#"[{{"index":0,{empty},"logprobs":null,"finish_reason":"{reason}"}}]"#),
        out,
    );
    envelope.close_chunk(out);
    if envelope.include_usage {
        envelope.open_chunk(out);
        out.extend_from_slice(br#"[],"usage":"#);
        usage(counts, out);
        out.extend_from_slice(b"}\n\n");
    }
    out.extend_from_slice(b"data: [DONE]\n\n");
}

/// The body of an answer that is not streamed.
pub(super) fn whole(
    envelope: &Envelope,
    answer: &AnswerText,
    finish: FinishReason,
    counts: Usage,
    out: &mut Vec<u8>,
) {
    if envelope.format == WireFormat::OpenAiCompletions {
        envelope.open_object("text_completion", out);
        out.extend_from_slice(br#"[{"index":0,"text":"#);
        json::string(&answer.content, out);
    } else {
        envelope.open_object("chat.completion", out);
        out.extend_from_slice(br#"[{"index":0,"message":"#);
        message(envelope, answer, out);
    }
    let reason = finish_reason(finish);
    json::raw(format_args!(r#","logprobs":null,"finish_reason":"{reason}"}}],"usage":"#), out);
    usage(counts, out);
    out.push(b'}');
}

/// A chat answer's message. Beside tool calls content that is empty is null.
fn message(envelope: &Envelope, answer: &AnswerText, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"role":"assistant","content":"#);
    if answer.content.is_empty() && !answer.tool_calls.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        json::string(&answer.content, out);
    }
    if !answer.reasoning.is_empty() {
        out.extend_from_slice(br#","reasoning_content":"#);
        json::string(&answer.reasoning, out);
    }
    out.extend_from_slice(br#","refusal":null"#);
    for (number, call) in answer.tool_calls.iter().enumerate() {
        out.extend_from_slice(if number == 0 { br#","tool_calls":["# } else { b"," });
        tool_call(envelope, number, call, out);
    }
    out.extend_from_slice(if answer.tool_calls.is_empty() { b"}" } else { b"]}" });
}

fn tool_call(envelope: &Envelope, number: usize, call: &ToolCall, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"id":"#);
    json::string(&envelope.call_id(number, &call.id), out);
    out.extend_from_slice(br#","type":"function","function":{"name":"#);
    json::string(&call.name, out);
    out.extend_from_slice(br#","arguments":"#);
    json::string(if call.arguments.is_empty() { "{}" } else { &call.arguments }, out);
    out.extend_from_slice(b"}}");
}

impl Envelope {
    /// An event up to the value of `choices`.
    fn open_chunk(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        let object = match self.format {
            WireFormat::OpenAiChat => "chat.completion.chunk",
            WireFormat::OpenAiCompletions | WireFormat::AnthropicMessages => "text_completion",
        };
        self.open_object(object, out);
    }

    fn open_object(&self, object: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"id":"#);
        json::string(&self.id, out);
        json::raw(
            format_args!(r#","object":"{object}","created":{},"model":"#, self.created_unix_s),
            out,
        );
        json::string(&self.model, out);
        out.extend_from_slice(br#","system_fingerprint":null,"choices":"#);
    }

    /// An event from the end of `choices`. Where counts were asked for, the events before the one
    /// that has them say that they have none.
    fn close_chunk(&self, out: &mut Vec<u8>) {
        if self.include_usage {
            out.extend_from_slice(br#","usage":null"#);
        }
        out.extend_from_slice(b"}\n\n");
    }
}

/// OpenAI's word. It has none for a reason of the provider's own, which becomes `stop`.
const fn finish_reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop | FinishReason::Other => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}

fn usage(usage: Usage, out: &mut Vec<u8>) {
    let (input, output) = (usage.input.count(), usage.output.count());
    json::raw(
        format_args!(
            r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{},"#,
            input.saturating_add(output)
        ),
        out,
    );
    out.extend_from_slice(br#""prompt_tokens_details":{"cached_tokens":"#);
    json::integer(usage.cache_read.count(), out);
    if usage.cache_write.count() > 0 {
        out.extend_from_slice(br#","cache_write_tokens":"#);
        json::integer(usage.cache_write.count(), out);
    }
    out.extend_from_slice(br#","audio_tokens":0}"#);
    if let Some(reasoning) = usage.reasoning {
        out.extend_from_slice(br#","completion_tokens_details":{"reasoning_tokens":"#);
        json::integer(reasoning.count(), out);
        out.extend_from_slice(
            br#","audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}"#,
        );
    }
    out.push(b'}');
}
