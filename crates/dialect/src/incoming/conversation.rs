//! The conversation of a request.

use std::sync::Arc;

use domain::{Message, Prompt, ToolCall, ToolResult};

use super::BadRequest;
use super::object::{Object, Value};

/// What each message must be.
const ROLES: &str = "must be system, developer, user, assistant or tool";

/// `messages` in OpenAI form.
pub(super) fn openai(body: &Object<'_>) -> Result<Prompt, BadRequest> {
    let messages = turns(body)?.iter().map(openai_message).collect::<Result<Vec<_>, _>>()?;
    Ok(Prompt::Messages(messages.into()))
}

/// `system` and `messages` in Anthropic form.
pub(super) fn anthropic(body: &Object<'_>) -> Result<Prompt, BadRequest> {
    let mut all = Vec::new();
    if let Some(system) = content(body, "system")? {
        all.push(Message::System(system));
    }
    for turn in turns(body)? {
        anthropic_messages(&turn, &mut all)?;
    }
    Ok(Prompt::Messages(all.into()))
}

fn turns<'a>(body: &Object<'a>) -> Result<Vec<Object<'a>>, BadRequest> {
    let turns = body.objects("messages")?.ok_or_else(|| BadRequest::missing("messages"))?;
    if turns.is_empty() {
        return Err(BadRequest::at("messages", "must hold a message"));
    }
    Ok(turns)
}

fn openai_message(turn: &Object<'_>) -> Result<Message, BadRequest> {
    let required = || {
        let missing = || BadRequest::missing(turn.place("content"));
        content(turn, "content")?.ok_or_else(missing)
    };
    match turn.text("role").ok().flatten().as_deref() {
        Some("system" | "developer") => required().map(Message::System),
        Some("user") => required().map(Message::User),
        Some("assistant") => {
            if turn.raw("function_call").is_some() {
                let problem = "is the old form of tool_calls, which are to be sent instead";
                return Err(turn.wrong("function_call", problem));
            }
            let calls = turn.objects("tool_calls")?.unwrap_or_default();
            Ok(Message::Assistant {
                // It may hold tool calls alone.
                content: content(turn, "content")?.unwrap_or_default(),
                tool_calls: calls.iter().map(openai_call).collect::<Result<_, _>>()?,
            })
        }
        Some("tool") => Ok(Message::Tool(ToolResult {
            call_id: turn.required_text("tool_call_id")?.into(),
            content: required()?,
            is_error: false,
        })),
        Some(_) | None => Err(turn.wrong("role", ROLES)),
    }
}

fn openai_call(call: &Object<'_>) -> Result<ToolCall, BadRequest> {
    if !matches!(call.text("type")?.as_deref(), None | Some("function")) {
        return Err(call.wrong("type", "must be function"));
    }
    let function = call.object("function")?;
    let function = function.ok_or_else(|| BadRequest::missing(call.place("function")))?;
    Ok(ToolCall {
        id: call.required_text("id")?.into(),
        name: function.required_text("name")?.into(),
        arguments: function.text("arguments")?.unwrap_or_default().into(),
    })
}

/// Appends what one message in Anthropic form says: each result in it is a message of its own.
fn anthropic_messages(turn: &Object<'_>, all: &mut Vec<Message>) -> Result<(), BadRequest> {
    let missing = || BadRequest::missing(turn.place("content"));
    match turn.text("role").ok().flatten().as_deref() {
        Some("system") => {
            all.push(Message::System(content(turn, "content")?.ok_or_else(missing)?));
        }
        Some("user") => match turn.value("content") {
            Value::Array(_) => user_blocks(&blocks(turn)?, all)?,
            _ => all.push(Message::User(content(turn, "content")?.ok_or_else(missing)?)),
        },
        Some("assistant") => all.push(match turn.value("content") {
            Value::Array(_) => assistant_blocks(&blocks(turn)?)?,
            _ => Message::assistant(content(turn, "content")?.ok_or_else(missing)?),
        }),
        Some(_) | None => return Err(turn.wrong("role", ROLES)),
    }
    Ok(())
}

fn blocks<'a>(turn: &Object<'a>) -> Result<Vec<Object<'a>>, BadRequest> {
    Ok(turn.objects("content")?.unwrap_or_default())
}

fn user_blocks(blocks: &[Object<'_>], all: &mut Vec<Message>) -> Result<(), BadRequest> {
    let mut said: Option<String> = None;
    for block in blocks {
        match block.text("type")?.as_deref() {
            Some("tool_result") => {
                all.extend(said.take().map(|text| Message::User(text.into())));
                all.push(Message::Tool(ToolResult {
                    call_id: block.required_text("tool_use_id")?.into(),
                    content: content(block, "content")?.unwrap_or_default(),
                    is_error: block.flag("is_error")?.unwrap_or(false),
                }));
            }
            Some("text") => {
                said.get_or_insert_default().push_str(&block.required_text("text")?);
            }
            Some(_) | None => return Err(block.wrong("type", "must be text or tool_result")),
        }
    }
    let is_empty = blocks.is_empty().then(String::new);
    all.extend(said.or(is_empty).map(|text| Message::User(text.into())));
    Ok(())
}

/// An earlier answer. What the model thought before it is left out, as providers do themselves: it
/// belongs to the turn in which it was thought.
fn assistant_blocks(blocks: &[Object<'_>]) -> Result<Message, BadRequest> {
    let (mut said, mut tool_calls) = (String::new(), Vec::new());
    for block in blocks {
        match block.text("type")?.as_deref() {
            Some("text") => said.push_str(&block.required_text("text")?),
            Some("tool_use") => {
                let input = match (block.value("input"), block.raw("input")) {
                    (Value::Object, Some(raw)) => raw.get().into(),
                    (Value::Absent, _) => Arc::default(),
                    _ => return Err(block.wrong("input", "must be an object")),
                };
                tool_calls.push(ToolCall {
                    id: block.required_text("id")?.into(),
                    name: block.required_text("name")?.into(),
                    arguments: input,
                });
            }
            Some("thinking" | "redacted_thinking") => {}
            Some(_) | None => {
                return Err(block.wrong("type", "must be text, thinking or tool_use"));
            }
        }
    }
    Ok(Message::Assistant { content: said.into(), tool_calls: tool_calls.into() })
}

/// Text given as a string or as an array of text parts; `None` where it is absent.
fn content(object: &Object<'_>, name: &str) -> Result<Option<Arc<str>>, BadRequest> {
    match object.value(name) {
        Value::Absent => Ok(None),
        Value::Text(text) => Ok(Some(text.into())),
        Value::Array(parts) => {
            let mut joined = String::new();
            for (index, part) in parts.into_iter().enumerate() {
                let place = format!("{}[{index}]", object.place(name));
                let text = Object::of(part, place.clone()).ok().and_then(|part| text_of(&part));
                let not_text = || BadRequest::at(place, "must be a part of type text");
                joined.push_str(&text.ok_or_else(not_text)?);
            }
            Ok(Some(joined.into()))
        }
        Value::Object | Value::Other => {
            Err(object.wrong(name, "must be a string or an array of text parts"))
        }
    }
}

fn text_of(part: &Object<'_>) -> Option<String> {
    match part.value("type").text().as_deref() {
        Some("text" | "input_text" | "output_text") => part.value("text").text(),
        Some(_) | None => None,
    }
}
