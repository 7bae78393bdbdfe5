//! How a server writes its answers, in the shapes that the providers' own packages read.

use domain::{FailureKind, FinishReason, Usage, WireFormat};

use crate::{date, json};

/// Writes one answer. What each token's event has in common is rendered once, so that a token costs
/// a copy and the escaping of its text.
///
/// A streamed answer is [`begin`](Self::begin), [`token`](Self::token) for each piece of text, then
/// [`end`](Self::end), or [`error_event`](Self::error_event) where it fails on the way; each appends
/// whole events to the caller's buffer. [`whole`](Self::whole) is the body of an answer that is not
/// streamed.
#[derive(Clone, Debug)]
pub struct AnswerEncoder {
    format: WireFormat,
    /// The answer's id, as a JSON string.
    id: Vec<u8>,
    /// The model's name, as a JSON string.
    model: Vec<u8>,
    created_unix_s: u64,
    include_usage: bool,
    before_text: Vec<u8>,
    after_text: Vec<u8>,
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
        let quoted = |text| {
            let mut out = Vec::new();
            json::string(text, &mut out);
            out
        };
        let mut encoder = Self {
            format,
            id: quoted(id),
            model: quoted(model),
            created_unix_s,
            include_usage,
            before_text: Vec::new(),
            after_text: Vec::new(),
        };
        (encoder.before_text, encoder.after_text) = encoder.frame();
        encoder
    }

    /// What stands before and after the text in a token's event.
    fn frame(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        match self.format {
            WireFormat::OpenAiChat => {
                self.open_chunk(&mut before);
                before.extend_from_slice(br#"[{"index":0,"delta":{"content":""#);
                after.extend_from_slice(br#""},"logprobs":null,"finish_reason":null}]"#);
                self.close_chunk(&mut after);
            }
            WireFormat::OpenAiCompletions => {
                self.open_chunk(&mut before);
                before.extend_from_slice(br#"[{"index":0,"text":""#);
                after.extend_from_slice(br#"","logprobs":null,"finish_reason":null}]"#);
                self.close_chunk(&mut after);
            }
            WireFormat::AnthropicMessages => {
                before.extend_from_slice(
                    br#"event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""#,
                );
                after.extend_from_slice(b"\"}}\n\n");
            }
        }
        (before, after)
    }

    /// Begins a stream: the role, or the message and its one block of text.
    pub fn begin(&self, out: &mut Vec<u8>) {
        match self.format {
            WireFormat::OpenAiChat => {
                self.open_chunk(out);
                out.extend_from_slice(
                    br#"[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"#,
                );
                out.extend_from_slice(br#""logprobs":null,"finish_reason":null}]"#);
                self.close_chunk(out);
            }
            WireFormat::OpenAiCompletions => {}
            WireFormat::AnthropicMessages => {
                let usage = Usage { output: domain::Tokens(1), ..Usage::default() };
                out.extend_from_slice(b"event: message_start\ndata: ");
                out.extend_from_slice(br#"{"type":"message_start","message":"#);
                self.message(None, None, usage, out);
                out.extend_from_slice(b"}\n\nevent: content_block_start\ndata: ");
                out.extend_from_slice(br#"{"type":"content_block_start","index":0,"#);
                out.extend_from_slice(br#""content_block":{"type":"text","text":""}}"#);
                out.extend_from_slice(b"\n\n");
            }
        }
    }

    /// Appends the event of one piece of text.
    pub fn token(&self, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before_text);
        json::escape(text, out);
        out.extend_from_slice(&self.after_text);
    }

    /// Ends a stream: why, how many tokens where that was asked for, and the end mark.
    pub fn end(&self, finish: FinishReason, usage: Usage, out: &mut Vec<u8>) {
        match self.format {
            WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => {
                self.open_chunk(out);
                out.extend_from_slice(match self.format {
                    WireFormat::OpenAiChat => br#"[{"index":0,"delta":{},"#,
                    _ => br#"[{"index":0,"text":"","#,
                });
                json::raw(
                    format_args!(
                        r#""logprobs":null,"finish_reason":"{}"}}]"#,
                        openai_reason(finish)
                    ),
                    out,
                );
                self.close_chunk(out);
                if self.include_usage {
                    self.open_chunk(out);
                    out.extend_from_slice(br#"[],"usage":"#);
                    openai_usage(usage, out);
                    out.extend_from_slice(b"}\n\n");
                }
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
            WireFormat::AnthropicMessages => {
                out.extend_from_slice(b"event: content_block_stop\ndata: ");
                out.extend_from_slice(br#"{"type":"content_block_stop","index":0}"#);
                out.extend_from_slice(b"\n\nevent: message_delta\ndata: ");
                json::raw(
                    format_args!(
                        r#"{{"type":"message_delta","delta":{{"stop_reason":"{}","stop_sequence":null}},"usage":"#,
                        anthropic_reason(finish)
                    ),
                    out,
                );
                anthropic_usage(usage, out);
                out.extend_from_slice(b"}\n\nevent: message_stop\ndata: ");
                out.extend_from_slice(b"{\"type\":\"message_stop\"}\n\n");
            }
        }
    }

    /// Appends the event of an error that ends a stream early.
    pub fn error_event(&self, kind: FailureKind, message: &str, out: &mut Vec<u8>) {
        let is_anthropic = self.format == WireFormat::AnthropicMessages;
        out.extend_from_slice(if is_anthropic { b"event: error\ndata: " } else { b"data: " });
        error_body(self.format, kind, message, None, out);
        out.extend_from_slice(b"\n\n");
    }

    /// The body of an answer that is not streamed.
    #[must_use]
    pub fn whole(&self, text: &str, finish: FinishReason, usage: Usage) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 512);
        let object = match self.format {
            WireFormat::OpenAiChat => "chat.completion",
            WireFormat::OpenAiCompletions => "text_completion",
            WireFormat::AnthropicMessages => {
                self.message(Some(text), Some(finish), usage, &mut out);
                return out;
            }
        };
        self.open_object(object, &mut out);
        if self.format == WireFormat::OpenAiChat {
            out.extend_from_slice(br#"[{"index":0,"message":{"role":"assistant","content":"#);
            json::string(text, &mut out);
            out.extend_from_slice(br#","refusal":null},"#);
        } else {
            out.extend_from_slice(br#"[{"index":0,"text":"#);
            json::string(text, &mut out);
            out.push(b',');
        }
        json::raw(
            format_args!(
                r#""logprobs":null,"finish_reason":"{}"}}],"usage":"#,
                openai_reason(finish)
            ),
            &mut out,
        );
        openai_usage(usage, &mut out);
        out.push(b'}');
        out
    }

    /// An OpenAI event up to the value of `choices`.
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
        out.extend_from_slice(&self.id);
        json::raw(
            format_args!(r#","object":"{object}","created":{},"model":"#, self.created_unix_s),
            out,
        );
        out.extend_from_slice(&self.model);
        out.extend_from_slice(br#","system_fingerprint":null,"choices":"#);
    }

    /// An OpenAI event from the end of `choices`. Where counts were asked for, the events before
    /// the one that has them say that they have none.
    fn close_chunk(&self, out: &mut Vec<u8>) {
        if self.include_usage {
            out.extend_from_slice(br#","usage":null"#);
        }
        out.extend_from_slice(b"}\n\n");
    }

    /// Anthropic's message, without content where it only starts.
    fn message(
        &self,
        text: Option<&str>,
        finish: Option<FinishReason>,
        usage: Usage,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(br#"{"id":"#);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(br#","type":"message","role":"assistant","model":"#);
        out.extend_from_slice(&self.model);
        out.extend_from_slice(br#","content":["#);
        if let Some(text) = text {
            out.extend_from_slice(br#"{"type":"text","text":"#);
            json::string(text, out);
            out.push(b'}');
        }
        out.extend_from_slice(br#"],"stop_reason":"#);
        json::value(&finish.map(anthropic_reason), out);
        out.extend_from_slice(br#","stop_sequence":null,"usage":"#);
        anthropic_usage(usage, out);
        out.push(b'}');
    }
}

/// The body of an answer with an error status. `status` picks the words where `kind` has none of its
/// own.
#[must_use]
pub fn encode_error(format: WireFormat, status: u16, kind: FailureKind, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    error_body(format, kind, message, Some(status), &mut out);
    out
}

/// The body that lists the models a server has, with the members of OpenAI's form and Anthropic's,
/// so that either package reads it.
#[must_use]
pub fn encode_models(ids: &[impl AsRef<str>], created_unix_s: u64) -> Vec<u8> {
    let mut out = br#"{"object":"list","data":["#.to_vec();
    for (index, id) in ids.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"id":"#);
        json::string(id.as_ref(), &mut out);
        json::raw(
            format_args!(
                r#","object":"model","type":"model","created":{created_unix_s},"created_at":"{}","#,
                date::to_rfc3339(created_unix_s)
            ),
            &mut out,
        );
        out.extend_from_slice(br#""owned_by":"prony","display_name":"#);
        json::string(id.as_ref(), &mut out);
        out.push(b'}');
    }
    out.extend_from_slice(br#"],"has_more":false,"first_id":"#);
    json::value(&ids.first().map(AsRef::as_ref), &mut out);
    out.extend_from_slice(br#","last_id":"#);
    json::value(&ids.last().map(AsRef::as_ref), &mut out);
    out.push(b'}');
    out
}

/// OpenAI's word. It has none for a reason of the provider's own, which becomes `stop`.
const fn openai_reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop | FinishReason::Other => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}

/// Anthropic's word. It has none for a reason of the provider's own, which becomes `end_turn`.
const fn anthropic_reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop | FinishReason::Other => "end_turn",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter => "refusal",
    }
}

fn openai_usage(usage: Usage, out: &mut Vec<u8>) {
    let (input, output) = (usage.input.count(), usage.output.count());
    json::raw(
        format_args!(
            r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{},"#,
            input.saturating_add(output)
        ),
        out,
    );
    json::raw(
        format_args!(
            r#""prompt_tokens_details":{{"cached_tokens":{},"audio_tokens":0}}"#,
            usage.cache_read.count()
        ),
        out,
    );
    if let Some(reasoning) = usage.reasoning {
        out.extend_from_slice(br#","completion_tokens_details":{"reasoning_tokens":"#);
        json::integer(reasoning.count(), out);
        out.extend_from_slice(
            br#","audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}"#,
        );
    }
    out.push(b'}');
}

fn anthropic_usage(usage: Usage, out: &mut Vec<u8>) {
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
            r#""cache_read_input_tokens":{},"output_tokens":{}}}"#,
            usage.cache_read.count(),
            usage.output.count()
        ),
        out,
    );
}

fn error_body(
    format: WireFormat,
    kind: FailureKind,
    message: &str,
    status: Option<u16>,
    out: &mut Vec<u8>,
) {
    match format {
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => {
            let (label, code) = openai_error(kind, status);
            out.extend_from_slice(br#"{"error":{"message":"#);
            json::string(message, out);
            out.extend_from_slice(br#","type":"#);
            json::string(label, out);
            out.extend_from_slice(br#","param":null,"code":"#);
            json::value(&code, out);
            out.extend_from_slice(b"}}");
        }
        WireFormat::AnthropicMessages => {
            out.extend_from_slice(br#"{"type":"error","error":{"type":"#);
            json::string(anthropic_error(kind, status), out);
            out.extend_from_slice(br#","message":"#);
            json::string(message, out);
            out.extend_from_slice(b"}}");
        }
    }
}

/// OpenAI's type and code of an error.
const fn openai_error(
    kind: FailureKind,
    status: Option<u16>,
) -> (&'static str, Option<&'static str>) {
    match kind {
        FailureKind::Unauthorized => ("invalid_request_error", Some("invalid_api_key")),
        FailureKind::RateLimited => ("requests", Some("rate_limit_exceeded")),
        FailureKind::Overloaded => ("server_error", Some("overloaded")),
        FailureKind::Rejected => match status {
            Some(404) => ("invalid_request_error", Some("model_not_found")),
            Some(_) | None => ("invalid_request_error", None),
        },
        FailureKind::Connect(_)
        | FailureKind::Timeout
        | FailureKind::ServerError
        | FailureKind::InStream
        | FailureKind::Truncated
        | FailureKind::Malformed
        | FailureKind::Cancelled => ("server_error", None),
    }
}

/// Anthropic's type of an error.
const fn anthropic_error(kind: FailureKind, status: Option<u16>) -> &'static str {
    match kind {
        FailureKind::Unauthorized => match status {
            Some(403) => "permission_error",
            Some(_) | None => "authentication_error",
        },
        FailureKind::RateLimited => "rate_limit_error",
        FailureKind::Overloaded => "overloaded_error",
        FailureKind::Timeout => "timeout_error",
        FailureKind::Rejected => match status {
            Some(404) => "not_found_error",
            Some(413) => "request_too_large",
            Some(_) | None => "invalid_request_error",
        },
        FailureKind::Connect(_)
        | FailureKind::ServerError
        | FailureKind::InStream
        | FailureKind::Truncated
        | FailureKind::Malformed
        | FailureKind::Cancelled => "api_error",
    }
}
