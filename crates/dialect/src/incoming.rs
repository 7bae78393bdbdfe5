//! What a server is asked.

use std::sync::Arc;

use domain::{Message, Prompt, Role, Sampling, WireFormat};
use serde_json::{Map, Value};

use crate::failure;

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

    fn missing(param: &str) -> Self {
        Self::at(param, "is required")
    }
}

/// Reads the body of a request in `format`. Members it does not know are accepted, as servers do;
/// those that would change the answer in a way no server here can (several choices, images) are not.
///
/// # Errors
/// [`BadRequest`], naming the member that is missing or wrong.
pub fn parse_request(format: WireFormat, body: &[u8]) -> Result<IncomingRequest, BadRequest> {
    let bad = |message| BadRequest { message, param: None };
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        bad(format!("the body cannot be read: {}", failure::json_error(&error)))
    })?;
    let Value::Object(members) = value else {
        return Err(bad("the body must be a JSON object".to_owned()));
    };
    let body = Body(&members);
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
        model: body.text("model")?.ok_or_else(|| BadRequest::missing("model"))?.to_owned(),
        prompt: match format {
            WireFormat::OpenAiChat => messages(&body, Vec::new())?,
            WireFormat::OpenAiCompletions => Prompt::Text(completion_prompt(&body)?.into()),
            WireFormat::AnthropicMessages => messages(&body, anthropic_system(&body)?)?,
        },
        max_tokens,
        stream: body.flag("stream")?,
        include_usage: is_anthropic || include_usage(&body)?,
        sampling: Sampling {
            temperature: body.number("temperature", f64::MAX)?,
            top_p: body.number("top_p", 1.0)?,
            top_k: top_k(&body)?,
            min_p: body.number("min_p", 1.0)?,
            seed: body.integer("seed", 0)?,
        },
        stop: stop(&body, if is_anthropic { "stop_sequences" } else { "stop" })?,
        ignore_eos: body.flag("ignore_eos")?,
    })
}

fn completion_prompt<'a>(body: &Body<'a>) -> Result<&'a str, BadRequest> {
    let only = match body.get("prompt") {
        Some(Value::Array(items)) if items.len() == 1 => items.first(),
        other => other,
    };
    match only {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(BadRequest::at("prompt", "must be a string or an array of one string")),
        None => Err(BadRequest::missing("prompt")),
    }
}

fn anthropic_system(body: &Body<'_>) -> Result<Vec<Message>, BadRequest> {
    match body.get("system") {
        None => Ok(Vec::new()),
        Some(system) => {
            Ok(vec![Message { role: Role::System, content: content(system, "system")? }])
        }
    }
}

/// The conversation, after the messages in `all`.
fn messages(body: &Body<'_>, mut all: Vec<Message>) -> Result<Prompt, BadRequest> {
    let given = match body.get("messages") {
        Some(Value::Array(given)) => given,
        Some(_) => return Err(BadRequest::at("messages", "must be an array")),
        None => return Err(BadRequest::missing("messages")),
    };
    if given.is_empty() {
        return Err(BadRequest::at("messages", "must hold a message"));
    }
    for (index, message) in given.iter().enumerate() {
        let place = format!("messages[{index}]");
        let Value::Object(message) = message else {
            return Err(BadRequest::at(place, "must be an object"));
        };
        let role = match message.get("role").and_then(Value::as_str) {
            Some("system" | "developer") => Role::System,
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("tool" | "function") => Role::Tool,
            Some(_) | None => {
                let problem = "must be system, developer, user, assistant or tool";
                return Err(BadRequest::at(format!("{place}.role"), problem));
            }
        };
        let place = format!("{place}.content");
        let content = match message.get("content") {
            // An assistant's message may hold tool calls alone.
            None | Some(Value::Null) if role == Role::Assistant => Arc::from(""),
            None | Some(Value::Null) => return Err(BadRequest::missing(&place)),
            Some(value) => content(value, &place)?,
        };
        all.push(Message { role, content });
    }
    Ok(Prompt::Messages(all.into()))
}

/// Text given as a string or as an array of text parts.
fn content(value: &Value, place: &str) -> Result<Arc<str>, BadRequest> {
    match value {
        Value::String(text) => Ok(Arc::from(&**text)),
        Value::Array(parts) => {
            let mut joined = String::new();
            for (index, part) in parts.iter().enumerate() {
                match (part.get("type").and_then(Value::as_str), part.get("text")) {
                    (Some("text" | "input_text" | "output_text"), Some(Value::String(text))) => {
                        joined.push_str(text);
                    }
                    _ => {
                        let place = format!("{place}[{index}]");
                        return Err(BadRequest::at(place, "must be a part of type text"));
                    }
                }
            }
            Ok(joined.into())
        }
        _ => Err(BadRequest::at(place, "must be a string or an array of text parts")),
    }
}

fn include_usage(body: &Body<'_>) -> Result<bool, BadRequest> {
    match body.get("stream_options") {
        None => Ok(false),
        Some(Value::Object(options)) => match options.get("include_usage") {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(include)) => Ok(*include),
            Some(_) => Err(BadRequest::at("stream_options.include_usage", "must be true or false")),
        },
        Some(_) => Err(BadRequest::at("stream_options", "must be an object")),
    }
}

/// vLLM's -1, like 0, keeps every token.
fn top_k(body: &Body<'_>) -> Result<Option<u32>, BadRequest> {
    if body.get("top_k").and_then(Value::as_i64) == Some(-1) {
        return Ok(None);
    }
    let wanted = body.integer("top_k", 0)?.filter(|&k| k > 0);
    Ok(wanted.map(|k| u32::try_from(k).unwrap_or(u32::MAX)))
}

fn stop(body: &Body<'_>, name: &str) -> Result<Vec<String>, BadRequest> {
    let wrong = || BadRequest::at(name, "must be a string or an array of strings");
    match body.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(texts)) => {
            texts.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// The members of a request. A null is as good as absent.
struct Body<'a>(&'a Map<String, Value>);

impl<'a> Body<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, BadRequest> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(BadRequest::at(name, "must be a string")),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, BadRequest> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(BadRequest::at(name, "must be true or false")),
        }
    }

    fn integer(&self, name: &str, least: u64) -> Result<Option<u64>, BadRequest> {
        match self.get(name).map(Value::as_u64) {
            None => Ok(None),
            Some(Some(number)) if number >= least => Ok(Some(number)),
            Some(_) => Err(BadRequest::at(name, &format!("must be an integer of {least} or more"))),
        }
    }

    fn number(&self, name: &str, most: f64) -> Result<Option<f64>, BadRequest> {
        match self.get(name).map(Value::as_f64) {
            None => Ok(None),
            Some(Some(number)) if (0.0..=most).contains(&number) => Ok(Some(number)),
            Some(_) if most == f64::MAX => {
                Err(BadRequest::at(name, "must be a number of 0 or more"))
            }
            Some(_) => Err(BadRequest::at(name, &format!("must be a number from 0 to {most}"))),
        }
    }
}
