//! What a client sends.

mod conversation;
mod tools;

use domain::{Message, Prompt, Request, WireFormat};
use serde_json::{Map, Value};

use crate::json;

/// The `max_tokens` sent in Anthropic form where the request names none, since the field is
/// required there.
pub const ANTHROPIC_DEFAULT_MAX_TOKENS: u64 = 1024;

/// The field that carries the longest answer wanted, in OpenAI chat form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitField {
    /// `max_tokens`, which every compatible server knows.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models demand.
    MaxCompletionTokens,
}

/// How a server is told to generate past the model's own end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IgnoreEos {
    /// It cannot be told: a request that wants it is refused here.
    #[default]
    Unsupported,
    /// By `"ignore_eos": true` (vLLM, SGLang, llama.cpp).
    Field,
}

/// What a target needs beside the request itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestOptions {
    /// Members that override those written here; a null removes the member.
    pub extra_body: Option<Map<String, Value>>,
    /// Whether a streamed answer shall end with its token counts. Anthropic's always does.
    pub include_usage: bool,
    /// Where the token limit of a chat request goes.
    pub limit_field: LimitField,
    /// How `ignore_eos` is said.
    pub ignore_eos: IgnoreEos,
    /// Fewest tokens to generate, sent as `min_tokens` (vLLM).
    pub min_tokens: Option<u64>,
}

/// A request that a format cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A conversation, for an endpoint that continues plain text.
    #[error(
        "the completions endpoint takes plain text, not a conversation; use the chat endpoint, \
         or prompts of plain text"
    )]
    ConversationAsText,
    /// Generating past the model's end, on a server not known to do so.
    #[error(
        "this server cannot be told to ignore the model's end of text; drop that setting, or name \
         the server's own field in the extra body"
    )]
    IgnoreEos,
    /// Tools, for an endpoint that continues plain text.
    #[error("the completions endpoint takes no tools; use the chat endpoint, or leave them out")]
    Tools,
    /// A tool whose schema is no JSON object.
    #[error("the parameters of a tool are no JSON object; write them as a JSON Schema")]
    Schema,
    /// A call whose arguments are no JSON object, in a form that takes nothing else.
    #[error(
        "the arguments of a tool call are no JSON object, as Anthropic messages demand; mend them, \
         or leave the call and its result out"
    )]
    Arguments,
    /// A sampling setting that the format has no field for.
    #[error(
        "Anthropic messages have no `{0}`; drop that setting, or put it into the extra body if \
         this server takes it"
    )]
    Sampling(&'static str),
}

/// The body of `request` in `format`.
///
/// In Anthropic form system messages move into `system`, and tool results with what the user says
/// after them into one message; whether turns alternate is left to the caller. OpenAI's form cannot
/// say that a tool failed: its result has to.
///
/// # Errors
/// What the format cannot express; see [`EncodeError`].
pub fn encode_request(
    format: WireFormat,
    request: &Request,
    options: &RequestOptions,
) -> Result<Vec<u8>, EncodeError> {
    let mut body = Body::new(options.extra_body.as_ref());
    body.member("model", |out| json::string(&request.model, out));
    let only;
    let turns = match &request.prompt {
        Prompt::Text(text) => {
            only = [Message::User(text.clone())];
            &only
        }
        Prompt::Messages(messages) => &messages[..],
    };
    match (format, &request.prompt) {
        (WireFormat::OpenAiChat, _) => conversation::openai(turns, &mut body),
        (WireFormat::OpenAiCompletions, Prompt::Text(text)) => {
            body.member("prompt", |out| json::string(text, out));
        }
        (WireFormat::OpenAiCompletions, Prompt::Messages(_)) => {
            return Err(EncodeError::ConversationAsText);
        }
        (WireFormat::AnthropicMessages, _) => conversation::anthropic(turns, &mut body)?,
    }
    match (format, &request.tools) {
        (_, None) => {}
        (WireFormat::OpenAiChat, Some(tools)) => tools::openai(tools, &mut body)?,
        (WireFormat::OpenAiCompletions, Some(_)) => return Err(EncodeError::Tools),
        (WireFormat::AnthropicMessages, Some(tools)) => tools::anthropic(tools, &mut body)?,
    }
    limits(format, request, options, &mut body)?;
    sampling(format, request, &mut body)?;
    if request.stream {
        body.member("stream", |out| out.extend_from_slice(b"true"));
        if options.include_usage && format != WireFormat::AnthropicMessages {
            let usage = br#"{"include_usage":true}"#;
            body.member("stream_options", |out| out.extend_from_slice(usage));
        }
    }
    Ok(body.finish())
}

fn limits(
    format: WireFormat,
    request: &Request,
    options: &RequestOptions,
    body: &mut Body<'_>,
) -> Result<(), EncodeError> {
    let (field, limit) = match (format, options.limit_field) {
        (WireFormat::AnthropicMessages, _) => {
            ("max_tokens", request.max_tokens.or(Some(ANTHROPIC_DEFAULT_MAX_TOKENS)))
        }
        (WireFormat::OpenAiChat, LimitField::MaxCompletionTokens) => {
            ("max_completion_tokens", request.max_tokens)
        }
        (WireFormat::OpenAiChat, LimitField::MaxTokens) | (WireFormat::OpenAiCompletions, _) => {
            ("max_tokens", request.max_tokens)
        }
    };
    body.optional(field, limit);
    body.optional("min_tokens", options.min_tokens);
    if request.ignore_eos {
        match options.ignore_eos {
            IgnoreEos::Unsupported => return Err(EncodeError::IgnoreEos),
            IgnoreEos::Field => {
                body.member("ignore_eos", |out| out.extend_from_slice(b"true"));
            }
        }
    }
    Ok(())
}

fn sampling(format: WireFormat, request: &Request, body: &mut Body<'_>) -> Result<(), EncodeError> {
    let sampling = &request.sampling;
    let stop = match format {
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => "stop",
        WireFormat::AnthropicMessages => {
            if sampling.seed.is_some() {
                return Err(EncodeError::Sampling("seed"));
            }
            if sampling.min_p.is_some() {
                return Err(EncodeError::Sampling("min_p"));
            }
            "stop_sequences"
        }
    };
    body.optional("temperature", sampling.temperature);
    body.optional("top_p", sampling.top_p);
    body.optional("top_k", sampling.top_k);
    body.optional("min_p", sampling.min_p);
    body.optional("seed", sampling.seed);
    if !request.stop.is_empty() {
        body.member(stop, |out| json::value(&&request.stop[..], out));
    }
    Ok(())
}

/// A JSON object under construction, in which the user's members win.
struct Body<'a> {
    out: Vec<u8>,
    extra: Option<&'a Map<String, Value>>,
}

impl<'a> Body<'a> {
    fn new(extra: Option<&'a Map<String, Value>>) -> Self {
        Self { out: vec![b'{'], extra }
    }

    fn member(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if self.extra.is_none_or(|extra| !extra.contains_key(key)) {
            self.write(key, write);
        }
    }

    fn optional(&mut self, key: &str, value: Option<impl serde::Serialize>) {
        if let Some(value) = value {
            self.member(key, |out| json::value(&value, out));
        }
    }

    fn write(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        json::string(key, &mut self.out);
        self.out.push(b':');
        write(&mut self.out);
    }

    fn finish(mut self) -> Vec<u8> {
        for (key, value) in self.extra.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            self.write(key, |out| json::value(value, out));
        }
        self.out.push(b'}');
        self.out
    }
}
