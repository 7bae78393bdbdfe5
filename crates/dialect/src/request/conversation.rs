//! The conversation of a request, as a client writes it.

use domain::{Message, ToolCall, ToolResult};

use super::{Body, EncodeError};
use crate::json;

/// `messages` in OpenAI form.
pub(super) fn openai(turns: &[Message], body: &mut Body<'_>) {
    body.member("messages", |out| {
        let mut items = json::Items::default();
        for message in turns {
            items.next(out);
            openai_message(message, out);
        }
        items.end(out);
    });
}

fn openai_message(message: &Message, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"role":""#);
    out.extend_from_slice(message.role().as_str().as_bytes());
    if let Message::Tool(ToolResult { call_id, .. }) = message {
        out.extend_from_slice(br#"","tool_call_id":"#);
        json::string(call_id, out);
        out.extend_from_slice(br#","content":"#);
    } else {
        out.extend_from_slice(br#"","content":"#);
    }
    match (message.tool_calls(), &**message.content()) {
        ([], content) => json::string(content, out),
        (calls, content) => {
            if content.is_empty() {
                out.extend_from_slice(b"null");
            } else {
                json::string(content, out);
            }
            openai_calls(calls, out);
        }
    }
    out.push(b'}');
}

fn openai_calls(calls: &[ToolCall], out: &mut Vec<u8>) {
    out.extend_from_slice(br#","tool_calls":"#);
    let mut items = json::Items::default();
    for call in calls {
        items.next(out);
        out.extend_from_slice(br#"{"id":"#);
        json::string(&call.id, out);
        out.extend_from_slice(br#","type":"function","function":{"name":"#);
        json::string(&call.name, out);
        out.extend_from_slice(br#","arguments":"#);
        json::string(&call.arguments, out);
        out.extend_from_slice(b"}}");
    }
    items.end(out);
}

/// `system` and `messages` in Anthropic form.
pub(super) fn anthropic(turns: &[Message], body: &mut Body<'_>) -> Result<(), EncodeError> {
    let is_callable = |call: &ToolCall| json::as_object(&call.arguments).is_some();
    if !turns.iter().flat_map(Message::tool_calls).all(is_callable) {
        return Err(EncodeError::Arguments);
    }
    let system: Vec<&str> = turns
        .iter()
        .filter(|message| matches!(message, Message::System(_)))
        .map(|message| &**message.content())
        .collect();
    if !system.is_empty() {
        body.member("system", |out| json::string(&system.join("\n\n"), out));
    }
    body.member("messages", |out| {
        let mut items = json::Items::default();
        let mut rest = turns;
        while let [message, after @ ..] = rest {
            rest = after;
            match message {
                Message::System(_) => {}
                Message::User(text) => {
                    items.next(out);
                    plain("user", text, out);
                }
                Message::Assistant { content, tool_calls } => {
                    items.next(out);
                    assistant(content, tool_calls, out);
                }
                Message::Tool(result) => {
                    items.next(out);
                    rest = results(result, after, out);
                }
            }
        }
        items.end(out);
    });
    Ok(())
}

fn plain(role: &str, text: &str, out: &mut Vec<u8>) {
    json::raw(format_args!(r#"{{"role":"{role}","content":"#), out);
    json::string(text, out);
    out.push(b'}');
}

fn text_block(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"text","text":"#);
    json::string(text, out);
    out.push(b'}');
}

fn assistant(content: &str, calls: &[ToolCall], out: &mut Vec<u8>) {
    if calls.is_empty() {
        return plain("assistant", content, out);
    }
    out.extend_from_slice(br#"{"role":"assistant","content":"#);
    let mut items = json::Items::default();
    if !content.is_empty() {
        items.next(out);
        text_block(content, out);
    }
    for call in calls {
        items.next(out);
        out.extend_from_slice(br#"{"type":"tool_use","id":"#);
        json::string(&call.id, out);
        out.extend_from_slice(br#","name":"#);
        json::string(&call.name, out);
        out.extend_from_slice(br#","input":"#);
        out.extend_from_slice(json::as_object(&call.arguments).unwrap_or("{}").as_bytes());
        out.push(b'}');
    }
    items.end(out);
    out.push(b'}');
}

/// One user's message of `first`, the results that follow it, and what the user says then: Anthropic
/// wants the results of one answer's calls together and before anything else. Returns the messages
/// after that.
fn results<'a>(first: &ToolResult, mut rest: &'a [Message], out: &mut Vec<u8>) -> &'a [Message] {
    out.extend_from_slice(br#"{"role":"user","content":"#);
    let mut items = json::Items::default();
    items.next(out);
    result_block(first, out);
    loop {
        match rest {
            [Message::Tool(result), after @ ..] => {
                items.next(out);
                result_block(result, out);
                rest = after;
            }
            [Message::User(text), after @ ..] => {
                items.next(out);
                text_block(text, out);
                rest = after;
                break;
            }
            [Message::System(_) | Message::Assistant { .. }, ..] | [] => break,
        }
    }
    items.end(out);
    out.push(b'}');
    rest
}

fn result_block(result: &ToolResult, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"tool_result","tool_use_id":"#);
    json::string(&result.call_id, out);
    out.extend_from_slice(br#","content":"#);
    json::string(&result.content, out);
    if result.is_error {
        out.extend_from_slice(br#","is_error":true"#);
    }
    out.push(b'}');
}
