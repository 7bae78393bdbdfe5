//! What a server is asked.

mod conversation;
mod object;
mod tools;

use domain::{Prompt, Sampling, Tools, WireFormat};

use self::object::{Object, Value};

/// A request as a server understands it, in any format.
#[derive(Clone, Debug, PartialEq)]
pub struct IncomingRequest {
    /// The model asked for.
    pub model: String,
    /// What it is given. Anthropic's `system` is the first message.
    pub prompt: Prompt,
    /// The longest answer wanted, in tokens.
    pub max_tokens: Option<u64>,
    /// Whether the answer shall come token by token.
    pub stream: bool,
    /// Whether a streamed answer shall end with its token counts. Always true in Anthropic form.
    pub include_usage: bool,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Whether to generate past the model's own end.
    pub ignore_eos: bool,
    /// The tools the model may call.
    pub tools: Option<Tools>,
}

/// A request that cannot be served as it stands, to be answered with status 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// What is wrong, naming the member but quoting nothing of its value.
    pub message: String,
    /// The member at fault.
    pub param: Option<String>,
}

impl BadRequest {
    fn at(param: impl Into<String>, problem: &str) -> Self {
        let param = param.into();
        Self { message: format!("'{param}' {problem}"), param: Some(param) }
    }

    fn missing(param: impl Into<String>) -> Self {
        Self::at(param, "is required")
    }
}

/// Reads the body of a request in `format`. Members it does not know are accepted, as servers do;
/// those that would change the answer in a way no server here can (several choices, images, tools
/// that the provider itself runs) are not.
///
/// | | chat | messages |
/// |---|---|---|
/// | tools | `tools` of type `function` | `tools` of type `custom`, or of none |
/// | calls | `tool_calls` of an assistant's message | its `tool_use` blocks |
/// | results | messages of role `tool` | a user's `tool_result` blocks, each a message of its own |
///
/// # Errors
/// [`BadRequest`], naming the member that is missing or wrong.
pub fn parse_request(format: WireFormat, body: &[u8]) -> Result<IncomingRequest, BadRequest> {
    let body = Object::of_body(body)?;
    if body.integer("n", 1)?.is_some_and(|n| n != 1) {
        return Err(BadRequest::at("n", "must be 1"));
    }
    let is_anthropic = format == WireFormat::AnthropicMessages;
    let max_tokens = match format {
        WireFormat::OpenAiChat => match body.integer("max_completion_tokens", 1)? {
            Some(limit) => Some(limit),
            None => body.integer("max_tokens", 1)?,
        },
        WireFormat::OpenAiCompletions => body.integer("max_tokens", 1)?,
        WireFormat::AnthropicMessages => {
            Some(body.integer("max_tokens", 1)?.ok_or_else(|| BadRequest::missing("max_tokens"))?)
        }
    };
    Ok(IncomingRequest {
        model: body.required_text("model")?,
        prompt: match format {
            WireFormat::OpenAiChat => conversation::openai(&body)?,
            WireFormat::OpenAiCompletions => Prompt::Text(completion_prompt(&body)?.into()),
            WireFormat::AnthropicMessages => conversation::anthropic(&body)?,
        },
        max_tokens,
        stream: body.flag("stream")?.unwrap_or(false),
        include_usage: is_anthropic || include_usage(&body)?,
        sampling: Sampling {
            temperature: body.number("temperature", f64::MAX)?,
            top_p: body.number("top_p", 1.0)?,
            top_k: top_k(&body)?,
            min_p: body.number("min_p", 1.0)?,
            seed: body.integer("seed", 0)?,
        },
        stop: stop(&body, if is_anthropic { "stop_sequences" } else { "stop" })?,
        ignore_eos: body.flag("ignore_eos")?.unwrap_or(false),
        tools: tools::tools(format, &body)?,
    })
}

fn completion_prompt(body: &Object<'_>) -> Result<String, BadRequest> {
    let wrong = || BadRequest::at("prompt", "must be a string or an array of one string");
    match body.value("prompt") {
        Value::Absent => Err(BadRequest::missing("prompt")),
        Value::Text(text) => Ok(text),
        Value::Array(items) => match &items[..] {
            [only] => Value::of(only).text().ok_or_else(wrong),
            _ => Err(wrong()),
        },
        Value::Object | Value::Other => Err(wrong()),
    }
}

fn include_usage(body: &Object<'_>) -> Result<bool, BadRequest> {
    let options = body.object("stream_options")?;
    Ok(options.map_or(Ok(None), |options| options.flag("include_usage"))?.unwrap_or(false))
}

/// vLLM's -1, like 0, keeps every token.
fn top_k(body: &Object<'_>) -> Result<Option<u32>, BadRequest> {
    if body.raw("top_k").is_some_and(|raw| raw.get() == "-1") {
        return Ok(None);
    }
    let wanted = body.integer("top_k", 0)?.filter(|&k| k > 0);
    Ok(wanted.map(|k| u32::try_from(k).unwrap_or(u32::MAX)))
}

fn stop(body: &Object<'_>, name: &str) -> Result<Vec<String>, BadRequest> {
    let wrong = || BadRequest::at(name, "must be a string or an array of strings");
    match body.value(name) {
        Value::Absent => Ok(Vec::new()),
        Value::Text(text) => Ok(vec![text]),
        Value::Array(texts) => {
            texts.into_iter().map(|text| Value::of(text).text().ok_or_else(wrong)).collect()
        }
        Value::Object | Value::Other => Err(wrong()),
    }
}
